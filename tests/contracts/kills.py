"""Kills something under load, again and again, and checks what every acknowledged upload came to."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import TYPE_CHECKING

from support.servers.service import Answer, Person

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.servers.service import Service

SIZES = (40, 5_000, 70_000, 400_000)


@dataclass
class Writer:
    """Uploads for one person as a careful client does: the same bytes again until there is a definite answer."""

    person: Person
    version: int = 0
    contents: dict[int, str] = field(default_factory=dict)
    uploads: int = 0
    unanswered: int = 0
    broken: list[str] = field(default_factory=list)

    def run(self, done: threading.Event) -> None:
        while not done.is_set():
            self.upload_one(done)

    def upload_one(self, done: threading.Event) -> None:
        body = os.urandom(SIZES[self.uploads % len(SIZES)])
        while True:
            answer = self._try(body)
            if answer is not None and answer.status == 200:
                self._acknowledged(answer, body)
                return
            if answer is not None and answer.status not in (429, 503):
                self.broken.append(
                    f"upload over version {self.version} answered {answer.status}: {answer.body[:200]!r}"
                )
                return
            self.unanswered += 1
            if done.is_set():
                return
            time.sleep(0.02)

    def _try(self, body: bytes) -> Answer | None:
        try:
            return self.person.upload(body, if_match=str(self.version))
        except (OSError, HTTPException):
            return None

    def _acknowledged(self, answer: Answer, body: bytes) -> None:
        version = int(answer.etag.strip('"'))
        if version != self.version + 1:
            self.broken.append(f"version {self.version} was followed by {version}")
        self.version = version
        self.contents[version] = hashlib.sha256(body).hexdigest()
        self.uploads += 1

    def verify(self) -> None:
        """What is stored now is the last acknowledged upload, or one more that was never answered; and whole."""
        answer = self.person.download()
        assert answer.status == 200, self.broken
        stored = int(answer.etag.strip('"'))
        assert stored in (self.version, self.version + 1)
        if stored == self.version:
            assert hashlib.sha256(answer.body).hexdigest() == self.contents[stored]
        assert len(answer.body) == int(answer.headers["content-length"])


def run_kills(
    service: Service, kill_and_restart: Callable[[int], None], *, rounds: int, writers: int, pause_seconds: float
) -> list[Writer]:
    """Let writers upload while something is killed and restarted `rounds` times; then hold every promise to account."""
    done = threading.Event()
    people = [Writer(Person.of(service)) for _ in range(writers)]
    threads = [threading.Thread(target=writer.run, args=(done,)) for writer in people]
    for thread in threads:
        thread.start()
    try:
        for number in range(rounds):
            time.sleep(pause_seconds)
            kill_and_restart(number)
        time.sleep(pause_seconds)
    finally:
        done.set()
        for thread in threads:
            thread.join(timeout=60)
    for writer in people:
        assert writer.broken == []
        writer.verify()
        writer.upload_one(threading.Event())  # the slot is not stuck
        assert writer.broken == []
        writer.verify()
    return people
