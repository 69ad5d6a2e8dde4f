"""Configuration and health."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec
from litestar import MediaType, Response, get

from obscura_backup.domain.errors import Unavailable
from obscura_backup.domain.model import Limits  # noqa: TC001  # Litestar reads the annotation at run time
from obscura_backup.entrypoints.http import route_table

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from obscura_backup.domain.ports import BackupMetadataStore, BlobStore

MAX_AGE_SECONDS = 1.0
"""How long the result of a check is handed out again."""


class Retention(msgspec.Struct, frozen=True):
    """How much is kept, and for how long.

    Attributes:
        versions: per user; only the newest one is kept.
        days: since the last upload, after which a backup may be deleted; None: it is kept until it is replaced or
            deleted.
    """

    versions: int = 1
    days: int | None = None


class ServiceConfig(msgspec.Struct, frozen=True):
    """What a client should know before an upload: sizes in bytes, and retention."""

    min_bytes: int
    max_bytes: int
    retention: Retention


class Readiness(msgspec.Struct, frozen=True):
    """Whether this process should get requests: yes while downloads work, which need the blob store alone.

    Attributes:
        status: `ok`, `degraded` (downloads work, uploads do not), `unavailable` (downloads do not work) or `stopping`.
        metadata: `ok` or `unavailable`.
        blobs: `ok` or `unavailable`.
    """

    status: str
    metadata: str
    blobs: str

    @property
    def status_code(self) -> int:
        """Of the answer."""
        return 200 if self.status in {"ok", "degraded"} else 503


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """The last answer of one store.

    Attributes:
        status: `ok` or `unavailable`.
        error: why it is unavailable.
        since: when its status last changed, in seconds since 1970; None if that was not recorded.
    """

    status: str = "ok"
    error: Exception | None = None
    since: float | None = None


class ReadinessCheck:
    """The health of the two stores.

    Anyone may ask, as often as they like, without loading the stores: one check runs at a time, and at most one per
    second starts. All other requests share its result.

    Args:
        metadata: the metadata store.
        blobs: the blob store.
        is_stopping: whether this process was told to stop; then it is not ready, whatever the stores answer.
        timeout_seconds: for the answer of each store.
        clock: seconds that only go forward.
        wall_clock: seconds since 1970.
    """

    def __init__(
        self,
        metadata: BackupMetadataStore,
        blobs: BlobStore,
        is_stopping: Callable[[], bool],
        *,
        timeout_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._metadata = metadata
        self._blobs = blobs
        self._is_stopping = is_stopping
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._wall_clock = wall_clock
        self._metadata_health = self._blobs_health = StoreHealth("not checked yet")
        self._began_at = -math.inf
        self._last: asyncio.Task[tuple[StoreHealth, StoreHealth]] | None = None

    async def readiness(self) -> Readiness:
        """The stores' state, at most a second old. Whether the process is stopping is always current."""
        metadata, blobs = await self.store_health()
        if self._is_stopping():
            status = "stopping"
        elif blobs.status != "ok":
            status = "unavailable"
        else:
            status = "ok" if metadata.status == "ok" else "degraded"
        return Readiness(status, metadata.status, blobs.status)

    async def store_health(self) -> tuple[StoreHealth, StoreHealth]:
        """The health of the metadata store and of the blob store, at most a second old."""
        last, now = self._last, self._clock()
        if last is None or (last.done() and now - self._began_at >= MAX_AGE_SECONDS):
            self._began_at = now
            last = self._last = asyncio.create_task(self._ask())
        return await asyncio.shield(last)  # a client that disconnects must not cancel it for the others

    async def _ask(self) -> tuple[StoreHealth, StoreHealth]:
        metadata, blobs = await asyncio.gather(self._state(self._metadata.check()), self._state(self._blobs.check()))
        self._metadata_health = self._dated(metadata, self._metadata_health)
        self._blobs_health = self._dated(blobs, self._blobs_health)
        return self._metadata_health, self._blobs_health

    def _dated(self, found: StoreHealth, before: StoreHealth) -> StoreHealth:
        return replace(found, since=before.since if found.status == before.status else self._wall_clock())

    async def _state(self, check: Awaitable[None]) -> StoreHealth:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await check
        except (Unavailable, TimeoutError) as error:
            return StoreHealth("unavailable", error)
        return StoreHealth()


@get(route_table.CONFIG.path)
async def config(limits: Limits, retention: Retention) -> Response[ServiceConfig]:
    """Limits and retention."""
    answer = ServiceConfig(min_bytes=limits.min_bytes, max_bytes=limits.max_bytes, retention=retention)
    return Response(answer, headers={"Cache-Control": "public, max-age=300"})


@get(route_table.LIVE.path, media_type=MediaType.JSON)
async def live() -> dict[str, str]:
    """The process runs."""
    return {"status": "ok"}


@get(route_table.READY.path)
async def ready(readiness_check: ReadinessCheck) -> Response[Readiness]:
    """200 if downloads work and the process is not stopping, else 503.

    Without the metadata store it is still 200: all replicas use the same store, so a balancer would take out all of
    them, and end the downloads. Uploads answer 503 by themselves.
    """
    answer = await readiness_check.readiness()
    return Response(answer, status_code=answer.status_code, headers={"Cache-Control": "no-store"})
