"""The proxy's faults, each seen from the client's side of a server that answers whatever it is asked."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from support.servers.proxies.fault_proxy import PIECE, Fault, FaultProxy
from support.servers.proxies.network_conditions import UNIMPAIRED, NetworkConditions

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUEST = b"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Echo:
    """Answers each piece with the same words, and notes what it was sent."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self._listening.accept()
                threading.Thread(target=self._answer, args=(line,), daemon=True).start()

    def _answer(self, line: socket.socket) -> None:
        with line, suppress(OSError):
            while piece := line.recv(65536):
                self.heard.append(piece)
                line.sendall(ANSWER)


@pytest.fixture
def echo() -> Iterator[Echo]:
    echo = Echo()
    yield echo
    echo.close()


@contextmanager
def line_through(proxy: FaultProxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as line:
        yield line


def received(line: socket.socket) -> bytes:
    """All until the end of the connection.

    Raises:
        ConnectionResetError: it was no end in order.
    """
    pieces = []
    while piece := line.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.parametrize("method", ["PUT", PIECE])
def test_answer_that_ends_in_order_half_way(echo: Echo, method: str) -> None:
    request = REQUEST if method == "PUT" else b"COMMIT"
    with FaultProxy(echo.port) as proxy, line_through(proxy) as line:
        proxy.plan(Fault.END_ANSWER, method=method)
        line.sendall(request)
        assert received(line) == ANSWER[: len(ANSWER) // 2]
        assert (echo.heard, proxy.struck) == ([request], 1)


def test_answer_that_is_lost(echo: Echo) -> None:
    with FaultProxy(echo.port) as proxy, line_through(proxy) as line:
        proxy.plan(Fault.LOSE_ANSWER, method=PIECE)
        line.sendall(b"COMMIT")
        with pytest.raises(ConnectionResetError):
            received(line)
        assert echo.heard == [b"COMMIT"]


def test_piece_that_is_cut(echo: Echo) -> None:
    with FaultProxy(echo.port) as proxy, line_through(proxy) as line:
        proxy.plan(Fault.CUT_REQUEST, method=PIECE)
        line.sendall(b"COMMIT")
        with pytest.raises(ConnectionResetError):
            received(line)
        assert echo.heard == [b"COM"]


def test_half_closed_line_takes_requests_and_gives_no_answers(echo: Echo) -> None:
    with FaultProxy(echo.port) as proxy, line_through(proxy) as line:
        proxy.plan(Fault.HALF_CLOSE, method="PUT")
        line.sendall(REQUEST)
        assert received(line) == ANSWER
        line.sendall(REQUEST)
        while len(echo.heard) < 2:
            threading.Event().wait(0.01)
        assert echo.heard == [REQUEST, REQUEST]


def test_silent_line_delivers_when_it_speaks_again(echo: Echo) -> None:
    with FaultProxy(echo.port) as proxy, line_through(proxy) as line:
        proxy.conditions = NetworkConditions(silent=True)
        line.sendall(b"COMMIT")
        line.settimeout(0.3)
        with pytest.raises(TimeoutError):
            line.recv(1)
        assert echo.heard == []
        proxy.conditions = UNIMPAIRED
        line.settimeout(5)
        assert line.recv(65536) == ANSWER


def test_narrow_line_delivers_all(echo: Echo) -> None:
    with FaultProxy(echo.port) as proxy, line_through(proxy) as line:
        proxy.conditions = NetworkConditions(delay_seconds=0.01, bytes_per_second=1_000)
        line.sendall(b"COMMIT")
        assert line.recv(65536) == ANSWER
