"""False responses about the outcome of a request."""

from __future__ import annotations

import json

import pytest

from obscura_backup_client.content.editing import NewContact
from obscura_backup_client.errors import ClientError
from obscura_backup_client.operations.errors import PushContended, RollbackSuspected
from obscura_backup_client.transport.errors import (
    BackupLost,
    NotStored,
    OutcomeUnknown,
    RateLimited,
    Unavailable,
    UnexpectedResponse,
)
from support.client.devices import KEY
from support.client.hostile_server import EndlessReply, HostileServer, Reply, reply
from support.client.known_state import SOMEBODY_ELSE, KnownState, Phone, honest, require_nothing_from

PIECE = bytes(64 * 1024)

STATUSES: dict[str, tuple[bytes, type[ClientError]]] = {
    "a part of it": (reply(206, b"OBK1", 'ETag: "2"', "Content-Range: bytes 0-3/16554"), UnexpectedResponse),
    "not modified": (reply(304, b"", 'ETag: "2"'), UnexpectedResponse),
    "created": (reply(201, b"OBK1", 'ETag: "2"'), UnexpectedResponse),
    "no content": (reply(204, b"", 'ETag: "2"'), UnexpectedResponse),
    "switching protocols": (b"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", Unavailable),
    "a page": (reply(200, b"<html>Welcome to the hotel", "Content-Type: text/html"), UnexpectedResponse),
    "status 999": (reply(999), UnexpectedResponse),
    "come back in a year": (reply(429, b"", "Retry-After: 31536000"), RateLimited),
    "unavailable for a year": (reply(503, b"", "Retry-After: 31536000"), Unavailable),
    "lost": (reply(500, json.dumps({"type": "urn:x:backup-lost", "version": 2}).encode()), BackupLost),
    "HTTP/0.9": (b"OBK1" + bytes(1000), Unavailable),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), Unavailable),
    "a version of HTTP that does not exist": (b'HTTP/9.9 200 OK\r\nETag: "2"\r\n\r\nOBK1', Unavailable),
    "nothing": (b"", Unavailable),
}


@pytest.mark.parametrize("lie", STATUSES)
def test_an_invalid_response_changes_nothing(phone: Phone, liar: HostileServer, lie: str) -> None:
    liar.replies["GET"], error = STATUSES[lie]
    require_nothing_from(phone(), error)


def test_endless_conflicts_are_an_error(phone: Phone, liar: HostileServer, truth: KnownState) -> None:
    liar.replies = {"GET": honest(truth.latest), "POST": reply(409, b'{"current_version": 3}')}
    client = phone()
    known = client.directory.read().last_seen
    with pytest.raises(PushContended):
        client.push(KEY)
    assert liar.asked == ["GET", "POST"] * 5
    assert client.directory.read().last_seen == known


def test_the_next_push_detects_an_upload_that_was_falsely_confirmed(
    phone: Phone, liar: HostileServer, truth: KnownState
) -> None:
    liar.replies = {"GET": honest(truth.latest), "POST": reply(200, b"", 'ETag: "3"')}
    client = phone()
    client.push(KEY)
    client.put_contacts([NewContact(SOMEBODY_ELSE, "dave")])
    require_nothing_from(client, RollbackSuspected)
    # Neither does it help to give the old bytes the new version.
    liar.replies["GET"] = honest(truth.latest, 3)
    require_nothing_from(client, RollbackSuspected)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(reply(200), id="no version"),
        pytest.param(reply(200, b"", 'ETag: "9007199254740992"'), id="a huge version"),
        pytest.param(reply(204, b"", 'ETag: "3"'), id="no content"),
        pytest.param(reply(409, b'{"current_version": "x"}'), id="a conflict with nothing"),
        pytest.param(reply(502), id="a gateway's word"),
        pytest.param(EndlessReply(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), id="a head without end"),
        pytest.param(EndlessReply(reply(200, b"", 'ETag: "3"', "Content-Length: 999999999"), PIECE), id="endless"),
    ],
)
def test_a_false_response_to_an_upload_leaves_the_next_push_safe(
    phone: Phone, liar: HostileServer, truth: KnownState, said: Reply
) -> None:
    liar.replies = {"GET": honest(truth.latest), "POST": said}
    client = phone(attempts=1)
    before = client.directory.read()
    with pytest.raises(OutcomeUnknown):
        client.push(KEY)
    after = client.directory.read()
    assert (after.last_seen, after.content, after.seq) == (before.last_seen, before.content, before.seq + 1)
    liar.replies["POST"] = reply(200, b"", 'ETag: "3"')
    assert client.push(KEY).uploaded


def test_a_server_that_stores_and_denies_it_gains_nothing(phone: Phone, liar: HostileServer, truth: KnownState) -> None:
    said = {"type": "urn:obscura-backup:problem:metadata-unavailable", "outcome": "not-stored"}
    liar.replies = {"GET": honest(truth.latest), "POST": reply(503, json.dumps(said).encode())}
    client = phone(attempts=1)
    before = client.directory.read()
    with pytest.raises(NotStored):
        client.push(KEY)
    after = client.directory.read()
    assert (after.last_seen, after.content, after.seq) == (before.last_seen, before.content, before.seq + 1)
    liar.replies["POST"] = reply(200, b"", 'ETag: "3"')
    assert client.push(KEY).uploaded
    assert client.directory.read().seq == before.seq + 2, "the number that the server may have seen is never used again"
