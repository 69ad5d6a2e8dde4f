"""What one request writes: the head of its answer goes out with the first bytes of the body."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from obscura_backup.entrypoints.http.server.connection_end import RequestTransport

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD, BODY = b"HTTP/1.1 200 OK\r\n\r\n", b"body"


class Cycle:
    """The state of one request and its answer."""

    def __init__(self, method: str = "GET") -> None:
        self.scope = {"method": method}
        self.response_started = False
        self.transport: Any = None


class Protocol:
    """Notes each write, and the end."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.sending = self

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close_after_answer(self, cycle: Cycle) -> None:
        self.written.append(b"close")


def made(cycle: Cycle) -> tuple[Protocol, Any]:
    protocol: Any = Protocol()
    return protocol, RequestTransport(protocol, cycle)  # type: ignore[arg-type]  # all that is used of them


def test_head_and_body_are_written_at_once() -> None:
    cycle = Cycle()
    protocol, transport = made(cycle)
    cycle.response_started = True
    transport.write(HEAD)
    assert protocol.written == []
    transport.write(BODY)
    transport.write(BODY)
    assert protocol.written == [HEAD + BODY, BODY]


def test_head_without_a_body_is_written_at_the_empty_body() -> None:
    cycle = Cycle()
    protocol, transport = made(cycle)
    cycle.response_started = True
    transport.write(HEAD)
    transport.write(b"")
    assert protocol.written == [HEAD]


def test_interim_answer_does_not_wait() -> None:
    cycle = Cycle("POST")
    protocol, transport = made(cycle)
    transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert protocol.written == [b"HTTP/1.1 100 Continue\r\n\r\n"]
    cycle.response_started = True
    transport.write(HEAD)
    transport.write(BODY)
    assert protocol.written[1:] == [HEAD + BODY]


def test_answer_to_head_is_written_at_once_since_no_body_follows() -> None:
    cycle = Cycle("HEAD")
    protocol, transport = made(cycle)
    cycle.response_started = True
    transport.write(HEAD)
    assert protocol.written == [HEAD]


def test_head_is_written_before_the_connection_closes() -> None:
    cycle = Cycle()
    protocol, transport = made(cycle)
    cycle.response_started = True
    transport.write(HEAD)
    transport.close()
    assert protocol.written == [HEAD, b"close"]


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_finished_request_is_freed_without_the_garbage_collector() -> None:
    cycle = Cycle()
    _, cycle.transport = made(cycle)
    remains = weakref.ref(cycle)
    del cycle
    assert remains() is None
