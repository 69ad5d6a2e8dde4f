"""Two pairs of stores behind one HAProxy, as its sample has them: a user belongs to one pair."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
import subprocess
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from support import moving_users
from support.servers.balanced_load import TlsClient
from support.servers.in_process.bounded_protocol import eventually
from support.servers.proxies.reverse_proxies import HaproxyOfPairs
from support.servers.service import Person, Service, signed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENVIRONMENT = {"OBSCURA_BACKUP_TRUSTED_PROXIES": "127.0.0.1"}
WAIT_SECONDS = 30.0
A, B = tuple("01234567"), tuple("89abcdef")
"""The first digits of the hashes of each pair's users, as in the sample."""


class Pairs:
    """Two services on stores of their own, and the proxy in front."""

    def __init__(self, folder: Path) -> None:
        self.a, self.b = (
            Service(folder / name / "data", {**ENVIRONMENT, "OBSCURA_BACKUP_USER_HASH_PREFIXES": ",".join(digits)})
            for name, digits in (("a", A), ("b", B))
        )
        for service in (self.a, self.b):
            service.start()
        self.proxy = HaproxyOfPairs(folder, [self.a.port, self.b.port])

    def client(self) -> TlsClient:
        return TlsClient(self.proxy.port, self.proxy.certificate)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pairs]:
    pairs = Pairs(tmp_path_factory.mktemp("pairs"))
    try:
        pairs.proxy.start()
        assert eventually(pairs.proxy.has_replicas, WAIT_SECONDS)
        yield pairs
    finally:
        pairs.proxy.stop()
        for service in (pairs.a, pairs.b):
            service.kill()


def person_of(*digits: str, service: Service) -> Person:
    """A new user whose hash begins with one of these."""
    while True:
        person = Person.of(service)
        if hash_of(person.user_id).startswith(digits):
            return person


def hash_of(user_id: UUID) -> str:
    return hashlib.sha256(str(user_id).encode()).hexdigest()


def users_of(service: Service) -> set[UUID]:
    """All users of whom the stores of a service hold anything."""
    files = {UUID(file.name) for file in service.data_dir.glob("blobs/backups/*/[0-9a-f]*")}
    with closing(sqlite3.connect(service.data_dir / "metadata.sqlite3")) as connection:
        return files | {UUID(name) for (name,) in connection.execute("SELECT user_id FROM backups")}


def test_each_user_has_data_on_one_pair_only(pairs: Pairs) -> None:
    people = [Person.of(pairs.a) for _ in range(24)]
    with pairs.client() as client:
        for person in people:
            assert client.ask("POST", token=person.token, body=person.user_id.bytes * 4)[0] == 200
        pairs.proxy.reload()
    with pairs.client() as client:
        for person in people:
            assert client.ask("GET", token=person.token)[::2] == (200, person.user_id.bytes * 4)
    stored = {person.user_id for person in people}
    assert users_of(pairs.a) & stored == {user for user in stored if hash_of(user)[0] in A}
    assert users_of(pairs.b) & stored == {user for user in stored if hash_of(user)[0] in B}


def test_user_who_is_sent_to_the_wrong_pair_is_refused_and_nothing_is_stored(pairs: Pairs) -> None:
    person = person_of(*B, service=pairs.a)
    assert (person.upload(b"x" * 64).status, person.download().status) == (421, 421)
    assert person.upload(b"x" * 64).problem == "misdirected-request"
    assert person.user_id not in users_of(pairs.a)


@pytest.mark.parametrize("digits", [A, B])
def test_spelling_of_a_request_does_not_change_the_pair(pairs: Pairs, digits: tuple[str, ...]) -> None:
    person = person_of(*digits, service=pairs.a)
    claims = {"sub": str(person.user_id).upper(), "exp": int(time.time()) + 60, "padding": "x" * 5000}
    with pairs.client() as client:
        assert client.ask("POST", token=person.token, body=b"x" * 64)[0] == 200
        for header in (f"Bearer {signed(claims)}", f"bearer {person.token}", f"BEARER {person.token}"):
            status, _, body = client.ask("GET", Authorization=header)
            assert (status, body) == (200, b"x" * 64)
        status, _, body = client.ask("POST", Authorization=f"bearer {person.token}", body=b"y" * 64)
        assert status == 409  # the pair knows the backup


def test_request_without_a_readable_user_gets_an_answer_of_the_service_and_no_user(pairs: Pairs) -> None:
    person = Person.of(pairs.a)
    header, payload, signature = person.token.split(".")
    forged = json.dumps({"sub": str(uuid4()), "exp": int(time.time()) + 60}).encode()
    tokens = [
        signed({"sub": "not a UUID", "exp": int(time.time()) + 60}),
        signed({"exp": int(time.time()) + 60}),
        f"{header}.{base64.urlsafe_b64encode(forged).rstrip(b'=').decode()}.{signature}",
        f"{header}.{payload}",
        "x",
    ]
    with pairs.client() as client:
        for token in tokens:
            status, headers, _ = client.ask("POST", token=token, body=b"x" * 64)
            assert (status, headers["Content-Type"]) == (401, "application/problem+json")
        assert client.ask("GET", "/v1/config")[0] == 200
        assert client.ask("POST", Authorization="Basic eDp5", body=b"x" * 64)[0] == 401


def test_pair_that_is_down_leaves_the_users_of_the_other_one_alone(pairs: Pairs) -> None:
    """Its own users get 503, and nothing of theirs goes to the other pair."""
    well, unlucky = person_of(*A, service=pairs.a), person_of(*B, service=pairs.b)
    with pairs.client() as client:
        assert client.ask("POST", token=unlucky.token, body=b"x" * 64)[0] == 200
        pairs.b.kill()
        assert eventually(
            lambda: pairs.proxy.states()["pair-b,b1"] == pairs.proxy.states()["pair-b,b2"] == "DOWN", WAIT_SECONDS
        )
        assert client.ask("POST", token=well.token, body=b"x" * 64)[0] == 200
        assert client.ask("GET", "/v1/config")[0] == 200
    with pairs.client() as client:
        assert client.ask("POST", token=unlucky.token, body=b"y" * 64, If_Match='"1"')[0] == 503
    with pairs.client() as client:
        assert client.ask("GET", token=unlucky.token)[0] == 503
    assert unlucky.user_id not in users_of(pairs.a)
    pairs.b.start()
    assert eventually(pairs.proxy.has_replicas, WAIT_SECONDS)
    with pairs.client() as client:
        assert client.ask("GET", token=unlucky.token)[::2] == (200, b"x" * 64)
        assert client.ask("GET", token=well.token)[::2] == (200, b"x" * 64)


def test_users_move_to_a_third_pair_by_the_commands_of_the_documentation(pairs: Pairs, tmp_path: Path) -> None:
    digits = moving_users.DIGITS
    third = Service(tmp_path / "c" / "data", {**ENVIRONMENT, "OBSCURA_BACKUP_USER_HASH_PREFIXES": digits})
    moving, deleted, staying = (person_of(first, service=pairs.a) for first in (digits, digits, "3e"))
    for person in (moving, deleted, staying):
        assert person.upload(b"x" * 64).etag == '"1"'
    assert deleted.delete('"1"').status == 204
    third.start()
    backend = f"backend pair-c from obscura-backup\n    server c1 127.0.0.1:{third.port}\n\nbackend pair-b"
    proxy = HaproxyOfPairs(tmp_path, [pairs.a.port, pairs.b.port], {"backend pair-b": backend})
    proxy.start()
    try:
        assert eventually(proxy.has_replicas, WAIT_SECONDS)
        with TlsClient(proxy.port, proxy.certificate) as client:

            def ask(person: Person, method: str, **options: Any) -> tuple[int, bytes]:
                return client.ask(method, token=person.token, **options)[::2]

            moving_users.copy_files(pairs.a.data_dir, third.data_dir, digits)
            assert client.ask("POST", token=moving.token, body=b"y" * 64, If_Match='"1"')[1]["ETag"] == '"2"'
            proxy.ask(f"add map {proxy.map} {digits} moving")
            status, headers, _ = client.ask("POST", token=moving.token, body=b"z" * 64, If_Match='"2"')
            assert (status, headers["Retry-After"]) == (503, "60")
            assert ask(staying, "GET") == (200, b"x" * 64)

            moving_users.copy_files(pairs.a.data_dir, third.data_dir, digits)
            findings, summary = scrub(third, "--repair")
            assert {(finding["difference"], finding["repaired"]) for finding in findings} == {("row-missing", True)}
            assert summary["slots"] >= 2
            proxy.ask(f"set map {proxy.map} {digits} pair-c")
            assert ask(moving, "GET") == (200, b"y" * 64)
            assert client.ask("POST", token=moving.token, body=b"z" * 64, If_Match='"2"')[1]["ETag"] == '"3"'
            assert ask(deleted, "GET")[0] == 404
            assert client.ask("POST", token=deleted.token, body=b"z" * 64)[1]["ETag"] == '"3"'
            assert ask(staying, "GET") == (200, b"x" * 64)
    finally:
        proxy.stop()
        third.kill()
    moving_users.remove_files(pairs.a.data_dir, digits, within=tmp_path)
    assert not {moving.user_id, deleted.user_id} & users_of(pairs.a)
    assert staying.user_id in users_of(pairs.a)
    assert scrub(pairs.a)[0] == []


def scrub(service: Service, *options: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What it finds, and its summary. A difference that remains fails."""
    done = subprocess.run(
        [str(service.command), "scrub", "--json", "--data-dir", str(service.data_dir), *options],
        env=service.full_environment(),
        check=True,
        capture_output=True,
        timeout=60,
    )
    *findings, summary = map(json.loads, done.stdout.splitlines())
    return findings, summary
