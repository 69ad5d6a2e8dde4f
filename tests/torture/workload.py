"""Clients that use the service as devices do, careless ones among them, and write down what they were told."""

from __future__ import annotations

import base64
import hashlib
import http.client
import socket
import threading
import time
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING
from uuid import UUID

from support.servers.service import Answer as HttpAnswer
from support.servers.service import Service, digest_field, signed
from torture.history import (
    UNKNOWN,
    Broken,
    Deleted,
    Deletion,
    Found,
    History,
    Lost,
    Mismatch,
    NeverExisted,
    NotFound,
    Read,
    Stored,
    TurnedAway,
    Unknown,
    Upload,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from torture.history import Answer, Asked

SIZES = (32, 400, 5_000, 20_000, 70_000, 300_000)
"""Bytes: under and over what the service keeps in memory, and asks the metadata store about before it reads on."""
TIMEOUTS_SECONDS = (1.0, 4.0, 15.0)
"""What clients wait for an answer: less and more than the service waits for its stores."""
DEVICES_PER_USER = 3
RETRIES = 6
_EXPIRES = 4_102_444_800  # 2100-01-01: beyond every jump of a clock
_NOTHING_SAID = (408, 503)


@dataclass
class Contents:
    """All bytes that were ever sent, each kept as the seed that they come from."""

    seeds: dict[str, tuple[int, int]] = field(default_factory=dict)

    def new(self, random: Random, size: int) -> tuple[str, bytes]:
        seed = random.getrandbits(64)
        data = Random(seed).randbytes(size)
        digest = hashlib.sha256(data).hexdigest()
        self.seeds[digest] = seed, size
        return digest, data

    def of(self, digest: str) -> bytes | None:
        if digest not in self.seeds:
            return None
        seed, size = self.seeds[digest]
        return Random(seed).randbytes(size)


@dataclass
class Slot:
    """A user, and everything that all devices of the user share.

    Attributes:
        excuses_loss: whether an answer that denies the newest backup says nothing now, see `Testbed.excuses_loss`.
        token: of the user.
    """

    user_id: UUID
    history: History
    contents: Contents
    excuses_loss: Callable[[], bool]

    def __post_init__(self) -> None:
        self.token = signed({"sub": str(self.user_id), "exp": _EXPIRES})


@dataclass
class Device:
    """One client of one user. Knows a version, which may be an old one."""

    name: str
    slot: Slot
    services: list[Service]
    random: Random
    known: int = 0

    def act(self, done: threading.Event) -> None:
        """One thing, drawn: half of them uploads."""
        chance = self.random.random()
        if chance < 0.5:
            self.push(done)
        elif chance < 0.53:
            self.delete(self.known)
        elif chance < 0.55:
            self.hang_up()
        elif chance < 0.7:
            self.look("HEAD")
        elif chance < 0.8:
            self.read_part()
        else:
            self.look("GET")

    def push(self, done: threading.Event) -> None:
        """Fresh bytes over the known version (now and then over another), again until there is a definite answer."""
        digest, data = self.slot.contents.new(self.random, self.random.choice(SIZES))
        expected = self.known
        if self.random.random() < 0.05:
            expected = self.random.choice((0, max(0, self.known - 1), self.known + 1))
        for _ in range(1 + self.random.randrange(RETRIES)):
            if not isinstance(self.upload(expected, digest, data), Unknown | TurnedAway) or done.is_set():
                return
            time.sleep(self.random.random() * 0.2)

    def upload(self, expected: int, digest: str, data: bytes) -> Answer:
        headers = {"If-Match": self.random.choice((str(expected), f'"{expected}"'))} if expected else {}
        if self.random.random() < 0.3:
            headers["Content-Digest"] = digest_field(data)
        return self._ask("POST", Upload(expected, digest), headers, data)

    def delete(self, expected: int) -> Answer:
        return self._ask("DELETE", Deletion(expected), {"If-Match": str(expected)})

    def look(self, method: str) -> Answer:
        return self._ask(method, Read(), {})

    def read_part(self) -> Answer:
        first = self.random.randrange(32)
        return self._ask("GET", Read(), {"Range": f"bytes={first}-{first + self.random.choice((0, 10, 100_000))}"})

    def hang_up(self) -> None:
        """Send a part of an upload, or all of it, and hang up without a look at the answer."""
        digest, data = self.slot.contents.new(self.random, self.random.choice(SIZES))
        self.slot.history.begin(str(self.slot.user_id), self.name, Upload(self.known, digest), time.monotonic())
        head = (
            f"POST /v1/backup HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.slot.token}\r\n"
            f'If-Match: "{self.known}"\r\nContent-Length: {len(data)}\r\n\r\n'
        )
        part = data[: self.random.choice((0, len(data) // 2, len(data)))]
        try:
            with socket.create_connection(("127.0.0.1", self.random.choice(self.services).port), timeout=1) as line:
                line.sendall(head.encode() + part)
        except OSError:
            pass  # this client hangs up in any case

    def _ask(self, method: str, asked: Asked, headers: dict[str, str], body: bytes | None = None) -> Answer:
        service = self.random.choice(self.services)
        patience = self.random.choice(TIMEOUTS_SECONDS)
        number = self.slot.history.begin(str(self.slot.user_id), self.name, asked, time.monotonic())
        try:
            told = service.request(method, token=self.slot.token, headers=headers, body=body, timeout_seconds=patience)
        except ConnectionRefusedError:
            return self._turned_away(number)
        except (OSError, http.client.HTTPException):
            return UNKNOWN
        ended = time.monotonic()
        if told.status == 429:
            return self._turned_away(number)
        answer = self._understood(method, asked, told)
        if self._denies_what_was_there(answer) and self.slot.excuses_loss():
            answer = UNKNOWN
        self.slot.history.end(number, answer, ended)
        match answer:
            case Stored(version) | Found(version, _) | Mismatch(version):
                self.known = version
            case NotFound() | Deleted():
                self.known = 0
        return answer

    def _denies_what_was_there(self, answer: Answer) -> bool:
        """Where the row was lost, too, the version that is told is that of an older row."""
        return isinstance(answer, Lost) or (isinstance(answer, Mismatch) and answer.current < self.known)

    def _turned_away(self, number: int) -> Answer:
        self.slot.history.end(number, TurnedAway(), time.monotonic())
        time.sleep(0.05)  # a device waits a moment
        return TurnedAway()

    def _understood(self, method: str, asked: Asked, told: HttpAnswer) -> Answer:
        if told.status in _NOTHING_SAID:
            return UNKNOWN
        try:
            match told.status, asked:
                case 200, Upload(_, digest):
                    same = told.json["sha256"] == digest and told.json["version"] == _version(told)
                    return Stored(_version(told)) if same else Broken("acknowledged as something else")
                case 409, Upload() | Deletion():
                    same = told.json["current_version"] == _version(told)
                    return Mismatch(_version(told)) if same else Broken("refused with two versions")
                case 204, Deletion():
                    return Deleted()
                case 404, Deletion():
                    return NeverExisted()
                case 404, Read():
                    return NotFound()
                case ((200 | 206 | 500), Read()):
                    return self._read(method, told)
        except (KeyError, ValueError) as error:
            return Broken(f"{told.status} without sense: {error!r}")
        return _broken(told)

    def _read(self, method: str, told: HttpAnswer) -> Answer:
        if told.status == 500:
            return _loss(method, told)
        digest = _digest(told)
        if method == "HEAD":
            return Found(_version(told), digest)
        if told.status == 200:
            actual = hashlib.sha256(told.body).hexdigest()
            return Found(_version(told), digest) if actual == digest else Broken("bytes that are not their digest's")
        whole = self.slot.contents.of(digest)
        span = told.headers["content-range"].removeprefix("bytes ").partition("/")[0]
        first, _, last = span.partition("-")
        if whole is None or told.body != whole[int(first) : int(last) + 1]:
            return Broken("a part that is not its digest's")
        return Found(_version(told), digest)


def _loss(method: str, told: HttpAnswer) -> Answer:
    if method == "HEAD":
        return Lost(0)  # the answer has no body, which would name the version
    return Lost(told.json["version"]) if told.json["type"].endswith("backup-lost") else _broken(told)


def _broken(told: HttpAnswer) -> Broken:
    return Broken(f"{told.status} {told.body[:200]!r}")


def _version(told: HttpAnswer) -> int:
    return int(told.etag.strip('"'))


def _digest(told: HttpAnswer) -> str:
    return base64.b64decode(told.headers["repr-digest"].removeprefix("sha-256=:").removesuffix(":")).hex()


@dataclass
class Workload:
    """Several devices of several users, in threads.

    Attributes:
        history: of all.
        devices: of all users.
        threads: that share the devices; None: one per device.
        pause_seconds: that each thread waits after an operation, on average.
        failures: what ended a device before its time.
    """

    history: History
    devices: list[Device]
    threads: int | None = None
    pause_seconds: float = 0.0
    failures: list[str] = field(default_factory=list)

    @classmethod
    def over(
        cls,
        services: list[Service],
        seed: int,
        users: int,
        *,
        threads: int | None = None,
        pause_seconds: float = 0.0,
        excuses_loss: Callable[[], bool] = lambda: False,
    ) -> Workload:
        """Users whose ids, devices and operations come from the seed; the outcomes do not."""
        random = Random(seed)
        history = History()
        slots = [
            Slot(UUID(int=random.getrandbits(128), version=4), history, Contents(), excuses_loss) for _ in range(users)
        ]
        devices = [
            Device(f"{number}.{device}", slot, services, Random(random.getrandbits(64)))
            for number, slot in enumerate(slots)
            for device in range(DEVICES_PER_USER)
        ]
        return cls(history, devices, threads, pause_seconds)

    def start(self) -> None:
        self._done = threading.Event()
        count = self.threads or len(self.devices)
        self._threads = [threading.Thread(target=self._run, args=(self.devices[n::count],)) for n in range(count)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let all devices finish their current request."""
        self._done.set()
        for thread in self._threads:
            thread.join(timeout=60)
            if thread.is_alive():
                self.failures.append(f"{thread.name} of the workload did not end")

    def _run(self, devices: list[Device]) -> None:
        random = Random(devices[0].name)
        while not self._done.is_set():
            device = random.choice(devices)
            try:
                device.act(self._done)
            except Exception as error:  # noqa: BLE001  # told with the figures, and the run fails
                self.failures.append(f"device {device.name}: {error!r}")
                return
            if self.pause_seconds:
                self._done.wait(random.expovariate(1 / self.pause_seconds))
