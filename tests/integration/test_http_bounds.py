"""What a connection may take, by the protocol alone: a plain application behind it, and bounds made small."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn

from obscura_backup.entrypoints.http import protocol
from obscura_backup.entrypoints.http.door import Door
from obscura_backup.entrypoints.http.protocol import BoundedProtocol
from obscura_backup.entrypoints.http.send_buffer import SEND_BUFFER_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS = 0.3
LARGE = 8 * 1024 * 1024
CARRIED_OUT: list[str] = []
SMALL = 50_000
"""What the system takes at once, so that for us it is sent."""
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
UNFINISHED = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n"


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers with what it was asked; reads a body for `/read`, sends much for `/large`, waits for `/slow`."""
    CARRIED_OUT.append(scope["path"])
    seen = [f"{scope['method']} {scope['path']}"]
    seen += [f"{name.decode()}={value.decode()}" for name, value in scope["headers"] if name != b"host"]
    body = b""
    if scope["path"] in ("/read", "/echo"):
        more = True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        seen.append(f"{len(body)} bytes")
    if scope["path"] == "/slow":
        await asyncio.sleep(0.1)
    sizes = {"/large": LARGE, "/small": SMALL}
    if scope["path"] == "/echo":
        seen = [body.decode()]
    answer = bytes(sizes[scope["path"]]) if scope["path"] in sizes else "; ".join(seen).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(answer))]})
    await send({"type": "http.response.body", "body": answer})


class Running:
    """The application behind the protocol, in a thread."""

    def __init__(self) -> None:
        config = uvicorn.Config(
            Door(application), http=BoundedProtocol, ws="none", lifespan="off", log_config=None, timeout_keep_alive=5
        )
        self.server = uvicorn.Server(config)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]})
        self.thread.start()
        while not self.server.started:
            time.sleep(0.005)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.socket.getsockname(), timeout=5)

    def exchange(self, *pieces: bytes) -> bytes:
        """Send piece by piece; all that comes until the other side closes, or nothing does for a while."""
        with self.connect() as connection:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(0.02)
            return received(connection)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(timeout=10)


def received(connection: socket.socket, quiet_seconds: float = 0.2) -> bytes:
    connection.settimeout(quiet_seconds)
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except TimeoutError:
        pass
    return data


def closed_within(connection: socket.socket, seconds: float) -> bool:
    connection.settimeout(seconds)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True
    return True


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    for name in ("HEAD_SECONDS", "DRAIN_SECONDS", "WRITE_SECONDS", "LINGER_SECONDS"):
        monkeypatch.setattr(protocol, name, SECONDS)
    monkeypatch.setattr(BoundedProtocol, "max_connections", 4)
    running = Running()
    yield running
    running.stop()


def test_ordinary_requests_on_one_connection(running: Running) -> None:
    answers = running.exchange(*[b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"] * 3)
    assert answers.count(b"HTTP/1.1 200 OK") == 3


def test_pipelined_requests(running: Running) -> None:
    answers = running.exchange(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
    assert answers.count(b"GET /slow") == 3


# heads


@pytest.mark.parametrize("beginning", [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\nA: b"])
def test_head_that_does_not_come(running: Running, beginning: bytes) -> None:
    with running.connect() as connection:
        connection.sendall(beginning)
        assert closed_within(connection, 3 * SECONDS + 1)


def test_next_head_that_does_not_come(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        received(connection)
        connection.sendall(b"GET")
        assert closed_within(connection, 3 * SECONDS + 1)


@pytest.mark.parametrize("size", [40_000, 60_000, 200_000])
def test_head_that_is_too_long_even_in_one_piece(running: Running, size: int) -> None:
    answer = running.exchange(b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * size + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 431 ")


def test_path_that_is_too_long(running: Running) -> None:
    answer = running.exchange(b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 431 ")


def test_head_within_the_bound(running: Running) -> None:
    answer = running.exchange(b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 30_000 + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("hosts", [b"", b"Host: x\r\nHost: y\r\n"])
def test_one_host(running: Running, hosts: bytes) -> None:
    assert running.exchange(b"GET / HTTP/1.1\r\n" + hosts + b"\r\n").startswith(b"HTTP/1.1 400 ")


def test_old_clients_name_no_host(running: Running) -> None:
    assert b" 200 OK" in running.exchange(b"GET / HTTP/1.0\r\n\r\n")


# trailers and upgrades


def test_trailers_are_no_fields_of_the_request(running: Running) -> None:
    request = b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
    answer = running.exchange(request + b"Authorization: Bearer x\r\nIf-Match: 7\r\n\r\n")
    assert b"authorization" not in answer
    assert answer.endswith(b"transfer-encoding=chunked; 3 bytes")


def test_chunk_extensions_without_end(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;a=")
        assert _sent_before_the_end(connection, b"b" * 65_536) < LARGE


def test_one_byte_a_chunk(running: Running) -> None:
    request = b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert running.exchange(request, b"1\r\nx\r\n" * 50_000, b"0\r\n\r\n").endswith(b"; 50000 bytes")


def test_trailers_without_end(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "DRAIN_MAX_BYTES", 100_000)
    with running.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
        assert _sent_before_the_end(connection, b"a:\r\n" * 1000) < LARGE


@pytest.mark.parametrize("split", [False, True])
def test_upgrade_is_ignored_and_the_body_is_a_body(running: Running, *, split: bool) -> None:
    head = b"POST /read HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 34\r\n\r\n"
    body = b"GET /smuggled HTTP/1.1\r\nHost: y\r\n\r\n"
    answer = running.exchange(head, body) if split else running.exchange(head + body)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.endswith(b"34 bytes")


@pytest.mark.parametrize("missing", [1, 2, 3, 4])
def test_body_that_looks_like_an_upgrade_is_left_alone_however_its_head_is_cut(running: Running, missing: int) -> None:
    body = b"a\r\nUpgrade: h2c\r\n"
    request = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    cut = len(request) - len(body) - missing
    assert running.exchange(request[:cut], request[cut:]).endswith(body)
    pieces = [request[i : i + 1] for i in range(cut, cut + missing)]
    assert running.exchange(request[:cut], *pieces, body).endswith(body)


def test_upgrade_in_two_pieces_with_a_body_is_refused(running: Running) -> None:
    head = b"POST /read HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgr"
    rest = b"ade: h2c\r\nContent-Length: 34\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: y\r\n\r\n"
    answer = running.exchange(head, rest)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_connect_is_no_tunnel(running: Running) -> None:
    answer = running.exchange(b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /smuggled HTTP/1.1\r\nHost: y\r\n\r\n")
    assert b"smuggled" not in answer


@pytest.mark.parametrize(("version", "heard"), [(b"1.0", False), (b"1.1", True)])
def test_old_clients_are_not_told_to_continue(running: Running, version: bytes, *, heard: bool) -> None:
    head = b"POST /read HTTP/%s\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n" % version
    answer = running.exchange(head, b"abc")
    assert (b" 100 Continue" in answer) is heard
    assert answer.endswith(b"3 bytes")


# requests behind one that ends the connection


@pytest.mark.parametrize(
    "first", [b"GET //x HTTP/1.1\r\nHost: x\r\n", b"GET /slow HTTP/1.1\r\nConnection: close\r\nHost: x\r\n"]
)
@pytest.mark.parametrize("cut", [55, 60, 70])
def test_nothing_is_carried_out_behind_the_last_answer(running: Running, first: bytes, cut: int) -> None:
    upload = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n" + bytes(20)
    before = len(CARRIED_OUT)
    answer = running.exchange(first + b"\r\n" + upload[:cut], upload[cut:], GET)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert "/read" not in CARRIED_OUT[before:]
    assert "/" not in CARRIED_OUT[before:]


# bodies that nobody reads


def test_answer_is_seen_although_the_body_is_still_being_sent(running: Running) -> None:
    """`Connection: close` and unread bytes would be a reset that overtakes the answer."""
    with running.connect() as connection:
        head = b"POST /unread HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        connection.sendall(head % (4 * 1024 * 1024))
        for _ in range(64):
            connection.sendall(bytes(65536))
        assert received(connection).startswith(b"HTTP/1.1 200 ")
        assert closed_within(connection, 1)


def test_body_that_is_owed_for_too_long(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        assert received(connection).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"x")
        assert closed_within(connection, 3 * SECONDS + 1)


def test_body_that_is_far_too_long(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "DRAIN_MAX_BYTES", 1_000_000)
    with running.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n")
        assert _sent_before_the_end(connection, bytes(65536)) < 3 * LARGE


def test_connection_is_kept_after_a_body_was_drained(running: Running) -> None:
    answers = running.exchange(
        b"POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
        bytes(100_000),
        b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n",
    )
    assert b"GET /next" in answers


def test_half_closed_client_gets_its_answer(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
        connection.shutdown(socket.SHUT_WR)
        assert received(connection, 1).startswith(b"HTTP/1.1 200 ")


# answers that nobody takes


def test_answer_that_nobody_takes(running: Running) -> None:
    with running.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        time.sleep(SECONDS + 0.5)
        assert _eventually(lambda: not running.server.server_state.connections)


def test_system_holds_little_of_an_answer_that_nobody_takes(running: Running) -> None:
    before = _unsent_bytes()
    with ExitStack() as connections:
        for _ in range(4):
            reader = connections.enter_context(socket.socket())
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            reader.connect(running.socket.getsockname())
            reader.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(SECONDS / 2)
        assert 0 < _unsent_bytes() - before < 4 * 3 * SEND_BUFFER_BYTES


@pytest.mark.parametrize("path", [b"/large", b"/small"])
def test_connection_is_counted_until_its_last_answer_is_taken_or_given_up(running: Running, path: bytes) -> None:
    """Else whoever says `Connection: close` and reads nothing leaves memory behind that nobody counts."""
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        reader.connect(running.socket.getsockname())
        reader.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path)
        time.sleep(SECONDS / 2)
        assert running.server.server_state.connections
        assert _eventually(lambda: not running.server.server_state.connections)
        assert _eventually(lambda: _orphans_to(reader.getsockname()[1]) == 0)


def test_last_answer_reaches_a_slow_reader(running: Running) -> None:
    """It takes longer than patience lasts with one who takes nothing."""
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        reader.connect(running.socket.getsockname())
        reader.sendall(b"GET /small HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        taken = 0
        while piece := reader.recv(1500):
            taken += len(piece)
            time.sleep(0.015)
        assert taken > SMALL


def test_slow_reader_that_takes_a_little_now_and_then_is_served(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        taken = 0
        while taken < LARGE:
            piece = connection.recv(1024 * 1024)
            assert piece, "cut off"
            taken += len(piece)
            time.sleep(0.01)


# many


def test_busy_service_says_so_and_is_still_alive(running: Running) -> None:
    with ExitStack() as connections:
        for _ in range(4):
            connections.enter_context(running.connect()).sendall(UNFINISHED)
        time.sleep(0.05)
        refused = running.exchange(b"GET /v1/backup HTTP/1.1\r\nHost: x\r\n\r\n")
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"application/problem+json" in refused
        assert b"retry-after: 1" in refused
        assert running.exchange(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_as_many_as_may_be_are_served(running: Running) -> None:
    with running.connect(), running.connect(), running.connect():
        time.sleep(0.05)
        assert running.exchange(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_who_is_connected_stays_served_while_others_are_refused(running: Running) -> None:
    with ExitStack() as connections:
        ours, *others = [connections.enter_context(running.connect()) for _ in range(4)]
        for other in [ours, *others]:
            other.sendall(UNFINISHED)
        time.sleep(0.05)
        late = [connections.enter_context(running.connect()) for _ in range(3)]
        for other in late:
            other.sendall(GET)
            assert received(other).startswith(b"HTTP/1.1 503 ")
        ours.sendall(b"x")
        assert received(ours).startswith(b"HTTP/1.1 200 ")


def test_silent_connections_give_way_to_new_ones(running: Running) -> None:
    with ExitStack() as connections:
        silent = [connections.enter_context(running.connect()) for _ in range(20)]
        silent[-1].sendall(b"GET / HT")
        assert running.exchange(GET).startswith(b"HTTP/1.1 200 ")


def test_who_was_answered_gives_way_where_nobody_is_silent(running: Running) -> None:
    """Else one request each, or one with a body that never comes, would keep the places for as long as silence may."""
    with ExitStack() as connections:
        for request in (GET, GET, UNFINISHED.replace(b"/read", b"/unread"), UNFINISHED):
            connection = connections.enter_context(running.connect())
            connection.sendall(request)
            received(connection, 0.05)
        assert running.exchange(GET).startswith(b"HTTP/1.1 200 ")
        assert running.exchange(GET).startswith(b"HTTP/1.1 200 ")


def test_silent_connections_do_not_end_those_that_speak(running: Running) -> None:
    with ExitStack() as connections:
        ours = connections.enter_context(running.connect())
        ours.sendall(GET)
        assert received(ours).startswith(b"HTTP/1.1 200 ")
        for _ in range(20):
            connections.enter_context(running.connect())
        ours.sendall(GET)
        assert received(ours).startswith(b"HTTP/1.1 200 ")


def test_far_too_many_are_turned_away(running: Running) -> None:
    connections = [running.connect() for _ in range(12)]
    for connection in connections:
        connection.sendall(UNFINISHED)
    time.sleep(0.1)
    assert len(running.server.server_state.connections) <= 8
    for connection in connections:
        connection.close()


def _sent_before_the_end(connection: socket.socket, piece: bytes) -> int:
    """How much could be sent, the kernel's buffers included, until the other side had enough."""
    sent = 0
    while sent < 10 * LARGE:
        try:
            connection.sendall(piece)
        except OSError:
            break
        sent += len(piece)
    return sent


def _tcp_queues() -> list[tuple[int, int]]:
    """Of each connection of this system over IPv4: the port at its other end and how much waits to be sent there."""
    rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return [(int(row.split()[2][-4:], 16), int(row.split()[4].split(":")[0], 16)) for row in rows]


def _unsent_bytes() -> int:
    return sum(queued for _, queued in _tcp_queues())


def _orphans_to(port: int) -> int:
    return sum(queued for other, queued in _tcp_queues() if other == port)


def _eventually(holds: Callable[[], bool], seconds: float = 2.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.02)
    return False
