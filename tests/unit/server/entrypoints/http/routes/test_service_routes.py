"""Readiness and metrics cost the same, however often they are asked for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from obscura_backup.domain.errors import Unavailable
from obscura_backup.entrypoints.http.middleware.metrics import MetricsText
from obscura_backup.entrypoints.http.routes.service import ReadinessCheck
from support.clocks import MovableSeconds

if TYPE_CHECKING:
    import pytest


class CountedCheck:
    """A store's health check, which counts calls and can be held up or fail."""

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


def check_of(
    store: CountedCheck,
    stopping: list[bool] | None = None,
    clock: MovableSeconds | None = None,
    wall_clock: MovableSeconds | None = None,
) -> ReadinessCheck:
    return ReadinessCheck(
        store,  # type: ignore[arg-type]  # only its health is asked for
        store,  # type: ignore[arg-type]  # as above
        lambda: bool(stopping),
        timeout_seconds=5,
        clock=clock or MovableSeconds(),
        wall_clock=wall_clock or MovableSeconds(),
    )


async def test_health_tells_when_it_last_changed() -> None:
    store, clock, wall_clock = CountedCheck(), MovableSeconds(), MovableSeconds()
    check = check_of(store, clock=clock, wall_clock=wall_clock)
    told = []
    for well in (True, True, False, False, True):
        store.well = well
        told.append([health.since for health in await check.store_health()])
        clock.seconds += 5
        wall_clock.seconds += 7
    assert told == [[1000, 1000], [1000, 1000], [1014, 1014], [1014, 1014], [1028, 1028]]


async def test_all_who_ask_at_once_share_one_check() -> None:
    store = CountedCheck()
    check = check_of(store)
    answers = await asyncio.gather(*(check.readiness() for _ in range(400)))
    assert {answer.status for answer in answers} == {"ok"}
    assert store.asked == 2, "once as the metadata, once as the blobs"


async def test_stores_are_asked_at_most_once_a_second() -> None:
    store, clock = CountedCheck(), MovableSeconds()
    check = check_of(store, clock=clock)
    for _ in range(100):
        assert (await check.readiness()).status == "ok"
    assert store.asked == 2
    clock.seconds += 0.99
    await check.readiness()
    assert store.asked == 2


async def test_store_that_went_down_shows_a_second_later() -> None:
    store, clock = CountedCheck(), MovableSeconds()
    check = check_of(store, clock=clock)
    assert (await check.readiness()).status == "ok"
    store.well = False
    clock.seconds += 1.0
    assert (await check.readiness()).status == "unavailable"


async def test_stopping_is_never_remembered_away() -> None:
    stopping: list[bool] = []
    check = check_of(CountedCheck(), stopping)
    await check.readiness()
    stopping.append(True)
    assert (await check.readiness()).status == "stopping"


async def test_client_that_disconnects_does_not_cancel_the_check_of_others() -> None:
    store = CountedCheck()
    check = check_of(store)
    store.goes_on.clear()
    first, second = (asyncio.create_task(check.readiness()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    store.goes_on.set()
    assert (await second).status == "ok"


def test_metrics_are_rendered_at_most_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered: list[bytes] = []

    def render() -> bytes:
        rendered.append(b"text")
        return b"text"

    clock = MovableSeconds()
    text = MetricsText(clock)
    monkeypatch.setattr(text, "_render", render)
    assert {text.text() for _ in range(100)} == {b"text"}
    clock.seconds += 0.99
    text.text()
    assert len(rendered) == 1
    clock.seconds += 0.01
    text.text()
    assert len(rendered) == 2
