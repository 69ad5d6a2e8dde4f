"""What keeps one client from taking all there is: bodies at once, and the patience with a slow one."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from obscura_backup.domain.errors import ObscuraError, TooManyUploads
from obscura_backup.entrypoints.http.messages.errors import ClientDisconnected, UploadTooSlow

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from litestar.types import Receive

    from obscura_backup.domain.model import UserId

STALL_SECONDS = 30.0
"""How long a body may pause."""
BODY_SECONDS = 600.0
"""How long a body may take: 2 MiB at 3.5 KiB a second."""
GRACE_SECONDS = 60.0
PACE_BYTES_PER_SECOND = 1024
"""How fast a body must come on the average, after the grace: a trickle keeps a place no longer than silence does."""


class ConcurrencyLimit:
    """Counts the uploads under way, by user; or the downloads, which wait in memory where nobody takes them."""

    def __init__(self, max_per_user: int, refusal: type[ObscuraError] = TooManyUploads) -> None:
        self._max_per_user = max_per_user
        self._refusal = refusal
        self._under_way: dict[UserId, int] = {}

    @contextmanager
    def admit(self, user_id: UserId) -> Iterator[None]:
        """Let one more in, until the block ends.

        Raises:
            ObscuraError: the refusal; as many as may be are under way.
        """
        count = self._under_way.get(user_id, 0)
        if count >= self._max_per_user:
            raise self._refusal
        self._under_way[user_id] = count + 1
        try:
            yield
        finally:
            count = self._under_way.pop(user_id) - 1
            if count:
                self._under_way[user_id] = count


async def read_body(
    receive: Receive, *, stall_seconds: float = STALL_SECONDS, total_seconds: float = BODY_SECONDS
) -> AsyncGenerator[bytes, None]:
    """The pieces of a request's body as they come, as long as they come.

    Raises:
        UploadTooSlow: it paused or took too long.
        ClientDisconnected: its sender hung up before its end.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    size = 0
    more = True
    while more:
        due_at = began + min(GRACE_SECONDS + size / PACE_BYTES_PER_SECOND, total_seconds)
        try:
            async with asyncio.timeout_at(min(loop.time() + stall_seconds, due_at)):
                message = await receive()
        except TimeoutError as error:
            raise UploadTooSlow from error
        if message["type"] != "http.request":
            raise ClientDisconnected
        more = message.get("more_body", False)
        if piece := message.get("body", b""):
            size += len(piece)
            yield piece
