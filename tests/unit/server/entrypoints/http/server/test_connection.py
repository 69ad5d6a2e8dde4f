"""What one connection answers, refuses, and carries out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from obscura_backup.entrypoints.http.server.protocol import BoundedProtocol
from support.servers.in_process.scripted_connection import Connection, connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

GET = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
OVERHEAD = 65_536
HEAD = 32_768


@pytest.fixture
async def connection(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connection]:
    async with connected(monkeypatch) as made:
        yield made


async def test_requests_of_one_connection_are_answered_in_turn(connection: Connection) -> None:
    for number in range(3):
        assert (await connection.receives(GET % number)).endswith(b"\r\n\r\n/%d" % number)
    assert connection.transport.ends == []


async def test_malformed_request_after_an_answered_one_is_answered_400(connection: Connection) -> None:
    assert b" 200 " in await connection.receives(GET % 1)
    assert (await connection.receives(b"\x00\x01\r\n\r\n")).startswith(b"HTTP/1.1 400 ")


async def test_malformed_first_request_is_answered_400_and_the_connection_closes(connection: Connection) -> None:
    assert (await connection.receives(b"\x00\x01\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
    assert "close" in connection.transport.ends


async def test_malformed_request_behind_an_unanswered_one_gets_no_answer(connection: Connection) -> None:
    connection.held.clear()
    await connection.receives(GET % 1)
    assert await connection.receives(b"\x00\x01\r\n\r\n") == b""
    connection.held.set()
    await connection.goes_on()
    assert connection.transport.written.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(("extra", "refused"), [(0, False), (1, True)])
async def test_overhead_of_a_chunked_body_is_bounded(connection: Connection, extra: int, *, refused: bool) -> None:
    await connection.receives(CHUNKED)
    answer = await connection.receives(b"1;a=" + b"b" * (OVERHEAD - 4 + extra))
    assert answer.startswith(b"HTTP/1.1 400 ") is refused


async def test_overhead_is_counted_per_request(connection: Connection) -> None:
    for _ in range(2):
        await connection.receives(CHUNKED)
        assert b" 200 " in await connection.receives(b"1;a=" + b"b" * (OVERHEAD - 100), b"\r\nx\r\n0\r\n\r\n")


@pytest.mark.parametrize(("size", "refused"), [(HEAD - 100, False), (HEAD + 1, True)])
async def test_size_of_a_head_is_bounded(connection: Connection, size: int, *, refused: bool) -> None:
    start = b"GET / HTTP/1.1\r\nHost: x\r\nA: "
    answer = await connection.receives(start, b"a" * (size - len(start)))
    assert answer.startswith(b"HTTP/1.1 431 ") is refused
    assert connection.carried_out == []


async def test_short_fields_count_for_more_than_their_bytes(connection: Connection) -> None:
    fields = b"".join(b"a%d:b\r\n" % number for number in range(1000))
    answer = await connection.receives(b"GET / HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(("count", "carried_out"), [(17, 17), (18, 17), (40, 17)])
async def test_number_of_pipelined_requests_is_bounded(connection: Connection, count: int, carried_out: int) -> None:
    connection.held.clear()
    await connection.receives(b"".join(GET % number for number in range(count)))
    connection.held.set()
    for _ in range(count):
        await connection.goes_on()
    assert len(connection.carried_out) == carried_out
    assert connection.transport.written.count(b" 200 ") == carried_out


async def test_request_behind_connection_close_is_not_carried_out(connection: Connection) -> None:
    last = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    await connection.receives(last + GET % 2)
    assert connection.carried_out == ["/last"]


@pytest.mark.parametrize("pieces", [(b"Upg", b"rade: h2c\r\n\r\n"), (b"Upgrade: h2c\r\n\r\n",)])
@pytest.mark.parametrize(("length", "status"), [(b"3", b"400"), (b"0", b"200")])
async def test_upgrade_is_refused_with_a_body_and_else_ignored(
    connection: Connection, length: bytes, status: bytes, pieces: tuple[bytes, ...]
) -> None:
    head = b"POST /1 HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nContent-Length: " + length + b"\r\n"
    answer = await connection.receives(head + pieces[0], *pieces[1:])
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert connection.carried_out == (["/1"] if status == b"200" else [])


@pytest.mark.parametrize(("management_port", "limits"), [(8401, (7, 3, 14)), (8400, (64, 0, 128))])
async def test_connection_limit_follows_the_attributes_of_the_class_and_the_listener(
    monkeypatch: pytest.MonkeyPatch, management_port: int, limits: tuple[int, int, int]
) -> None:
    monkeypatch.setattr(BoundedProtocol, "max_connections", 7)
    monkeypatch.setattr(BoundedProtocol, "max_connections_per_address", 3)
    monkeypatch.setattr(BoundedProtocol, "management_port", management_port)
    async with connected(monkeypatch) as connection:
        limit = connection.protocol._connection_limit
        assert (limit._max_served, limit._max_per_address, limit._max_open) == limits
