"""What the management listener serves: metrics, and readiness in detail."""

from __future__ import annotations

import os

import msgspec
from litestar import Response, get
from prometheus_client import CONTENT_TYPE_LATEST

from obscura_backup import __version__
from obscura_backup.domain.errors import ObscuraError
from obscura_backup.entrypoints.http import route_table
from obscura_backup.entrypoints.http.middleware.metrics import METRICS_TEXT
from obscura_backup.entrypoints.http.routes.service import (
    ReadinessCheck,  # noqa: TC001  # Litestar reads the annotation at run time
    StoreHealth,  # noqa: TC001  # msgspec reads the annotation at run time
)


class StoreKinds(msgspec.Struct, frozen=True):
    """What the two stores are, as in their URLs: `postgresql`, `s3` and so on."""

    metadata: str
    blobs: str


class StoreDetails(msgspec.Struct, frozen=True):
    """One store.

    Attributes:
        kind: as in its URL.
        status: `ok` or `unavailable`.
        error: what the store answered, if it is unavailable.
    """

    kind: str
    status: str
    error: str | None


class ReadinessDetails(msgspec.Struct, frozen=True):
    """The readiness of the worker that answers.

    Attributes:
        status: as on the public listener.
        version: of the service.
        pid: of the worker.
        metadata: the metadata store.
        blobs: the blob store.
    """

    status: str
    version: str
    pid: int
    metadata: StoreDetails
    blobs: StoreDetails


@get(route_table.READY.path)
async def ready(readiness_check: ReadinessCheck, store_kinds: StoreKinds) -> Response[ReadinessDetails]:
    """The status code of the public listener, with the cause for each store."""
    answer = await readiness_check.readiness()
    metadata, blobs = await readiness_check.store_health()
    details = ReadinessDetails(
        answer.status,
        __version__,
        os.getpid(),
        store_details(store_kinds.metadata, metadata),
        store_details(store_kinds.blobs, blobs),
    )
    return Response(details, status_code=answer.status_code, headers={"Cache-Control": "no-store"})


@get(route_table.METRICS.path, media_type=CONTENT_TYPE_LATEST, sync_to_thread=False)
def metrics() -> Response[bytes]:
    """The metrics of all workers, in the Prometheus text format."""
    return Response(METRICS_TEXT.text(), media_type=CONTENT_TYPE_LATEST)


def store_details(kind: str, health: StoreHealth) -> StoreDetails:
    """What operators see of the health of a store."""
    return StoreDetails(kind, health.status, None if health.error is None else _text_of(health.error))


def _text_of(error: Exception) -> str:
    return error.with_cause if isinstance(error, ObscuraError) else "There was no answer in time."
