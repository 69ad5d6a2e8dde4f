"""What is decided at the door, before the framework: requests that cannot be served, or that end unfinished."""

from __future__ import annotations

import asyncio
import http
from typing import TYPE_CHECKING, Any, cast

import msgspec
from litestar.enums import ScopeType

from obscura_backup.entrypoints.http.messages.problems import MEDIA_TYPE, TYPE_PREFIX, Problem, outcome_of
from obscura_backup.entrypoints.http.server.connection_limit import PLACE
from obscura_backup.entrypoints.http.server.protocol import COMPLAINT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from litestar.types import ASGIApp, Message, Receive, Scope, Send

    from obscura_backup.domain.model import UserId
    from obscura_backup.entrypoints.http.messages.problems import Outcome
    from obscura_backup.entrypoints.http.server.connection_limit import Admission

# A busy service is not a broken one: whoever supervises it must be able to tell.
ALWAYS_OPEN = frozenset({"/health/live", "/health/ready", "/metrics"})
# Uptime probes like to send HEAD; the server drops the body.
_ALSO_BY_HEAD = frozenset({"/v1/config", "/health/live", "/health/ready"})

_CODES = {400: "bad-request", 405: "method-not-allowed", 505: "http-version-not-supported"}


class RequestGuard:
    """Wraps the framework's application.

    Args:
        app: the framework's application.
        methods: by path, of those paths that are all of what is served there. The framework knows each of its handlers
            by itself, and answers OPTIONS with the methods of one of them.
        recognise: tells the user of a request whose token was verified before, else None.
    """

    def __init__(
        self,
        app: ASGIApp,
        methods: Mapping[str, Iterable[str]] | None = None,
        recognise: Callable[[Scope], Awaitable[UserId | None]] | None = None,
    ) -> None:
        self._app = app
        self._recognise = recognise
        self._methods = {
            path: sorted({*names, "OPTIONS", *(["HEAD"] if path in _ALSO_BY_HEAD else [])})
            for path, names in (methods or {}).items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        flags = cast("dict[str, Any]", scope)
        path = scope["path"]
        if complaint := flags.get(COMPLAINT):
            status, detail = complaint
            await refuse(send, status, _CODES[status], detail)
        elif not _is_canonical(scope["raw_path"]):
            # Not 404, which some take for "there is no backup".
            await refuse(send, 400, _CODES[400], "A path is written in one way: no //, no / at its end, no %.")
        elif path not in ALWAYS_OPEN and not await self._has_place(scope):
            outcome = outcome_of(scope, nothing_changed=True)
            code, detail = "busy", "Too many connections are open."
            await refuse(send, 503, code, detail, retry_after_seconds=1, outcome=outcome)
        elif path in self._methods and scope["method"] not in self._methods[path]:
            allow = ", ".join(self._methods[path])
            await refuse(send, 405, _CODES[405], f"This can be asked for by {allow}.", allow=allow, close=False)
        elif scope["method"] == "OPTIONS" and path in self._methods and not _is_preflight(scope):
            headers = [(b"allow", ", ".join(self._methods[path]).encode())]
            await send({"type": "http.response.start", "status": 204, "headers": headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            if scope["method"] == "HEAD" and path in _ALSO_BY_HEAD:
                scope = cast("Scope", {**scope, "method": "GET"})
            await self._serve(scope, receive, send)

    async def _has_place(self, scope: Scope) -> bool:
        place: Admission | None = cast("dict[str, Any]", scope).get(PLACE)
        if place is None or place.is_granted:
            return True
        user_id = await self._recognise(scope) if self._recognise else None
        return user_id is not None and place.claim(user_id)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def observed(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, observed)
        except asyncio.CancelledError:
            # The service stops and this request took too long. What it asked for may have happened.
            if started:
                raise
            outcome = outcome_of(scope, nothing_changed=False)
            code = "stopping" if outcome == "not-stored" else "outcome-unknown"
            detail = "The service is stopping; send it again."
            await refuse(send, 503, code, detail, retry_after_seconds=1, outcome=outcome)


def _is_canonical(raw_path: bytes) -> bool:
    # The framework takes /v1//backup/ and /v1/%62ackup for /v1/backup; a rule for a path, in a proxy in front or in our
    # own counts, must not be evaded by another spelling of it.
    return b"%" not in raw_path and b"//" not in raw_path and (raw_path == b"/" or not raw_path.endswith(b"/"))


def _is_preflight(scope: Scope) -> bool:
    """Whether a browser asks for leave (the CORS protocol): that is for the framework to answer."""
    return any(name == b"access-control-request-method" for name, _ in scope["headers"])


async def refuse(
    send: Send,
    status: int,
    code: str,
    detail: str,
    *,
    retry_after_seconds: int | None = None,
    allow: str | None = None,
    close: bool = True,
    outcome: Outcome | None = None,
) -> None:
    """Answer with a problem document, without the framework."""
    document = Problem(
        type=TYPE_PREFIX + code,
        title=http.HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        outcome=outcome,
    )
    body = msgspec.json.encode(document)
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if close:
        headers.append((b"connection", b"close"))
    if allow is not None:
        headers.append((b"allow", allow.encode()))
    if retry_after_seconds is not None:
        headers.append((b"retry-after", str(retry_after_seconds).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
