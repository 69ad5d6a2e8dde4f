"""One lock per user within this process, for adapters whose technology has no row locks, or costly ones."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from obscura_backup.domain.errors import SlotBusy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from obscura_backup.domain.model import UserId


class UserLocks:
    """Mutual exclusion per user. Only locks in use take memory."""

    def __init__(self, *, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._locks: dict[UserId, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def hold(self, user_id: UserId) -> AsyncIterator[None]:
        """Hold the lock of this user.

        Raises:
            SlotBusy: it was not available in time.
        """
        lock, users = self._locks.get(user_id) or (asyncio.Lock(), 0)
        self._locks[user_id] = lock, users + 1
        try:
            if lock.locked():
                try:
                    await asyncio.wait_for(lock.acquire(), self._timeout_seconds)
                except TimeoutError as error:
                    raise SlotBusy from error
            else:
                await lock.acquire()  # without the cost of a timer
            try:
                yield
            finally:
                lock.release()
        finally:
            lock, users = self._locks[user_id]
            if users == 1:
                del self._locks[user_id]
            else:
                self._locks[user_id] = lock, users - 1
