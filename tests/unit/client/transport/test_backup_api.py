"""What each call sends, what each response means, and when a request is sent again: without a socket."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from obscura_backup_client.transport.errors import (
    BackupLost,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    ServerRefused,
    TooLarge,
    TransportError,
    Unauthorized,
    Unavailable,
    UnexpectedResponse,
    VersionMismatch,
)
from obscura_backup_client.transport.retries import RetryPolicy
from support.client.scripted import Reply, Server, digest, problem
from support.client.transports import Connect
from support.table import table

BLOB = b"sealed" * 10_000
TOKEN = "aaa.bbb.ccc"


OK = Reply(200, {"ETag": '"7"', "Repr-Digest": digest(BLOB), "Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT"}, BLOB)


def test_a_download_gives_bytes_version_and_date(connect: Connect) -> None:
    fetched = connect(OK).fetch()
    assert fetched is not None
    assert (fetched.blob, fetched.version, fetched.updated_at) == (BLOB, 7, "Sun, 06 Nov 1994 08:49:37 GMT")


def test_the_token_is_sent_as_a_bearer_token(connect: Connect, server: Server) -> None:
    connect(OK).fetch()
    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_a_version_that_is_still_current_is_not_downloaded(connect: Connect, server: Server) -> None:
    assert connect(Reply(304, {"ETag": '"7"'})).fetch(if_none_match=7) is None
    assert server.requests[0].headers["if-none-match"] == '"7"'


def test_bytes_that_do_not_match_the_digest_are_refused(connect: Connect) -> None:
    with pytest.raises(UnexpectedResponse):
        connect(Reply(200, {"ETag": '"7"', "Repr-Digest": digest(b"other")}, BLOB)).fetch()


def test_a_response_without_a_version_is_not_from_an_obscura_server(connect: Connect) -> None:
    with pytest.raises(UnexpectedResponse):
        connect(Reply(200, {}, b"<html>welcome to the hotel network")).fetch()


def test_a_download_that_breaks_off_is_fetched_again(connect: Connect) -> None:
    fetched = connect(Reply(200, {"ETag": '"7"'}, BLOB, declared_length=len(BLOB) + 1), OK).fetch()
    assert fetched is not None
    assert fetched.blob == BLOB


def test_head_describes_without_a_body(connect: Connect) -> None:
    described = connect(OK).head()
    assert (described.version, described.size_bytes, described.sha256) == (
        7,
        len(BLOB),
        hashlib.sha256(BLOB).digest(),
    )


def test_an_upload_carries_its_condition_and_its_digest(connect: Connect, server: Server) -> None:
    assert connect(Reply(200, {"ETag": '"8"'})).push(BLOB, expected_version=7) == 8
    sent = server.requests[0]
    assert (sent.method, sent.path, sent.body) == ("POST", "/v1/backup", BLOB)
    assert sent.headers["if-match"] == '"7"'
    assert sent.headers["content-digest"] == digest(BLOB)


def test_a_first_upload_has_no_if_match(connect: Connect, server: Server) -> None:
    connect(Reply(200, {"ETag": '"1"'})).push(BLOB, expected_version=0)
    assert "if-match" not in server.requests[0].headers


def test_a_path_in_front_of_the_api_is_kept(connect: Connect, server: Server) -> None:
    connect(OK, address="http://127.0.0.1/backup-service/").fetch()
    assert server.requests[0].path == "/backup-service/v1/backup"


def test_progress_is_reported_in_bytes_in_both_directions(connect: Connect) -> None:
    told: list[tuple[str, int, int | None]] = []
    transport = connect(OK, on_bytes=lambda *each: told.append(each))
    transport.push(BLOB, 0)
    transport.fetch()
    assert ("up", len(BLOB), len(BLOB)) in told
    assert told[-1] == ("down", len(BLOB), len(BLOB))


def test_progress_is_not_reported_for_other_responses(connect: Connect) -> None:
    told: list[tuple[str, int, int | None]] = []
    with pytest.raises(NotFound):
        connect(Reply(404), on_bytes=lambda *each: told.append(each)).fetch()
    assert told == []


def test_a_deletion_is_conditional(connect: Connect, server: Server) -> None:
    connect(Reply(204)).delete(expected_version=7)
    assert (server.requests[0].method, server.requests[0].headers["if-match"]) == ("DELETE", '"7"')


def test_the_servers_limits_are_read(connect: Connect) -> None:
    limits = connect(Reply(200, {}, b'{"min_bytes": 32, "max_bytes": 2097152, "retention": null}')).limits()
    assert (limits.min_bytes, limits.max_bytes) == (32, 2097152)


@table(
    ("reply", "error"),
    [
        (problem(401), Unauthorized),
        (problem(403), Unauthorized),
        (problem(404, kind="urn:obscura-backup:problem:backup-not-found"), UnexpectedResponse),
        (Reply(404), UnexpectedResponse),
        (problem(404, kind="urn:obscura-backup:problem:not-found"), UnexpectedResponse),
        (Reply(404, {"Content-Type": "text/html; charset=utf-8"}, b"<h1>404</h1>"), UnexpectedResponse),
        (problem(408), Unavailable),
        (problem(409, current_version=9), VersionMismatch),
        (problem(409), OutcomeUnknown),
        (problem(413, max_bytes=100), TooLarge),
        (problem(421, kind="urn:obscura-backup:problem:misdirected-request"), UnexpectedResponse),
        (problem(429), RateLimited),
        (problem(400), UnexpectedResponse),
        (problem(500), OutcomeUnknown),
        (Reply(302, {"Location": "http://evil.example/v1/backup"}), ServerRefused),
    ],
)
def test_each_refusal_of_an_upload_is_its_own_error(
    connect: Connect, reply: Reply, error: type[TransportError]
) -> None:
    with pytest.raises(error) as refused:
        connect(reply).push(BLOB, 7)
    assert type(refused.value) is error


def test_a_version_mismatch_carries_the_current_version(connect: Connect) -> None:
    with pytest.raises(VersionMismatch) as refused:
        connect(problem(409, current_version=9)).push(BLOB, 7)
    assert refused.value.current_version == 9


def test_a_lost_backup_is_not_a_missing_one(connect: Connect) -> None:
    with pytest.raises(BackupLost) as lost:
        connect(problem(500, kind="urn:obscura-backup:problem:backup-lost", version=5)).fetch()
    assert lost.value.version == 5


def test_a_misdirected_request_is_neither_repeated_nor_a_missing_backup(connect: Connect, server: Server) -> None:
    with pytest.raises(UnexpectedResponse, match="a proxy sent the request to the wrong one") as refused:
        connect(
            problem(421, detail="This service does not serve this user: a proxy sent the request to the wrong one.")
        ).fetch()
    assert (refused.value.status, len(server.requests)) == (421, 1)


def test_a_rate_limit_has_the_time_to_wait(connect: Connect) -> None:
    with pytest.raises(RateLimited) as limited:
        connect(Reply(429, {"Retry-After": "30"})).fetch()
    assert limited.value.retry_after_seconds == 30


def test_a_short_rate_limit_is_waited_for(connect: Connect, server: Server, waits: list[float]) -> None:
    assert connect(Reply(429, {"Retry-After": "2"}), Reply(200, {"ETag": '"8"'})).push(BLOB, 7) == 8
    assert waits == [2.5]
    assert [(sent.body, sent.headers["if-match"]) for sent in server.requests] == [(BLOB, '"7"')] * 2


def test_a_long_rate_limit_is_an_error_at_once(connect: Connect, waits: list[float]) -> None:
    with pytest.raises(RateLimited) as limited:
        connect(Reply(429, {"Retry-After": "16"}), OK).fetch()
    assert (limited.value.retry_after_seconds, waits) == (16, [])


def test_a_rate_limit_after_the_last_attempt_is_an_error(connect: Connect, waits: list[float]) -> None:
    with pytest.raises(RateLimited):
        connect(Reply(429), retry_policy=RetryPolicy(attempts=3, initial_backoff_seconds=1.0)).push(BLOB, 7)
    assert waits == [1.0, 2.0]


def test_no_wait_exceeds_the_maximum(connect: Connect, waits: list[float]) -> None:
    connect(Reply(503, {"Retry-After": "15"}), OK).fetch()
    assert waits == [15.0]


@table("status", [302, 400, 401, 403, 404, 408, 429])
def test_a_refusal_after_a_lost_response_does_not_settle_the_first_attempt(connect: Connect, status: int) -> None:
    with pytest.raises(OutcomeUnknown):
        connect(Reply(0, hang_up=True), Reply(status)).push(BLOB, 7)
    with pytest.raises(OutcomeUnknown):
        connect(Reply(0, hang_up=True), Reply(status)).delete(7)


def test_two_versions_in_one_response_are_refused(connect: Connect) -> None:
    with pytest.raises(UnexpectedResponse):
        connect(Reply(200, {"ETag": '"7"', "etag": '"8"'}, BLOB)).fetch()


def test_a_redirect_is_not_followed(connect: Connect, server: Server) -> None:
    with pytest.raises(ServerRefused):
        connect(Reply(307, {"Location": "/elsewhere"}), OK).fetch()
    assert len(server.requests) == 1


def test_after_a_lost_response_the_same_bytes_are_sent_again(connect: Connect, server: Server) -> None:
    assert connect(Reply(0, hang_up=True), Reply(503), Reply(200, {"ETag": '"8"'})).push(BLOB, 7) == 8
    assert [(sent.body, sent.headers["if-match"]) for sent in server.requests] == [(BLOB, '"7"')] * 3


def test_waits_double(connect: Connect, waits: list[float]) -> None:
    with pytest.raises(Unavailable):
        connect(Reply(503), retry_policy=RetryPolicy(attempts=4, initial_backoff_seconds=1.0)).fetch()
    assert waits == [1.0, 2.0, 4.0]


def test_the_servers_own_wait_is_honoured(connect: Connect, waits: list[float]) -> None:
    connect(Reply(503, {"Retry-After": "3"}), OK).fetch()
    assert waits == [3.5]


def test_a_wait_may_be_given_as_a_date(connect: Connect, waits: list[float]) -> None:
    def now() -> datetime:
        return datetime(1994, 11, 6, 8, 49, 30, tzinfo=UTC)

    connect(Reply(503, {"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}), OK, now=now).fetch()
    assert waits == [7.5]


def test_a_wait_over_the_maximum_is_an_error(connect: Connect, waits: list[float]) -> None:
    with pytest.raises(Unavailable):
        connect(Reply(503, {"Retry-After": "3600"})).fetch()
    assert waits == []


@table("reply", [Reply(0, hang_up=True), Reply(503)])
def test_an_upload_without_a_clear_response_may_have_happened(connect: Connect, reply: Reply) -> None:
    with pytest.raises(OutcomeUnknown):
        connect(reply).push(BLOB, 7)


def test_an_upload_refused_as_busy_did_not_happen(connect: Connect) -> None:
    with pytest.raises(Unavailable):
        connect(problem(503, kind="urn:obscura-backup:problem:slot-busy")).push(BLOB, 7)


def test_a_413_has_the_maximum_size(connect: Connect) -> None:
    with pytest.raises(TooLarge) as refused:
        connect(problem(413, max_bytes=100)).push(BLOB, 7)
    assert (refused.value.size_bytes, refused.value.max_bytes) == (len(BLOB), 100)


@pytest.mark.parametrize("attempts", [1, 2, 4])
def test_it_tries_the_given_number_of_times_and_waits_between(
    connect: Connect, server: Server, waits: list[float], attempts: int
) -> None:
    with pytest.raises(Unavailable):
        connect(Reply(503), retry_policy=RetryPolicy(attempts=attempts)).fetch()
    assert (len(server.requests), len(waits)) == (attempts, attempts - 1)


def test_a_response_of_exactly_the_limit_is_accepted_and_a_longer_one_has_no_status(connect: Connect) -> None:
    assert connect(OK, max_blob_bytes=len(BLOB)).fetch() is not None
    with pytest.raises(UnexpectedResponse) as refused:
        connect(OK, max_blob_bytes=len(BLOB) - 1).fetch()
    assert refused.value.status == 0


def test_a_response_to_an_upload_that_is_too_long_leaves_the_outcome_unknown(connect: Connect) -> None:
    with pytest.raises(OutcomeUnknown):
        connect(Reply(200, {"ETag": '"7"'}, b"x" * 1_000_000)).push(BLOB, 6)


def test_a_document_has_at_most_64_kib(connect: Connect) -> None:
    document = b'{"max_bytes": 5}'
    assert connect(Reply(200, {}, document.ljust(64 * 1024))).limits().max_bytes == 5
    with pytest.raises(UnexpectedResponse):
        connect(Reply(200, {}, document.ljust(64 * 1024 + 1))).limits()
