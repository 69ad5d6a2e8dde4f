"""The applications around the framework's own: what is counted, what browsers may read, and the last answer of each
connection when the service stops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from litestar.config.cors import CORSConfig

from obscura_backup.entrypoints.http.middleware.cors import CorsMiddleware
from obscura_backup.entrypoints.http.middleware.metrics import REGISTRY, MetricsMiddleware
from obscura_backup.entrypoints.http.server.shutdown import ConnectionCloseMiddleware, ShutdownState

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


async def headers_of(app: Callable[..., Any], *request: tuple[bytes, bytes], kind: str = "http") -> list[Any]:
    """The headers of the answer to a request with these ones."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": kind, "method": "GET", "path": "/v1/config", "headers": list(request)}
    await app(scope, None, send)
    return list(sent[0]["headers"])


def cors(app: ASGIApp) -> CorsMiddleware:
    return CorsMiddleware(app, CORSConfig(allow_origins=[ORIGIN.decode()], expose_headers=["ETag", "Retry-After"]))


async def test_an_allowed_origin_may_read_the_answer() -> None:
    assert await headers_of(cors(answering()), (b"origin", ORIGIN)) == [
        (b"access-control-allow-origin", ORIGIN),
        (b"access-control-expose-headers", b"ETag, Retry-After"),
        (b"vary", b"Origin"),
    ]


async def test_another_origin_may_not_read_the_answer() -> None:
    assert await headers_of(cors(answering()), (b"origin", b"https://other.example")) == []


async def test_a_request_without_an_origin_gets_no_fields_for_browsers() -> None:
    assert await headers_of(cors(answering())) == []


async def test_fields_that_the_framework_set_are_not_set_twice() -> None:
    own = (b"Access-Control-Allow-Origin", ORIGIN)
    assert await headers_of(cors(answering(200, own)), (b"origin", ORIGIN)) == [own]


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


async def ask(app: ASGIApp, method: str = "GET", path: str = "/v1/backup", kind: str = "http") -> None:
    async def send(_: Any) -> None:
        pass

    scope: Any = {"type": kind, "method": method, "path": path, "headers": []}
    await MetricsMiddleware(app)(scope, None, send)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "path", "labels"),
    [
        ("GET", "/v1/backup", ("GET", "/v1/backup")),
        ("DELETE", "/v1/backup", ("DELETE", "/v1/backup")),
        ("GET", "/v1/made-up", ("GET", "other")),
        ("MADEUP", "/v1/backup", ("other", "/v1/backup")),
    ],
)
async def test_an_answer_is_counted_once_under_labels_that_no_stranger_chooses(
    method: str, path: str, labels: tuple[str, str]
) -> None:
    before = counted(*labels, "418")
    await ask(answering(418), method, path)
    assert counted(*labels, "418") == before + 1


async def test_the_time_of_an_answer_is_observed_once() -> None:
    before = timed("HEAD", "/v1/backup")
    await ask(answering(), "HEAD")
    assert timed("HEAD", "/v1/backup") == before + 1


async def test_a_request_that_fails_before_its_answer_is_counted_as_aborted() -> None:
    before = counted("POST", "/v1/backup", "aborted")
    with pytest.raises(ZeroDivisionError):
        await ask(failing, "POST")
    assert counted("POST", "/v1/backup", "aborted") == before + 1


async def test_the_status_of_one_request_is_not_that_of_the_next() -> None:
    before = counted("POST", "/v1/config", "aborted")
    await ask(answering(200), "POST", "/v1/config")
    with pytest.raises(ZeroDivisionError):
        await ask(failing, "POST", "/v1/config")
    assert counted("POST", "/v1/config", "aborted") == before + 1


async def test_what_is_no_request_is_not_counted() -> None:
    before = counted("OPTIONS", "/v1/backup", "200")
    await ask(answering(200), "OPTIONS", kind="lifespan")
    assert counted("OPTIONS", "/v1/backup", "200") == before


def stopping(*, announced: bool) -> ShutdownState:
    made = ShutdownState()
    made.announced = announced
    return made


async def test_before_the_end_is_announced_connections_are_kept() -> None:
    assert await headers_of(ConnectionCloseMiddleware(answering(), stopping(announced=False))) == []


async def test_once_the_end_is_announced_an_answer_is_the_last_of_its_connection() -> None:
    assert await headers_of(ConnectionCloseMiddleware(answering(), stopping(announced=True))) == [
        (b"connection", b"close")
    ]


async def test_an_answer_that_closes_already_says_so_once() -> None:
    closing = answering(200, (b"connection", b"close"))
    assert await headers_of(ConnectionCloseMiddleware(closing, stopping(announced=True))) == [(b"connection", b"close")]


async def test_an_end_that_is_announced_during_a_request_closes_its_connection() -> None:
    state = stopping(announced=False)

    async def announcing(scope: Scope, receive: Receive, send: Send) -> None:
        state.announced = True
        await answering()(scope, receive, send)

    assert await headers_of(ConnectionCloseMiddleware(announcing, state)) == [(b"connection", b"close")]
