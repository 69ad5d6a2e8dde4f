"""Cross-origin requests of browsers (the CORS protocol): all of it, for answers of handlers and for refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar.enums import ScopeType

from obscura_backup.entrypoints.http.request_state import RequestState

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

METHODS = "DELETE, GET, HEAD, POST"
REQUEST_HEADERS = "Authorization, Content-Digest, Content-Type, If-Match, If-None-Match, If-Range, Range"
EXPOSED_HEADERS = "ETag, Repr-Digest, Last-Modified, Content-Range, Accept-Ranges, Retry-After"
PREFLIGHT_SECONDS = 600
"""How long a browser may keep the answer to a preflight request."""

_EXPOSE = (b"access-control-expose-headers", EXPOSED_HEADERS.encode())
_PERMISSIONS = (
    (b"access-control-allow-methods", METHODS.encode()),
    (b"access-control-allow-headers", REQUEST_HEADERS.encode()),
    (b"access-control-max-age", b"%d" % PREFLIGHT_SECONDS),
)


class CorsMiddleware:
    """Adds the CORS headers to each answer to an allowed origin.

    Refusals need them, too: a page would take a 429 without them for a broken network. The request guard answers
    preflight requests, as it answers every OPTIONS.

    Args:
        app: the application behind.
        origins: the allowed ones, as `scheme://host[:port]`; `*` allows all.
    """

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        self._app = app
        self._allows_all = "*" in origins
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add the headers to its answer."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        state = RequestState.of(scope)
        origin = (state.value(b"origin") or "").encode("latin-1")
        if not origin or not (self._allows_all or origin in self._origins):
            await self._app(scope, receive, send)
            return
        fields = [(b"access-control-allow-origin", b"*" if self._allows_all else origin), _EXPOSE]
        if not self._allows_all:
            fields.append((b"vary", b"Origin"))
        if state.is_preflight:
            fields.extend(_PERMISSIONS)

        async def send_with_fields(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *fields]
            await send(message)

        await self._app(scope, receive, send_with_fields)
