"""What operators and clients ask besides: configuration, health, metrics."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from litestar import MediaType, Response, get
from litestar.openapi import ResponseSpec
from prometheus_client import CONTENT_TYPE_LATEST

from obscura_backup.domain.errors import Unavailable
from obscura_backup.domain.model import Limits  # noqa: TC001  # Litestar reads the annotation at run time
from obscura_backup.entrypoints.http.limits.rate_limiter import RateLimit
from obscura_backup.entrypoints.http.messages import openapi
from obscura_backup.entrypoints.http.middleware.metrics import METRICS_TEXT

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from obscura_backup.domain.ports import BackupMetadataStore, BlobStore
    from obscura_backup.entrypoints.http.server.shutdown import ShutdownState

CHECKS_PER_MINUTE = 60
"""That many at once, then one a second: no answer that is handed out again is older than that second."""


class Retention(msgspec.Struct, frozen=True):
    """How much is kept, and for how long.

    Attributes:
        versions: a user: the newest alone.
        days: None: until it is replaced or deleted.
    """

    versions: int = 1
    days: int | None = None


class ServiceConfig(msgspec.Struct, frozen=True):
    """What a client should know before it uploads."""

    min_bytes: int
    max_bytes: int
    retention: Retention


class Readiness(msgspec.Struct, frozen=True):
    """Whether requests can be served: `status` is `ok`, `unavailable` (with the store that is down) or `stopping`."""

    status: str
    metadata: str
    blobs: str


class ReadinessCheck:
    """The two stores, as far as their health goes.

    Anybody may ask, as often as they like, and must not keep the stores from their work by it: one check is under way
    at a time, all who ask meanwhile share it, and those who ask too often are told what it found last.

    Args:
        metadata: one of them.
        blobs: the other.
        stopping: whether this process is about to end, which makes it unready however well they are.
        timeout_seconds: that each may take to say that it is well.
    """

    def __init__(
        self, metadata: BackupMetadataStore, blobs: BlobStore, stopping: ShutdownState, *, timeout_seconds: float
    ) -> None:
        self._metadata = metadata
        self._blobs = blobs
        self._stopping = stopping
        self._timeout_seconds = timeout_seconds
        self._checks = RateLimit(CHECKS_PER_MINUTE)
        self._last: asyncio.Task[tuple[str, str]] | None = None

    async def readiness(self) -> Readiness:
        """What the stores say now, or said within the last second; whether the process stops is never remembered."""
        last = self._last
        if last is None or (last.done() and self._checks.take(None) == 0):
            last = self._last = asyncio.create_task(self._ask())
        metadata, blobs = await asyncio.shield(last)  # whoever hangs up takes the answer from nobody else
        well = "ok" if metadata == blobs == "ok" else "unavailable"
        return Readiness("stopping" if self._stopping.announced else well, metadata, blobs)

    async def _ask(self) -> tuple[str, str]:
        return await asyncio.gather(self._state(self._metadata.check()), self._state(self._blobs.check()))

    async def _state(self, check: Awaitable[None]) -> str:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await check
        except (Unavailable, TimeoutError):
            return "unavailable"
        return "ok"


@get("/v1/config", tags=["service"], operation_class=openapi.LimitedOperation, responses=openapi.problems(429, 503))
async def config(limits: Limits) -> Response[ServiceConfig]:
    """Limits and retention."""
    answer = ServiceConfig(min_bytes=limits.min_bytes, max_bytes=limits.max_bytes, retention=Retention())
    return Response(answer, headers={"Cache-Control": "public, max-age=300"})


@get("/health/live", tags=["service"], media_type=MediaType.JSON)
async def live() -> dict[str, str]:
    """The process runs."""
    return {"status": "ok"}


@get(
    "/health/ready",
    tags=["service"],
    responses={
        503: ResponseSpec(Readiness, generate_examples=False, description="A store is down, or the service stops")
    },
)
async def ready(stores: ReadinessCheck) -> Response[Readiness]:
    """Both stores answer, and the service is here to stay; 503 tells what is not so."""
    answer = await stores.readiness()
    status_code = 200 if answer.status == "ok" else 503
    return Response(answer, status_code=status_code, headers={"Cache-Control": "no-store"})


@get("/metrics", include_in_schema=False, media_type=CONTENT_TYPE_LATEST, sync_to_thread=False)
def metrics() -> Response[bytes]:
    """Prometheus' text format; of all workers, where there are several."""
    return Response(METRICS_TEXT.text(), media_type=CONTENT_TYPE_LATEST)
