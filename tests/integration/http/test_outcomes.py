"""Each 503 to an upload or a deletion says whether anything can have been stored."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from support.servers.raw_http import listen
from support.servers.service import COMMAND, Answer, Person, Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.servers.stores.postgres_server import PostgresServer

SMALL, LARGE = b"s" * 100, b"l" * 200_000
"""A body that is read at once, and one for which the store is asked first."""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    services: list[Service] = []

    def make(**environment: str) -> Service:
        named = {f"OBSCURA_BACKUP_{name}": value for name, value in environment.items()}
        services.append(Service(tmp_path / "data", named))
        services[-1].start()
        return services[-1]

    yield make
    for service in services:
        service.kill()


def outcome(answer: Answer) -> str:
    assert answer.status == 503, answer.body
    assert answer.problem
    return str(answer.json["outcome"])


def test_metadata_store_that_is_down_is_met_before_anything_is_stored(start: Callable[..., Service]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        person = Person.of(start(METADATA_URL=f"postgresql://u:p@127.0.0.1:{unused.getsockname()[1]}/d"))
        answers = person.upload(SMALL), person.upload(LARGE), person.delete(if_match="1")
    assert [outcome(answer) for answer in answers] == ["not-stored"] * 3


def test_blob_store_that_is_down_is_met_before_anything_is_stored(
    start: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        person = Person.of(start(BLOBS_URL=f"s3://bucket?endpoint=http://127.0.0.1:{unused.getsockname()[1]}"))
        answers = person.upload(SMALL), person.upload(LARGE), person.delete(if_match="1")
    assert [outcome(answer) for answer in answers] == ["not-stored"] * 3


def test_body_that_there_is_no_room_for_is_not_stored(start: Callable[..., Service]) -> None:
    service = start(UPLOAD_MEMORY_BYTES="0")
    assert service.process is not None
    person = Person.of(service)
    assert person.upload(SMALL).status == 200
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    assert outcome(person.upload(SMALL, if_match="1")) == "not-stored"


def test_keys_that_cannot_be_read_are_met_before_anything_is_stored(start: Callable[..., Service]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        person = Person.of(start(AUTH_SECRET="", AUTH_JWKS=f"http://127.0.0.1:{unused.getsockname()[1]}/keys"))
        assert outcome(person.upload(SMALL)) == "not-stored"


def test_row_that_was_not_saved_leaves_the_outcome_open(
    start: Callable[..., Service], postgres_server: PostgresServer, postgres_url: str, postgres_database: str
) -> None:
    """The blob is stored by then."""
    person = Person.of(start(METADATA_URL=postgres_url))
    assert person.upload(SMALL).status == 200
    alter = "ALTER TABLE backups {} CONSTRAINT small_ones_alone {}".format
    postgres_server.execute(alter("ADD", "CHECK (size < 1000)"), database=postgres_database)
    try:
        assert outcome(person.upload(LARGE, if_match="1")) == "unknown"
        assert outcome(person.upload(LARGE, if_match="1")) == "unknown", "it was stored, and found again"
    finally:
        postgres_server.execute(alter("DROP", ""), database=postgres_database)
    assert person.upload(LARGE, if_match="1").etag == '"2"'


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_request_that_is_one_too_many_is_not_stored(start: Callable[..., Service], method: str) -> None:
    service = start(MAX_CONNECTIONS="1")
    person = Person.of(service)
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as busy:
        busy.sendall(person.post_head("Content-Length: 100\r\n\r\n").encode() + b"x")  # a request under way
        time.sleep(0.3)
        answer = service.request(method, token=person.token, body=SMALL if method == "POST" else None)
        assert outcome(answer) == "not-stored"
        assert "outcome" not in service.request("GET", token=person.token).json


def test_upload_whose_body_was_on_its_way_at_the_end_is_not_stored(start: Callable[..., Service]) -> None:
    service = start(DRAIN_SECONDS="1")
    person = Person.of(service)
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(person.post_head("Content-Length: 100\r\n\r\n").encode() + b"x")
        service.request("GET", "/health/live", token=None)  # so that the half of it was read
        service.stop()
        answer = listen(connection)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["outcome"] == "not-stored"


def test_push_says_that_it_waits_and_that_nothing_was_stored(start: Callable[..., Service], tmp_path: Path) -> None:
    """Without a terminal: one line about the waits, one about how it ended."""
    service = start()
    run = client_of(service, tmp_path)
    run("new")
    run("push", "--profile", "low-memory")
    run("contact", "add", "0b0b0b0b-0000-4000-8000-000000000b0b", "bob")
    service.stop()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        service.environment = {"OBSCURA_BACKUP_METADATA_URL": f"postgresql://u:p@127.0.0.1:{unused.getsockname()[1]}/d"}
        service.start()
        lines = run("push", code=7)
    waits = [line for line in lines if line.startswith("Waiting ")]
    assert len(waits) == 1, lines
    assert "The metadata store does not answer." in waits[0]
    assert "Nothing was stored" in lines[-1]
    assert lines[-1].endswith("[not-stored]")


def client_of(service: Service, folder: Path) -> Callable[..., list[str]]:
    """Runs a command of the client, without a terminal, and gives the lines on its standard error."""
    password, token = folder / "password", folder / "token"
    password.write_text("correct horse battery staple\n")
    token.write_text(Person.of(service).token)
    environment = {
        **{name: value for name, value in service.full_environment().items() if not name.startswith("OBSCURA_")},
        "OBSCURA_STATE": str(folder / "state"),
        "OBSCURA_SERVER": f"http://127.0.0.1:{service.port}",
        "OBSCURA_TOKEN_FILE": str(token),
        "OBSCURA_PASSWORD_FILE": str(password),
    }

    def run(*arguments: str, code: int = 0) -> list[str]:
        command = [str(COMMAND.with_name("obscura-client")), *arguments]
        done = subprocess.run(
            command, env=environment, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == code, done.stderr
        return done.stderr.splitlines()

    return run
