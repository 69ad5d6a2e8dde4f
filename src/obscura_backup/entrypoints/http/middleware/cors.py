"""Lets browsers read what is answered at the door: the framework sets the CORS fields on its own answers alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar.enums import ScopeType

if TYPE_CHECKING:
    from litestar.config.cors import CORSConfig
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

_ALLOW_ORIGIN = b"access-control-allow-origin"


class CorsMiddleware:
    """Wraps the door. Without it a page would take 429 and its `Retry-After` for a network that is down."""

    def __init__(self, app: ASGIApp, config: CORSConfig) -> None:
        self._app = app
        self._config = config
        self._exposed = ", ".join(config.expose_headers).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; add the fields where an allowed origin asks and nobody has set them."""
        origin = None
        if scope["type"] == ScopeType.HTTP:
            origin = next((value for name, value in scope["headers"] if name == b"origin"), None)
        if origin is None or not self._config.is_origin_allowed(origin.decode("latin-1")):
            await self._app(scope, receive, send)
            return

        async def readable(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message["headers"]]
                if all(name.lower() != _ALLOW_ORIGIN for name, _ in headers):
                    headers += [
                        (_ALLOW_ORIGIN, origin),
                        (b"access-control-expose-headers", self._exposed),
                        (b"vary", b"Origin"),
                    ]
                message["headers"] = headers
            await send(message)

        await self._app(scope, receive, readable)
