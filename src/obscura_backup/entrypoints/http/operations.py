"""What operators and clients ask besides: configuration, health, metrics."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from litestar import MediaType, Response, get
from litestar.openapi import ResponseSpec
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess
from prometheus_client import values as prometheus_values

from obscura_backup.domain.errors import Unavailable
from obscura_backup.domain.model import Limits  # noqa: TC001  # Litestar reads the annotation at run time
from obscura_backup.entrypoints.http.metrics import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from obscura_backup.domain.ports import BackupMetadataStore, BlobStore

CHECK_SECONDS = 2.0
"""How long a store may take to say that it is well."""


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
    """Whether requests can be served, and which store is down if not."""

    status: str
    metadata: str
    blobs: str


class Stores:
    """The two stores, as far as their health goes."""

    def __init__(self, metadata: BackupMetadataStore, blobs: BlobStore) -> None:
        self._metadata = metadata
        self._blobs = blobs

    async def readiness(self) -> Readiness:
        """Ask both at once."""
        metadata, blobs = await asyncio.gather(_state(self._metadata.check()), _state(self._blobs.check()))
        return Readiness("ok" if metadata == blobs == "ok" else "unavailable", metadata, blobs)


async def _state(check: Awaitable[None]) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check
    except (Unavailable, TimeoutError):
        return "unavailable"
    return "ok"


@get("/v1/config", tags=["service"])
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
    responses={503: ResponseSpec(Readiness, generate_examples=False, description="A store is down")},
)
async def ready(stores: Stores) -> Response[Readiness]:
    """Both stores answer; 503 tells which one does not."""
    answer = await stores.readiness()
    status_code = 200 if answer.status == "ok" else 503
    return Response(answer, status_code=status_code, headers={"Cache-Control": "no-store"})


@get("/metrics", include_in_schema=False, media_type=CONTENT_TYPE_LATEST, sync_to_thread=False)
def metrics() -> Response[bytes]:
    """Prometheus' text format; of all workers, where there are several."""
    registry = REGISTRY
    if prometheus_values.ValueClass.__name__ == "MmapedValue":
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library types all but this
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
