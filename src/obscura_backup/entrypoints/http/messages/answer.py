"""A whole answer as bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.types import Receive, Scope, Send


class Answer:
    """An answer that is ready to be sent, for handlers to return: the framework has nothing left to convert.

    Args:
        status: of the answer.
        headers: names in lower case. Content-Length may describe a body that is not sent.
        body: all of it.
    """

    __slots__ = ("_body", "_headers", "_status")

    def __init__(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes = b"") -> None:
        self._status = status
        self._headers = headers
        self._body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # as in ASGI
        """Send it."""
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body, "more_body": False})
