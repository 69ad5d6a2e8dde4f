"""What anybody may ask for as often as they like costs no more than one asker does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from obscura_backup.domain.errors import Unavailable
from obscura_backup.entrypoints.http.middleware.metrics import RENDERINGS_PER_MINUTE, MetricsText
from obscura_backup.entrypoints.http.routes.service import CHECKS_PER_MINUTE, ReadinessCheck
from obscura_backup.entrypoints.http.server.shutdown import ShutdownState

if TYPE_CHECKING:
    import pytest


class CountedCheck:
    """A store's health alone, which can be counted, held up and broken."""

    def __init__(self) -> None:
        self.asked = 0
        self.well = True
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def check(self) -> None:
        self.asked += 1
        await self.goes_on.wait()
        if not self.well:
            raise Unavailable("down")


def stores_of(store: CountedCheck, stopping: ShutdownState | None = None) -> ReadinessCheck:
    return ReadinessCheck(store, store, stopping or ShutdownState(), timeout_seconds=5)  # type: ignore[arg-type]  # its health is all


async def test_all_who_ask_at_once_share_one_check() -> None:
    store = CountedCheck()
    stores = stores_of(store)
    answers = await asyncio.gather(*(stores.readiness() for _ in range(400)))
    assert {answer.status for answer in answers} == {"ok"}
    assert store.asked == 2, "once as the metadata, once as the blobs"


async def test_those_who_ask_without_end_are_told_what_was_found_last() -> None:
    store = CountedCheck()
    stores = stores_of(store)
    for _ in range(10 * CHECKS_PER_MINUTE):
        assert (await stores.readiness()).status == "ok"
    assert store.asked < 3 * CHECKS_PER_MINUTE


async def test_store_that_went_down_shows_at_once_to_who_asks_now_and_then() -> None:
    store = CountedCheck()
    stores = stores_of(store)
    assert (await stores.readiness()).status == "ok"
    store.well = False
    assert (await stores.readiness()).status == "unavailable"


async def test_stopping_is_never_remembered_away() -> None:
    store, stopping = CountedCheck(), ShutdownState()
    stores = stores_of(store, stopping)
    for _ in range(2 * CHECKS_PER_MINUTE):
        await stores.readiness()
    stopping.announced = True
    assert (await stores.readiness()).status == "stopping"


async def test_who_hangs_up_takes_the_answer_from_nobody_else() -> None:
    store = CountedCheck()
    stores = stores_of(store)
    store.goes_on.clear()
    first, second = (asyncio.create_task(stores.readiness()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    store.goes_on.set()
    assert (await second).status == "ok"


def test_metrics_are_not_rendered_for_each_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered: list[bytes] = []

    def render() -> bytes:
        rendered.append(b"text")
        return b"text"

    exposition = MetricsText()
    monkeypatch.setattr(exposition, "_render", render)
    assert {exposition.text() for _ in range(10 * RENDERINGS_PER_MINUTE)} == {b"text"}
    assert len(rendered) < 2 * RENDERINGS_PER_MINUTE
