"""The bounds of one request on a connection: its head, its body, and the requests pipelined behind it."""

from __future__ import annotations

import re

import pytest

from obscura_backup.entrypoints.http.server import bounds
from support.servers.in_process.bounded_protocol import (
    CARRIED_OUT,
    GET,
    LARGE,
    Running,
    closed_within,
    received,
    sent_before_the_end,
)


def test_ordinary_requests_on_one_connection(running: Running) -> None:
    answers = running.exchange(*[b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"] * 3)
    assert answers.count(b"HTTP/1.1 200 OK") == 3


# heads


@pytest.mark.parametrize("beginning", [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\nA: b"])
def test_head_that_does_not_come(running: Running, beginning: bytes) -> None:
    with running.connect() as connection:
        connection.sendall(beginning)
        assert closed_within(connection, 20)


def test_next_head_that_does_not_come(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        received(connection)
        connection.sendall(b"GET")
        assert closed_within(connection, 20)


@pytest.mark.parametrize("size", [40_000, 60_000, 200_000])
def test_head_that_is_too_long_even_in_one_piece(running: Running, size: int) -> None:
    answer = running.exchange(b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * size + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 431 ")


def test_head_within_the_bound(running: Running) -> None:
    answer = running.exchange(b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 30_000 + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")


# trailers and upgrades


def test_trailers_are_no_fields_of_the_request(running: Running) -> None:
    request = b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
    answer = running.exchange(request + b"Authorization: Bearer x\r\nIf-Match: 7\r\n\r\n")
    assert b"authorization" not in answer
    assert answer.endswith(b"transfer-encoding=chunked; 3 bytes")


def test_chunk_extensions_without_end(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;a=")
        assert sent_before_the_end(connection, b"b" * 65_536) < LARGE


def test_one_byte_a_chunk(running: Running) -> None:
    request = b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert running.exchange(request, b"1\r\nx\r\n" * 50_000, b"0\r\n\r\n").endswith(b"; 50000 bytes")


def test_trailers_without_end(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "DRAIN_MAX_BYTES", 100_000)
    with running.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
        assert sent_before_the_end(connection, b"a:\r\n" * 1000) < LARGE


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("framing", [b"Content-Length: 34", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("first", [b"", GET])
def test_body_behind_an_upgrade_is_refused_and_not_read(
    running: Running, framing: bytes, first: bytes, *, split: bool
) -> None:
    """Behind an unanswered request it has no answer of its own: the client would take it for that request's."""
    before = len(CARRIED_OUT)
    head = b"POST /read HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n" + framing + b"\r\n\r\n"
    body = b"GET /smuggled HTTP/1.1\r\nHost: y\r\n\r\n"
    answer = running.exchange(first + head, body) if split else running.exchange(first + head + body)
    statuses = re.findall(rb"HTTP/1.1 (\d+) ", answer)
    assert statuses in ([[b"200"], [b"200", b"400"]] if first else [[b"400"]])
    assert "/read" not in CARRIED_OUT[before:]
    assert "/smuggled" not in CARRIED_OUT[before:]
    if not first:
        assert answer.endswith(b"must not ask for an Upgrade; send it without.")


def test_upgrade_without_a_body_is_ignored_and_the_connection_ends(running: Running) -> None:
    answer = running.exchange(GET.replace(b"Host", b"Connection: Upgrade\r\nUpgrade: h2c\r\nHost") + GET)
    assert re.findall(rb"HTTP/1.1 (\d+) ", answer) == [b"200"]
    assert b"connection: close" in answer.lower()


def test_upgrade_that_the_connection_does_not_name_is_a_field_like_any_other(running: Running) -> None:
    answer = running.exchange(b"POST /read HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc")
    assert answer.endswith(b"; 3 bytes")


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


# bodies that the handler does not read


def test_answer_is_seen_although_the_body_is_still_being_sent(running: Running) -> None:
    """`Connection: close` and unread bytes would be a reset that overtakes the answer."""
    with running.connect() as connection:
        head = b"POST /unread HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        connection.sendall(head % (4 * 1024 * 1024))
        for _ in range(64):
            connection.sendall(bytes(65536))
        assert received(connection).startswith(b"HTTP/1.1 200 ")
        assert closed_within(connection, 20)


def test_body_that_is_owed_for_too_long(running: Running) -> None:
    with running.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        assert received(connection).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"x")
        assert closed_within(connection, 20)


def test_body_that_is_far_too_long(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "DRAIN_MAX_BYTES", 1_000_000)
    with running.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n")
        assert sent_before_the_end(connection, bytes(65536)) < 3 * LARGE


def test_connection_is_kept_after_a_body_was_drained(running: Running) -> None:
    answers = running.exchange(
        b"POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
        bytes(100_000),
        b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n",
    )
    assert b"GET /next" in answers
