"""The middleware: metrics, CORS, the last answer of each connection at a shutdown, and requests that it cuts off."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from obscura_backup.entrypoints.http.middleware.cors import EXPOSED_HEADERS
from obscura_backup.entrypoints.http.middleware.metrics import REGISTRY, RequestMetrics
from obscura_backup.entrypoints.http.request_state import RequestState
from obscura_backup.entrypoints.http.route_table import ROUTES
from support.servers.in_process.pipeline import pipeline
from support.table import table

if TYPE_CHECKING:
    from collections.abc import Callable

    from litestar.types import ASGIApp, Receive, Scope, Send

ORIGIN = b"https://app.example"


def answering(status: int = 200, *headers: tuple[bytes, bytes]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return app


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    raise ZeroDivisionError


def request_scope(path: str, method: str, *headers: tuple[bytes, bytes], kind: str = "http") -> Any:
    return {
        "type": kind,
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "headers": list(headers),
        "client": None,
        "state": {},
    }


async def headers_of(app: Callable[..., Any], *request: tuple[bytes, bytes], method: str = "GET") -> list[Any]:
    """The headers of the answer to a request with these ones."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(request_scope("/a/path", method, *request), None, send)
    return [field for field in sent[0]["headers"] if field[0] != b"x-request-id"]


def cors(app: ASGIApp, origin: bytes = ORIGIN) -> ASGIApp:
    return pipeline(app, origins=(origin.decode(),))


async def test_an_allowed_origin_may_read_the_answer() -> None:
    assert await headers_of(cors(answering()), (b"origin", ORIGIN)) == [
        (b"access-control-allow-origin", ORIGIN),
        (b"access-control-expose-headers", EXPOSED_HEADERS.encode()),
        (b"vary", b"Origin"),
    ]


async def test_another_origin_may_not_read_the_answer() -> None:
    assert await headers_of(cors(answering()), (b"origin", b"https://other.example")) == []


async def test_a_request_without_an_origin_gets_no_fields_for_browsers() -> None:
    assert await headers_of(cors(answering())) == []


async def test_every_origin_may_read_the_answer_where_all_are_allowed() -> None:
    fields = await headers_of(cors(answering(), b"*"), (b"origin", b"https://other.example"))
    assert (b"access-control-allow-origin", b"*") in fields
    assert b"vary" not in dict(fields)


@table(
    ("method", "asked", "told"),
    [
        ("OPTIONS", [(b"access-control-request-method", b"POST")], True),
        ("OPTIONS", [], False),
        ("GET", [(b"access-control-request-method", b"POST")], False),
    ],
)
async def test_permissions_are_told_to_a_preflight_request_alone(
    method: str, asked: list[tuple[bytes, bytes]], *, told: bool
) -> None:
    fields = dict(await headers_of(cors(answering(204)), (b"origin", ORIGIN), *asked, method=method))
    assert (fields.get(b"access-control-allow-methods") == b"DELETE, GET, HEAD, POST") is told
    assert (b"If-Match" in fields.get(b"access-control-allow-headers", b"")) is told
    assert (fields.get(b"access-control-max-age") == b"600") is told


async def test_a_preflight_request_from_another_origin_is_told_nothing() -> None:
    asked = (b"origin", b"https://other.example"), (b"access-control-request-method", b"POST")
    assert await headers_of(cors(answering(204)), *asked, method="OPTIONS") == []


async def test_the_fields_of_one_answer_are_not_those_of_the_next() -> None:
    app = cors(answering())
    await headers_of(app, (b"origin", ORIGIN))
    assert len(await headers_of(app, (b"origin", ORIGIN))) == 3


def counted(method: str, route: str, status: str) -> float:
    labels = {"method": method, "route": route, "status": status}
    return REGISTRY.get_sample_value("obscura_backup_requests_total", labels) or 0.0


def timed(method: str, route: str) -> float:
    labels = {"method": method, "route": route}
    return REGISTRY.get_sample_value("obscura_backup_request_seconds_count", labels) or 0.0


async def ask(app: ASGIApp, method: str = "GET", path: str = "/a/path", kind: str = "http") -> None:
    async def send(_: Any) -> None:
        pass

    receive: Any = None
    await pipeline(app)(request_scope(path, method, kind=kind), receive, send)


@table(
    ("method", "path", "labels"),
    [
        ("GET", "/v1/backup", ("GET", "/v1/backup")),
        ("DELETE", "/v1/backup", ("DELETE", "/v1/backup")),
        ("GET", "/v1/made-up", ("GET", "other")),
        ("MADEUP", "/v1/backup", ("other", "/v1/backup")),
    ],
)
def test_requests_are_counted_and_timed_under_labels_that_no_stranger_chooses(
    method: str, path: str, labels: tuple[str, str]
) -> None:
    before, timed_before = counted(*labels, "418"), timed(*labels)
    metrics = RequestMetrics(ROUTES)
    metrics.observe(method, path, 418, 0.1)
    metrics.observe(method, path, 418, 0.1)
    assert (counted(*labels, "418"), timed(*labels)) == (before + 2, timed_before + 2)


async def test_an_answer_is_counted_and_timed_once() -> None:
    before, timed_before = counted("HEAD", "other", "418"), timed("HEAD", "other")
    await ask(answering(418), "HEAD")
    assert (counted("HEAD", "other", "418"), timed("HEAD", "other")) == (before + 1, timed_before + 1)


async def test_a_refusal_is_counted() -> None:
    before = counted("POST", "/v1/config", "405")
    await ask(answering(200), "POST", "/v1/config")
    assert counted("POST", "/v1/config", "405") == before + 1


async def test_a_request_that_fails_before_its_answer_is_counted_as_aborted() -> None:
    before = counted("POST", "other", "aborted")
    with pytest.raises(ZeroDivisionError):
        await ask(failing, "POST")
    assert counted("POST", "other", "aborted") == before + 1


async def test_the_status_of_one_request_is_not_that_of_the_next() -> None:
    before = counted("POST", "other", "aborted")
    await ask(answering(200), "POST")
    with pytest.raises(ZeroDivisionError):
        await ask(failing, "POST")
    assert counted("POST", "other", "aborted") == before + 1


async def test_what_is_no_request_is_not_counted() -> None:
    before = counted("OPTIONS", "other", "200")
    await ask(answering(200), "OPTIONS", kind="lifespan")
    assert counted("OPTIONS", "other", "200") == before


async def test_before_the_end_is_announced_connections_are_kept() -> None:
    assert await headers_of(pipeline(answering())) == []


async def test_once_the_end_is_announced_an_answer_is_the_last_of_its_connection() -> None:
    assert await headers_of(pipeline(answering(), is_stopping=lambda: True)) == [(b"connection", b"close")]


async def test_an_answer_that_closes_already_says_so_once() -> None:
    closing = answering(200, (b"connection", b"close"))
    assert await headers_of(pipeline(closing, is_stopping=lambda: True)) == [(b"connection", b"close")]


async def test_an_end_that_is_announced_during_a_request_closes_its_connection() -> None:
    announced: list[bool] = []

    async def announcing(scope: Scope, receive: Receive, send: Send) -> None:
        announced.append(True)
        await answering()(scope, receive, send)

    assert await headers_of(pipeline(announcing, is_stopping=lambda: bool(announced))) == [(b"connection", b"close")]


async def cut_off(method: str, *, begun: bool = False, answered: bool = False) -> list[dict[str, Any]]:
    """The answer to a request whose application is cancelled, before or after its change or its answer began."""
    sent: list[dict[str, Any]] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if begun:
            RequestState.of(scope).has_begun_change = True
        if answered:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise asyncio.CancelledError

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {
        "type": "http",
        "method": method,
        "path": "/a/path",
        "raw_path": b"/a/path",
        "headers": [],
        "client": None,
        "state": {},
    }
    receive: Any = None
    await pipeline(application)(scope, receive, send)
    return sent


@table(
    ("method", "begun", "code", "outcome"),
    [
        ("POST", False, "stopping", "not-stored"),
        ("DELETE", False, "stopping", "not-stored"),
        ("POST", True, "outcome-unknown", "unknown"),
        ("DELETE", True, "outcome-unknown", "unknown"),
    ],
)
async def test_change_that_is_cut_off_is_answered_with_its_outcome(
    method: str, code: str, outcome: str, *, begun: bool
) -> None:
    start, body = await cut_off(method, begun=begun)
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    document = json.loads(body["body"])
    assert (start["status"], headers["retry-after"], headers["connection"]) == (503, "1", "close")
    assert (document["type"], document.get("outcome")) == (f"urn:obscura-backup:problem:{code}", outcome)


async def test_request_with_a_started_answer_is_cancelled() -> None:
    with pytest.raises(asyncio.CancelledError):
        await cut_off("POST", answered=True)


@table("method", ["GET", "HEAD"])
async def test_read_that_is_cut_off_has_no_outcome_and_no_unknown_one(method: str) -> None:
    start, body = await cut_off(method)
    document = json.loads(body["body"])
    assert (start["status"], document["type"]) == (503, "urn:obscura-backup:problem:stopping")
    assert "outcome" not in document
