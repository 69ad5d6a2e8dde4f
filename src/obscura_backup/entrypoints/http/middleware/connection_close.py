"""During shutdown: each answer is the last one on its connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from litestar.types import ASGIApp, Message, Receive, Scope, Send

_CLOSE = (b"connection", b"close")


class ConnectionCloseMiddleware:
    """Adds `Connection: close` to every answer once the process is stopping.

    Args:
        app: the application behind.
        is_stopping: whether the process was told to stop.
    """

    def __init__(self, app: ASGIApp, is_stopping: Callable[[], bool]) -> None:
        self._app = app
        self._is_stopping = is_stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add the header to its answer."""

        async def send_with_close(message: Message) -> None:
            if message["type"] == "http.response.start" and self._is_stopping():
                headers = [*message["headers"]]
                if _CLOSE not in headers:
                    headers.append(_CLOSE)
                message["headers"] = headers
            await send(message)

        await self._app(scope, receive, send_with_close)
