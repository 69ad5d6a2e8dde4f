"""Whether a 404 means that there is no backup, or that another server answers at this address."""

from __future__ import annotations

import hashlib

import pytest

from obscura_backup_client.transport.errors import (
    NotFound,
    OutcomeUnknown,
    TooLarge,
    UnexpectedResponse,
    VersionMismatch,
)
from support.client.scripted import Reply, Server, problem
from support.client.transports import Connect
from support.table import table

BLOB = b"sealed" * 10
OWN = problem(404, kind="urn:obscura-backup:problem:backup-not-found", detail="There is no backup.")
LOST = Reply(0, hang_up=True)

NONE = {
    "the service's problem": OWN,
    "the service's problem under another type": Reply(404, {"Content-Type": "application/json"}, OWN.body),
    "the type at another address": problem(404, kind="https://backup.example/problems/backup-not-found"),
    "nothing": Reply(404),
    "a problem that was left out": Reply(404, {"Content-Type": "application/problem+json; charset=utf-8"}),
}
SOMETHING_ELSE = {
    "a path that the service does not know": problem(404, kind="urn:obscura-backup:problem:not-found"),
    "another problem": problem(404),
    "a gateway's text": Reply(404, {"Content-Type": "text/plain; charset=utf-8"}, b"404 page not found\n"),
    "a gateway's JSON": Reply(404, {"Content-Type": "application/json"}, b'{"message": "no Route matched"}'),
    "a list": Reply(404, {"Content-Type": "application/json"}, b'["backup-not-found"]'),
    "text without a type": Reply(404, {}, b"backup-not-found"),
    "a web server's page": Reply(404, {"Content-Type": "text/html"}, b"<h1>404</h1>"),
    "a page that was left out": Reply(404, {"Content-Type": "text/html; charset=utf-8"}),
    "text that was left out": Reply(404, {"Content-Type": "text/plain"}),
}


def asked(server: Server) -> list[str]:
    return [request.method for request in server.requests]


@table("said", NONE)
def test_the_services_404_and_an_empty_404_mean_that_there_is_no_backup(connect: Connect, said: str) -> None:
    transport = connect(NONE[said])
    with pytest.raises(NotFound):
        transport.fetch()
    with pytest.raises(NotFound):
        transport.head()
    with pytest.raises(NotFound):
        transport.delete(7)


@table("said", SOMETHING_ELSE)
def test_a_404_from_a_proxy_does_not_mean_that_there_is_no_backup(connect: Connect, said: str) -> None:
    transport = connect(SOMETHING_ELSE[said])
    with pytest.raises(UnexpectedResponse, match="Is this the address of an Obscura server"):
        transport.fetch()
    with pytest.raises(UnexpectedResponse):
        transport.head()
    with pytest.raises(UnexpectedResponse):
        transport.delete(7)


def test_a_404_to_head_is_followed_by_get(connect: Connect, server: Server) -> None:
    with pytest.raises(NotFound):
        connect(OWN).head()
    assert asked(server) == ["HEAD", "GET"]


def test_a_backup_that_only_get_finds_is_described_by_get(connect: Connect) -> None:
    date = "Sun, 06 Nov 1994 08:49:37 GMT"
    described = connect(Reply(404), Reply(200, {"ETag": '"7"', "Last-Modified": date}, BLOB)).head()
    assert (described.version, described.size_bytes, described.sha256, described.updated_at) == (
        7,
        len(BLOB),
        hashlib.sha256(BLOB).digest(),
        date,
    )


@table("said", [*NONE.values(), *SOMETHING_ELSE.values()], ids=[*NONE, *SOMETHING_ELSE])
@table("version", [0, 7])
def test_a_404_to_an_upload_never_means_that_there_is_no_backup(connect: Connect, said: Reply, version: int) -> None:
    with pytest.raises(UnexpectedResponse):
        connect(said).push(BLOB, version)


@table("said", [*NONE.values(), *SOMETHING_ELSE.values()], ids=[*NONE, *SOMETHING_ELSE])
def test_a_404_does_not_settle_an_upload_whose_response_was_lost(connect: Connect, said: Reply) -> None:
    with pytest.raises(OutcomeUnknown):
        connect(LOST, said).push(BLOB, 7)


def test_the_services_404_settles_a_deletion_whose_response_was_lost(connect: Connect) -> None:
    with pytest.raises(NotFound):
        connect(LOST, OWN).delete(7)


@table("said", [NONE["nothing"], *SOMETHING_ELSE.values()], ids=["nothing", *SOMETHING_ELSE])
def test_another_404_does_not_settle_a_deletion_whose_response_was_lost(connect: Connect, said: Reply) -> None:
    with pytest.raises(OutcomeUnknown):
        connect(LOST, said).delete(7)


def test_a_404_after_a_busy_response_settles_the_outcome(connect: Connect) -> None:
    with pytest.raises(UnexpectedResponse):
        connect(Reply(429), Reply(404)).push(BLOB, 7)


@table(
    ("said", "error"),
    [
        (problem(409, current_version=9), VersionMismatch),
        (problem(413, kind="urn:obscura-backup:problem:blob-too-large"), TooLarge),
    ],
)
def test_other_refusals_settle_an_upload_whose_response_was_lost(
    connect: Connect, said: Reply, error: type[Exception]
) -> None:
    with pytest.raises(error):
        connect(LOST, said).push(BLOB, 7)


def test_a_413_does_not_settle_a_deletion_whose_response_was_lost(connect: Connect) -> None:
    with pytest.raises(OutcomeUnknown):
        connect(LOST, Reply(413)).delete(7)
