"""Both transports send the requests of `BackupApi` to a real server, wait, and send again. What is sent and what
responses mean is in `test_backup_api.py`, without a socket.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from obscura_backup_client.transport.errors import OutcomeUnknown, Unavailable
from support.client.scripted import Reply, Server, digest, scripted
from support.client.transports import TRANSPORTS, AnyTransport

BLOB = b"sealed" * 10_000
TOKEN = "aaa.bbb.ccc"
OK = Reply(200, {"ETag": '"7"', "Repr-Digest": digest(BLOB)}, BLOB)
STORED = Reply(200, {"ETag": '"8"'})
LOST = Reply(0, hang_up=True)


@pytest.fixture(scope="module")
def listening() -> Iterator[Server]:
    with scripted() as one:
        yield one


@pytest.fixture(params=TRANSPORTS)
def connect(request: pytest.FixtureRequest, listening: Server) -> Callable[..., AnyTransport]:
    def make(*script: Reply, **options: Any) -> AnyTransport:
        listening.script[:], listening.requests[:] = script, []
        address = options.pop("address", listening.address)
        return TRANSPORTS[request.param](address, TOKEN, jitter=lambda: 1.0, **{"sleep": lambda _: None, **options})

    return make


Connect = Callable[..., AnyTransport]


def test_every_call_reaches_the_server_and_returns_its_answer(connect: Connect, listening: Server) -> None:
    limits = Reply(200, {}, b'{"min_bytes": 32, "max_bytes": 2097152}')
    transport = connect(OK, Reply(304, {"ETag": '"7"'}), OK, STORED, Reply(204), limits)
    fetched = transport.fetch()
    assert fetched is not None
    assert (fetched.blob, fetched.version) == (BLOB, 7)
    assert transport.fetch(if_none_match=7) is None
    assert transport.head().size_bytes == len(BLOB)
    assert transport.push(BLOB, 7) == 8
    transport.delete(8)
    assert transport.limits().max_bytes == 2097152
    sent = listening.requests
    assert [each.method for each in sent] == ["GET", "GET", "HEAD", "POST", "DELETE", "GET"]
    assert {each.headers["authorization"] for each in sent} == {f"Bearer {TOKEN}"}
    assert (sent[3].body, sent[3].headers["if-match"]) == (BLOB, '"7"')


def test_progress_is_reported_in_bytes_in_both_directions(connect: Connect) -> None:
    told: list[tuple[str, int, int | None]] = []
    transport = connect(OK, on_bytes=lambda *each: told.append(each))
    transport.push(BLOB, 0)
    transport.fetch()
    assert ("up", len(BLOB), len(BLOB)) in told
    assert told[-1] == ("down", len(BLOB), len(BLOB))


def test_after_a_lost_response_it_waits_and_sends_the_same_bytes_again(connect: Connect, listening: Server) -> None:
    waits: list[float] = []
    told: list[tuple[float, str]] = []
    transport = connect(LOST, Reply(503), STORED, sleep=waits.append, on_wait=lambda *each: told.append(each))
    assert transport.push(BLOB, 7) == 8
    assert [(each.body, each.headers["if-match"]) for each in listening.requests] == [(BLOB, '"7"')] * 3
    assert waits == [0.5, 1.0]
    assert told == [(0.5, "the connection broke"), (1.0, "status 503")]


def test_an_upload_that_is_never_answered_may_have_happened(connect: Connect) -> None:
    with pytest.raises(OutcomeUnknown):
        connect(LOST).push(BLOB, 7)


def test_an_upload_that_was_not_sent_did_not_happen(connect: Connect) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(Unavailable):
        connect(OK, address=closed).push(BLOB, 7)


def test_no_repr_shows_the_token(connect: Connect) -> None:
    assert TOKEN not in repr(connect(OK))
