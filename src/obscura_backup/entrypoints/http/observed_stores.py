"""The two stores, with the time and the failure of each call in the metrics."""

from __future__ import annotations

from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, ClassVar

from prometheus_client import Counter, Gauge, Histogram

from obscura_backup.domain.errors import Unavailable
from obscura_backup.domain.service import BackupService, Event
from obscura_backup.entrypoints.http.middleware.metrics import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
    from types import TracebackType

    from obscura_backup.domain.blob import Blob
    from obscura_backup.domain.model import ByteRange, Draft, Revision, Tag, UserId
    from obscura_backup.domain.ports import BackupMetadataStore, BlobStore, Clock, LockedSlot, OpenBlob

_KIB = 1024

_SECONDS = Histogram(
    "obscura_backup_store_seconds",
    "Seconds that a call to a store took. A GET ends when its first bytes are there.",
    ("store", "call"),
    registry=REGISTRY,
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
_ERRORS = Counter(
    "obscura_backup_store_errors",
    "Calls to a store that failed, by error code.",
    ("store", "call", "code"),
    registry=REGISTRY,
)
_LOCKED_SLOTS = Gauge(
    "obscura_backup_locked_slots",
    "Uploads and deletions that hold the lock of their slot; on PostgreSQL, each has a connection.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
_BYTES = Histogram(
    "obscura_backup_blob_bytes",
    "Bytes per blob that was stored, and per blob or part that was opened for a download.",
    ("direction",),
    registry=REGISTRY,
    buckets=tuple(_KIB * 4**power for power in range(9)),
)
_EVENTS = Counter(
    "obscura_backup_events", "Retries that were recognised, and rows that were repaired.", ("event",), registry=REGISTRY
)


def observed_service(metadata: BackupMetadataStore, blobs: BlobStore, clock: Clock) -> BackupService:
    """A service whose events and calls to its stores are in the metrics."""
    counters = {event: _EVENTS.labels(event.value) for event in Event}
    return BackupService(
        ObservedMetadataStore(metadata), ObservedBlobStore(blobs), clock, notify=lambda event: counters[event].inc()
    )


class StoreCalls:
    """Times the calls to one store, and counts their failures.

    Attributes:
        span: opens a span of a trace for a call, by the names of store and call; None: there are no traces.
    """

    span: ClassVar[Callable[[str, str], AbstractContextManager[None]] | None] = None

    def __init__(self, store: str, *names: str) -> None:
        self._store = store
        self._seconds = {name: _SECONDS.labels(store, name) for name in names}

    def timed(self, name: str) -> AbstractContextManager[None]:
        """Time one call of this name."""
        call = _TimedCall(self._store, name, self._seconds[name])
        return call if StoreCalls.span is None else _traced(call, StoreCalls.span(self._store, name))


@contextmanager
def _traced(call: AbstractContextManager[None], span: AbstractContextManager[None]) -> Iterator[None]:
    with span, call:
        yield


class _TimedCall:
    """One call, inside. A class, since a generator costs twice as much."""

    __slots__ = ("_began", "_name", "_seconds", "_store")

    def __init__(self, store: str, name: str, seconds: Histogram) -> None:
        self._store = store
        self._name = name
        self._seconds = seconds
        self._began = perf_counter()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, Unavailable):
            _ERRORS.labels(self._store, self._name, error.code).inc()
            error.failed_call = f"{self._store} {self._name}"
        self._seconds.observe(perf_counter() - self._began)


_METADATA = StoreCalls("metadata", "lock", "save", "get")
_BLOBS = StoreCalls("blobs", "put", "get", "head")


class ObservedMetadataStore:
    """See `BackupMetadataStore`."""

    def __init__(self, store: BackupMetadataStore) -> None:
        self._store = store
        self.start = store.start
        self.close = store.close
        self.scan = store.scan
        self.check = store.check

    def locked(self, user_id: UserId) -> AbstractAsyncContextManager[LockedSlot]:
        """See `BackupMetadataStore.locked`."""
        return _ObservedLock(self._store.locked(user_id))

    async def get(self, user_id: UserId) -> Revision | None:
        """See `BackupMetadataStore.get`."""
        with _METADATA.timed("get"):
            return await self._store.get(user_id)


class _ObservedLock:
    def __init__(self, lock: AbstractAsyncContextManager[LockedSlot]) -> None:
        self._lock = lock

    async def __aenter__(self) -> LockedSlot:
        with _METADATA.timed("lock"):
            slot = await self._lock.__aenter__()
        _LOCKED_SLOTS.inc()
        return _ObservedSlot(slot)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        _LOCKED_SLOTS.dec()
        return await self._lock.__aexit__(kind, error, traceback)


class _ObservedSlot:
    def __init__(self, slot: LockedSlot) -> None:
        self._slot = slot

    @property
    def record(self) -> Revision | None:
        return self._slot.record

    async def save(self, revision: Revision) -> None:
        with _METADATA.timed("save"):
            await self._slot.save(revision)


class ObservedBlobStore:
    """See `BlobStore`."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self.start = store.start
        self.close = store.close
        self.scan = store.scan
        self.check = store.check
        self._stored_bytes = _BYTES.labels("stored")
        self._read_bytes = _BYTES.labels("read")

    async def put(self, user_id: UserId, blob: Blob, draft: Draft, *, replaces: Tag | None) -> Revision:
        """See `BlobStore.put`."""
        with _BLOBS.timed("put"):
            stored = await self._store.put(user_id, blob, draft, replaces=replaces)
        if stored.is_live:
            self._stored_bytes.observe(stored.size)
        return stored

    async def open(self, user_id: UserId, byte_range: ByteRange | None = None) -> OpenBlob | None:
        """See `BlobStore.open`."""
        with _BLOBS.timed("get"):
            opened = await self._store.open(user_id, byte_range)
        if opened is not None and opened.revision.is_live:
            self._read_bytes.observe(opened.length)
        return opened

    async def stat(self, user_id: UserId) -> Revision | None:
        """See `BlobStore.stat`."""
        with _BLOBS.timed("head"):
            return await self._store.stat(user_id)
