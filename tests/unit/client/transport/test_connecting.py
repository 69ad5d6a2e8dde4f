"""Where both transports connect to, and that failures leave nothing open."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from obscura_backup_client.transport import asyncio_transport as async_transport
from obscura_backup_client.transport import blocking_connection as http_connection
from obscura_backup_client.transport.blocking_connection import BlockingConnection, Deadline
from obscura_backup_client.transport.errors import Unavailable
from obscura_backup_client.transport.responses import NoResponseError
from obscura_backup_client.transport.retries import RetryPolicy
from support.certificates import certificate_for_this_machine
from support.client.transports import TRANSPORTS
from support.table import table

TOKEN = "aaa.bbb.ccc"
ONCE = RetryPolicy(attempts=1)


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, int, bool]]:
    """Hosts, ports and kinds of the requested connections; each is refused."""
    # One trusted certificate: to read all those of this machine takes long.
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate_for_this_machine(tmp_path)))
    calls: list[tuple[str, int, bool]] = []

    def note(host: str, port: int, tls: object) -> None:
        calls.append((host, port, isinstance(tls, ssl.SSLContext)))
        raise NoResponseError("refused", sent=False, final=False)

    @contextlib.contextmanager
    def blocking(host: str, port: int, tls: object, *_: Any) -> Iterator[None]:
        note(host, port, tls)
        yield

    @contextlib.asynccontextmanager
    async def in_a_loop(host: str, port: int, tls: object, *_: Any) -> AsyncIterator[None]:
        note(host, port, tls)
        yield

    monkeypatch.setattr(http_connection, "connected", blocking)
    monkeypatch.setattr(async_transport, "connected", in_a_loop)
    return calls


@pytest.mark.parametrize("kind", TRANSPORTS)
@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("https://backup.example", ("backup.example", 443, True)),
        ("https://backup.example:8443", ("backup.example", 8443, True)),
        ("http://backup.example", ("backup.example", 80, False)),
        ("http://backup.example:8400/a/path", ("backup.example", 8400, False)),
        ("http://[::1]:8400", ("::1", 8400, False)),
    ],
)
def test_an_address_without_a_port_has_the_default_port(
    called: list[tuple[str, int, bool]], kind: str, address: str, place: tuple[str, int, bool]
) -> None:
    with pytest.raises(Unavailable):
        TRANSPORTS[kind](address, TOKEN, allow_insecure_http=True, retry_policy=ONCE).fetch()
    assert called == [place]


class Breaking:
    """A socket whose every call raises this error."""

    def __init__(self, failure: BaseException) -> None:
        self._failure = failure
        self.closed = False
        self.timeouts: list[float] = []

    def settimeout(self, seconds: float) -> None:
        self.timeouts.append(seconds)

    def connect(self, _address: object) -> None:
        raise self._failure

    def recv(self, _most: int) -> bytes:
        raise self._failure

    def sendall(self, _content: bytes) -> None:
        raise self._failure

    def close(self) -> None:
        self.closed = True


def in_seconds(seconds: float) -> Deadline:
    return Deadline(time.monotonic() + seconds)


def with_addresses(monkeypatch: pytest.MonkeyPatch, *failures: BaseException) -> list[Breaking]:
    """Resolve a name to one address per failure, and return the sockets made for them."""
    made: list[Breaking] = []
    left = iter(failures)
    entry = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 9))

    def make(*_: object) -> Breaking:
        made.append(Breaking(next(left)))
        return made[-1]

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [entry] * len(failures))
    monkeypatch.setattr(socket, "socket", make)
    return made


def connect(deadline: Deadline) -> None:
    with http_connection.connected("a.example", 9, None, 7.0, 1.0, deadline):
        pytest.fail("nothing is connected")


def test_every_address_of_a_name_is_tried_and_the_last_error_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    made = with_addresses(monkeypatch, ConnectionRefusedError(), OSError(113, "No route to host"))
    with pytest.raises(NoResponseError) as failed:
        connect(in_seconds(1000))
    assert [each.closed for each in made] == [True, True]
    assert isinstance(failed.value.__cause__, OSError)
    assert failed.value.__cause__.errno == 113
    assert not failed.value.sent


def test_a_name_without_an_address_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    with_addresses(monkeypatch)
    with pytest.raises(NoResponseError) as failed:
        connect(in_seconds(1000))
    assert "the name has no address" in str(failed.value.__cause__)


def test_an_interrupt_while_connecting_ends_it_and_closes_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    made = with_addresses(monkeypatch, KeyboardInterrupt(), KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        connect(in_seconds(1000))
    assert [each.closed for each in made] == [True], "no other address is tried"


@table("call", ["receive", "send"])
@table("failure", [TimeoutError(), ConnectionResetError()])
def test_a_failure_of_a_call_within_the_time_is_passed_on(call: str, failure: OSError) -> None:
    broken: Any = Breaking(failure)
    connection = BlockingConnection(broken, 5.0, in_seconds(1000))
    with pytest.raises(type(failure)) as passed:
        connection.receive(10) if call == "receive" else connection.send(b"content")
    assert passed.value is failure
    assert broken.timeouts == [5.0]


def test_a_call_waits_at_most_for_the_total_time_out() -> None:
    broken: Any = Breaking(ConnectionResetError())
    with pytest.raises(ConnectionResetError):
        BlockingConnection(broken, 50.0, in_seconds(20)).receive(10)
    assert 0 < broken.timeouts[0] <= 20


@table("sent", [True, False])
def test_nothing_is_sent_after_the_deadline(*, sent: bool) -> None:
    with pytest.raises(NoResponseError) as late:
        Deadline(time.monotonic()).remaining(5, sent=sent)
    assert (late.value.sent, late.value.final) == (sent, True)


def test_no_connection_is_opened_after_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    with_addresses(monkeypatch, ConnectionRefusedError())
    with pytest.raises(NoResponseError) as late:
        connect(in_seconds(-1))
    assert (late.value.sent, late.value.final) == (False, True)
