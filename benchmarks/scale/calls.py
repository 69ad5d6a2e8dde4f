"""What a call costs with many rows, over what it costs with few. Both stores are open, and are measured by turns."""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.measurements import ratio, spread
from benchmarks.processes import usage
from benchmarks.scale.rows import revision, user
from obscura_backup.domain.blob import Blob

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from benchmarks.measurements import Spread
    from obscura_backup.domain.ports import BackupMetadataStore
    from obscura_backup.domain.service import BackupService

CLIENTS = 8
CALLS = 400
"""Per store and round, each of a random user."""


@dataclass(frozen=True)
class Comparison:
    """Processor time per call in milliseconds, of this process and the server.

    Attributes:
        few: with few rows.
        many: with many rows.
        ratio: of many to few, per round.
    """

    few: Spread
    many: Spread
    ratio: Spread

    def document(self) -> dict[str, float]:
        """For JSON."""
        return {
            "few_ms": round(self.few.median, 4),
            "many_ms": round(self.many.median, 4),
            "ratio": round(self.ratio.median, 3),
            "ratio_low": round(self.ratio.low, 3),
            "ratio_high": round(self.ratio.high, 3),
        }


async def save(store: BackupMetadataStore, number: int) -> None:
    """Lock the row of a user and save it, as an upload does."""
    async with store.locked(user(number)) as slot:
        if slot.record is None:
            raise AssertionError("each user has a row")
        await slot.save(revision(slot.record.version + 1))


async def read(store: BackupMetadataStore, number: int) -> None:
    """Read the row of a user."""
    await store.get(user(number))


async def upload(service: BackupService, number: int) -> None:
    """Replace the backup of a user."""
    current = await service.describe(user(number))
    await service.upload(user(number), current.version, Blob.of(os.urandom(1024)))


async def download(service: BackupService, number: int) -> None:
    """Download the backup of a user."""
    opened = await service.download(user(number))
    try:
        async for _ in opened.chunks():
            pass
    finally:
        await opened.aclose()


async def compare(
    calls: Mapping[str, Callable[[Any, int], Coroutine[Any, Any, None]]],
    few: tuple[Any, int],
    many: tuple[Any, int],
    *,
    pids: Sequence[int],
    rounds: int,
) -> dict[str, Comparison]:
    """Compare each of the calls, by its name.

    Args:
        calls: get a store and the number of a user.
        few: the store with few rows, and their number.
        many: the store with many rows, and their number.
        pids: processes whose time counts, with their descendants.
        rounds: the first one warms up and does not count.
    """
    found = {}
    for name, call in calls.items():
        costs = []
        for number in range(rounds + 1):
            first, second = (few, many) if number % 2 else (many, few)
            cost = (await _cost_ms(call, *first, pids), await _cost_ms(call, *second, pids))
            costs.append(cost if number % 2 else cost[::-1])
        cheap, dear = zip(*costs[1:], strict=True)
        ratios = [ratio(one, base) for base, one in zip(cheap, dear, strict=True)]
        found[name] = Comparison(spread(cheap), spread(dear), spread(ratios))
    return found


async def _cost_ms(
    call: Callable[[Any, int], Coroutine[Any, Any, None]], store: Any, rows: int, pids: Sequence[int]
) -> float:
    async def client(first: int) -> None:  # with users of its own
        for _ in range(CALLS // CLIENTS):
            await call(store, random.randrange(first, rows, CLIENTS))  # noqa: S311  # not a secret

    before = sum(usage(pid).processor_seconds for pid in pids)
    await asyncio.gather(*(client(first) for first in range(CLIENTS)))
    return 1000 * (sum(usage(pid).processor_seconds for pid in pids) - before) / CALLS
