"""Limits of transfers: how many a user may have at once, and how slow a body may be."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from obscura_backup.domain.errors import ObscuraError, TooManyUploads
from obscura_backup.entrypoints.http.messages.errors import ClientDisconnected, UploadTooSlow

if TYPE_CHECKING:
    from litestar.types import Receive, ReceiveMessage

    from obscura_backup.domain.model import UserId

STALL_SECONDS = 30.0
"""How long a body may pause."""
BODY_SECONDS = 600.0
"""How long a body may take: 2 MiB at 3.5 KiB per second."""
GRACE_SECONDS = 60.0
PACE_BYTES_PER_SECOND = 1024
"""How fast a body must arrive on average, after the grace period: a slow body must not hold a place for longer."""


class ConcurrencyLimit:
    """Limits the uploads under way per user, or the downloads, which wait in memory for slow clients."""

    def __init__(self, max_per_user: int, refusal: type[ObscuraError] = TooManyUploads) -> None:
        self._max_per_user = max_per_user
        self._refusal = refusal
        self._under_way: dict[UserId, int] = {}

    def admit(self, user_id: UserId) -> Place:
        """Count one more transfer, until the place is left.

        Raises:
            ObscuraError: the refusal; this user is at the limit.
        """
        count = self._under_way.get(user_id, 0)
        if count >= self._max_per_user:
            raise self._refusal
        self._under_way[user_id] = count + 1
        return Place(self._under_way, user_id)


class Place:
    """One transfer that is counted: a context manager, or a call of `leave`."""

    __slots__ = ("_under_way", "_user_id")

    def __init__(self, under_way: dict[UserId, int], user_id: UserId) -> None:
        self._under_way = under_way
        self._user_id = user_id

    def __enter__(self) -> None:
        """Nothing is left to do."""

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """The transfer has ended. To be called once."""
        count = self._under_way.pop(self._user_id) - 1
        if count:
            self._under_way[self._user_id] = count


class BodyReader:
    """The pieces of a request's body as they arrive.

    Args:
        receive: gives the messages of the request.
        stall_seconds: how long the body may pause.
        total_seconds: how long it may take.
    """

    def __init__(
        self, receive: Receive, *, stall_seconds: float = STALL_SECONDS, total_seconds: float = BODY_SECONDS
    ) -> None:
        self._receive = receive
        self._stall_seconds = stall_seconds
        self._total_seconds = total_seconds
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._size = 0
        self._has_more = True

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next piece.

        Raises:
            UploadTooSlow: the body paused or took too long.
            ClientDisconnected: the client disconnected before the end of the body.
        """
        while self._has_more:
            message = await self._next_message()
            if message["type"] != "http.request":
                raise ClientDisconnected
            self._has_more = message.get("more_body", False)
            if piece := message.get("body", b""):
                self._size += len(piece)
                return piece
        raise StopAsyncIteration

    async def _next_message(self) -> ReceiveMessage:
        due_at = self._began + min(GRACE_SECONDS + self._size / PACE_BYTES_PER_SECOND, self._total_seconds)
        try:
            async with asyncio.timeout_at(min(self._loop.time() + self._stall_seconds, due_at)):
                return await self._receive()
        except TimeoutError as error:
            raise UploadTooSlow from error
