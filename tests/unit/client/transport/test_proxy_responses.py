"""A proxy's responses are reported with what to do; a definite "not stored" differs from an unknown outcome."""

from __future__ import annotations

import pytest

from obscura_backup_client.transport.errors import (
    NotFromService,
    NotStored,
    OutcomeUnknown,
    ServerRefused,
    TooLarge,
    TransportError,
    Unauthorized,
    Unavailable,
    UnexpectedResponse,
)
from obscura_backup_client.transport.retries import RetryPolicy
from support.client.scripted import Reply, problem
from support.client.transports import Connect
from support.table import table

BLOB = b"sealed" * 1000
OURS = "urn:obscura-backup:problem:"


def page(status: int, body: bytes = b"<html><h1>nginx</h1></html>", **headers: str) -> Reply:
    return Reply(status, {"Content-Type": "text/html", **headers}, body)


def unavailable(outcome: str, code: str = "metadata-unavailable") -> Reply:
    return problem(503, kind=OURS + code, detail="The metadata store does not answer.", outcome=outcome)


LOST = Reply(0, hang_up=True)


@table(
    ("reply", "advice"),
    [
        (page(413), "client_max_body_size"),
        (Reply(413), "client_max_body_size"),
        (Reply(413, {"Content-Type": "application/json"}, b'{"message": "Request Too Long"}'), "client_max_body_size"),
        (problem(413, kind="about:blank"), "client_max_body_size"),
        (page(400), "large_client_header_buffers"),
        (page(401), "login"),
        (Reply(401, {"WWW-Authenticate": 'Basic realm="staff"', "Content-Type": "text/html"}, b"no"), "login"),
        (page(403), "forbids"),
        (Reply(403, {"Content-Type": "application/json"}, b'{"message": "Forbidden"}'), "forbids"),
        (page(405), "method"),
        (Reply(407), "login"),
        (Reply(411), "length"),
        (page(431), "large_client_header_buffers"),
        (page(418), "address"),
    ],
)
def test_a_refusal_by_a_proxy_is_reported_as_a_proxys(connect: Connect, reply: Reply, advice: str) -> None:
    with pytest.raises(NotFromService, match=advice) as refused:
        connect(reply).push(BLOB, 7)
    assert refused.value.status == reply.status
    assert "not from the backup service" in str(refused.value)


@table("status", [403, 405, 500])
def test_a_page_instead_of_a_download_is_reported_as_a_proxys(connect: Connect, status: int) -> None:
    with pytest.raises(NotFromService):
        connect(page(status)).fetch()
    with pytest.raises(NotFromService):  # without a body, so that the head alone has to say it
        connect(page(403)).head()


def test_a_network_that_asks_for_a_login_is_named(connect: Connect) -> None:
    with pytest.raises(NotFromService, match="log in with a browser"):
        connect(page(511)).fetch()


@table(
    ("reply", "error"),
    [
        (problem(413, kind=OURS + "blob-too-large"), TooLarge),
        (problem(413, max_bytes=10), TooLarge),
        (problem(401, kind=OURS + "unauthenticated"), Unauthorized),
        (Reply(401, {"WWW-Authenticate": "Bearer"}), Unauthorized),
        (problem(400, kind=OURS + "malformed-header"), UnexpectedResponse),
        (Reply(401), Unauthorized),
    ],
)
def test_a_refusal_by_the_service_stays_the_services(
    connect: Connect, reply: Reply, error: type[TransportError]
) -> None:
    with pytest.raises(error) as refused:
        connect(reply).push(BLOB, 7)
    assert type(refused.value) is error


def test_a_redirect_is_reported_as_a_possible_login_page(connect: Connect) -> None:
    with pytest.raises(ServerRefused, match="login page"):
        connect(Reply(302, {"Location": "https://sso.example/login"})).push(BLOB, 7)


@table(
    ("reply", "words"),
    [
        (page(502), "cannot reach the backup service"),
        (page(504), "no answer from the backup service in time"),
        (page(503), "from a proxy and not from the backup service"),
    ],
)
def test_a_proxy_without_a_service_leaves_the_outcome_unknown(connect: Connect, reply: Reply, words: str) -> None:
    with pytest.raises(OutcomeUnknown, match=words):
        connect(reply).push(BLOB, 7)
    with pytest.raises(Unavailable, match=words):
        connect(reply).fetch()


def test_a_proxys_413_does_not_settle_an_earlier_upload(connect: Connect) -> None:
    with pytest.raises(OutcomeUnknown):
        connect(LOST, page(413)).push(BLOB, 7)
    with pytest.raises(TooLarge):
        connect(LOST, problem(413, kind=OURS + "blob-too-large")).push(BLOB, 7)


def test_an_upload_that_was_not_stored_is_reported_as_such(connect: Connect) -> None:
    with pytest.raises(NotStored, match=r"cannot take uploads now.*metadata store.*Nothing was stored"):
        connect(unavailable("not-stored")).push(BLOB, 7)


def test_a_deletion_that_did_not_happen_is_reported_as_such(connect: Connect) -> None:
    with pytest.raises(NotStored, match=r"cannot delete backups now.*Nothing was deleted"):
        connect(unavailable("not-stored")).delete(7)


@table(
    "script",
    [
        [unavailable("unknown")],
        [unavailable("unknown"), unavailable("not-stored")],
        [LOST, unavailable("not-stored")],
        [page(504), unavailable("not-stored")],
        [unavailable("not-stored"), unavailable("unknown")],
        [unavailable("unknown", "slot-busy")],
        [problem(503, kind=OURS + "metadata-unavailable")],
        [problem(503, outcome=["not-stored"])],
        [problem(503, outcome="not-stored, or so")],
        [problem(502, outcome="not-stored")],
    ],
)
def test_not_stored_counts_only_for_its_own_attempt(connect: Connect, script: list[Reply]) -> None:
    with pytest.raises(OutcomeUnknown):
        connect(*script).push(BLOB, 7)
    with pytest.raises(OutcomeUnknown):
        connect(*script).delete(7)


def test_a_failed_download_is_not_reported_as_an_upload(connect: Connect) -> None:
    with pytest.raises(Unavailable) as refused:
        connect(unavailable("not-stored")).fetch()
    assert not isinstance(refused.value, NotStored)


def test_each_wait_is_reported_with_its_length_and_reason(connect: Connect) -> None:
    told: list[tuple[float, str]] = []
    refused = unavailable("not-stored")
    refused.headers["Retry-After"] = "5"
    policy = RetryPolicy(initial_backoff_seconds=1.0)
    transport = connect(
        refused, LOST, Reply(200, {"ETag": '"8"'}), retry_policy=policy, on_wait=lambda *each: told.append(each)
    )
    assert transport.push(BLOB, 7) == 8
    assert told == [
        (6.0, "status 503, 'The metadata store does not answer.'"),
        (2.0, "the connection broke"),
    ]
