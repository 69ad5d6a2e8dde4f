"""One lock per user within this process, for adapters whose technology has no row locks, or costly ones."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from obscura_backup.domain.errors import SlotBusy

if TYPE_CHECKING:
    from obscura_backup.domain.model import UserId


class UserLocks:
    """Mutual exclusion per user, in the order of the calls. Only locks in use take memory.

    No generator and no lock of the standard library: most locks are free, and then they would cost more than all that
    is done here.
    """

    def __init__(self, *, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        # Of each user whose lock is held: the calls that wait for it.
        self._waiting: dict[UserId, deque[asyncio.Future[None]]] = {}

    async def acquire(self, user_id: UserId) -> None:
        """Take the lock of this user; the caller releases it.

        Raises:
            SlotBusy: it was not available in time.
        """
        waiting = self._waiting.get(user_id)
        if waiting is None:
            self._waiting[user_id] = deque()
            return
        turn = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await turn
        except BaseException as error:
            if turn in waiting:
                waiting.remove(turn)
            elif not turn.cancelled():  # the lock was handed over at the same moment
                self.release(user_id)
            if isinstance(error, TimeoutError):
                raise SlotBusy from error
            raise

    def release(self, user_id: UserId) -> None:
        """Hand the lock over to the next call that waits for it."""
        waiting = self._waiting[user_id]
        while waiting:
            turn = waiting.popleft()
            if not turn.done():  # else that call was cancelled
                turn.set_result(None)
                return
        del self._waiting[user_id]
