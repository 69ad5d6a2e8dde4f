"""The locks of `UserLocks`: exclusion by user, a bound on the wait, and no memory for users who are gone."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from contracts import samples
from obscura_backup.adapters.user_locks import UserLocks
from obscura_backup.domain.errors import SlotBusy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from obscura_backup.domain.model import UserId

USER = samples.user(1)
SHORT_SECONDS = 0.01
LONG_SECONDS = 60.0


@asynccontextmanager
async def held(locks: UserLocks, user: UserId = USER) -> AsyncIterator[None]:
    await locks.acquire(user)
    try:
        yield
    finally:
        locks.release(user)


async def test_nothing_is_kept_of_a_user_who_left() -> None:
    locks = UserLocks(timeout_seconds=LONG_SECONDS)
    async with held(locks):
        pass
    assert locks._waiting == {}


async def test_nothing_is_kept_after_several_waited() -> None:
    locks = UserLocks(timeout_seconds=LONG_SECONDS)

    async def hold() -> None:
        async with held(locks):
            await asyncio.sleep(0)

    await asyncio.gather(*(hold() for _ in range(3)))
    assert locks._waiting == {}


async def test_nothing_is_kept_of_a_request_that_waited_too_long() -> None:
    locks = UserLocks(timeout_seconds=SHORT_SECONDS)
    async with held(locks):
        with pytest.raises(SlotBusy):
            async with held(locks):
                pass
    assert locks._waiting == {}


async def test_nothing_is_kept_of_a_request_that_was_cancelled_while_it_waited() -> None:
    locks = UserLocks(timeout_seconds=LONG_SECONDS)

    async def hold() -> None:
        async with held(locks):
            pass

    async with held(locks):
        waiting = asyncio.create_task(hold())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert locks._waiting == {}


async def test_the_lock_is_free_after_a_failure_inside() -> None:
    locks = UserLocks(timeout_seconds=SHORT_SECONDS)
    with pytest.raises(ZeroDivisionError):
        async with held(locks):
            raise ZeroDivisionError
    async with held(locks):
        pass


async def test_while_one_holds_and_one_waits_a_third_waits_too() -> None:
    locks = UserLocks(timeout_seconds=LONG_SECONDS)
    inside = most = 0

    async def hold() -> None:
        nonlocal inside, most
        async with held(locks):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    first, second = asyncio.create_task(hold()), asyncio.create_task(hold())
    await asyncio.sleep(0)
    await asyncio.gather(first, second, hold())
    assert most == 1
