"""How a caller gets a connection of the pool, or learns at once that there is none."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from obscura_backup.domain.errors import MetadataUnavailable
from support.servers.in_process.scripted_postgres import LOST, MakePool


async def test_one_caller_tests_the_server_and_its_answer_ends_the_outage(pool_of: MakePool) -> None:
    scripted = pool_of(("answer",))
    scripted.record_outage()
    scripted.pool._breaker._test_at = 0.0
    assert await scripted.checkout() == (scripted.connections[0], "answer")
    assert not scripted.is_down


async def test_connection_closed_by_the_server_is_skipped(pool_of: MakePool) -> None:
    scripted = pool_of((), ("answer",))
    closed, good = scripted.connections
    closed.far.close()
    assert (await scripted.checkout())[0] is good
    assert (closed.closed, scripted.returned) == (True, [closed])


async def test_server_that_closes_each_connection_is_named(pool_of: MakePool) -> None:
    scripted = pool_of(*[()] * 5, size=4)
    for connection in scripted.connections:
        connection.far.close()
    with pytest.raises(MetadataUnavailable, match="closes each connection at once"):
        await scripted.checkout()
    assert scripted.returned == scripted.connections


async def test_caller_whose_time_is_over_takes_no_further_connection(pool_of: MakePool) -> None:
    scripted = pool_of((), ("not used",))
    scripted.connections[0].far.close()
    wait: Any = SimpleNamespace(expired=lambda: True)
    with pytest.raises(TimeoutError):
        await scripted.pool._next_valid(wait)
    assert scripted.returned == scripted.connections[:1]


async def test_callers_fail_at_once_when_an_outage_begins_and_while_it_lasts(pool_of: MakePool) -> None:
    scripted = pool_of()
    waiting = [asyncio.create_task(scripted.checkout()) for _ in range(3)]
    await asyncio.sleep(0)
    scripted.record_outage()
    for failure in await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 1):
        assert isinstance(failure, MetadataUnavailable)
        assert failure.__cause__ is LOST
    with pytest.raises(MetadataUnavailable) as raised:
        await asyncio.wait_for(scripted.checkout(), 1)
    assert raised.value.__cause__ is LOST


async def test_kept_cause_of_an_outage_is_the_latest_and_holds_no_frames(pool_of: MakePool) -> None:
    scripted = pool_of()
    scripted.record_outage()
    with pytest.raises(psycopg.OperationalError) as latest:
        raise psycopg.OperationalError("kept for hours")
    assert latest.value.__traceback__ is not None
    scripted.pool._record_failure(latest.value, is_certain=True)
    assert scripted.pool._cause is latest.value
    assert latest.value.__traceback__ is None
