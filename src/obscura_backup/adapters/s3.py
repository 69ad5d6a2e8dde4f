"""Blobs as objects of one S3 bucket, on AWS, MinIO or any store that honours conditional writes.

    backups/<user id>     one object a slot: the blob's bytes and nothing else, the draft as its metadata
    probes/<random>       scratch objects of `s3_probe`, gone a moment later

The files beside this one: `s3_bucket` asks the store, blocking; `s3_errors` translates what can go wrong; `s3_reading`
is a download under way; `s3_metadata` and `s3_location` read and write what they are called after.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from obscura_backup.adapters.bounded_threads import BoundedThreads
from obscura_backup.adapters.s3_bucket import S3Bucket
from obscura_backup.adapters.s3_errors import Misconfigured, PassingFailure
from obscura_backup.adapters.s3_location import S3Location
from obscura_backup.adapters.s3_probe import ProbeReport, Weight, probe
from obscura_backup.domain.errors import BlobStoreUnavailable, StoreUnusable, Unavailable
from obscura_backup.domain.model import ByteRange, Draft, Revision, Tag, UserId, slot_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from obscura_backup.adapters.s3_reading import Reading
    from obscura_backup.domain.spool import Spool

R = TypeVar("R")

THREADS = 4
"""Signing and header parsing hold the interpreter's lock: with more threads each upload costs more CPU, and none comes
sooner."""
WAITING_MAX = 256
CONNECT_TIMEOUT_SECONDS = 2.0
READ_TIMEOUT_SECONDS = 10.0
RETRY_AFTER_SECONDS = (0.05, 0.25)
PREFIX = "backups/"
PAGE_KEYS = 1000

_log = logging.getLogger(__name__)


class S3BlobStore:
    """Objects in a bucket, which `obscura-backup init-bucket` makes. Credentials come as AWS's own tools take them.

    Args:
        bucket: its name.
        endpoint: of a store other than AWS, such as `https://minio.example:9000`.
        region: None: as AWS's own configuration says, or `us-east-1`.
        checksums: whether to send SHA-256 checksums for the store to check.
        allow_unconditional: run on a store that ignores conditional writes all the same. Then only one process may
            ever write to the bucket, and an upload that the network delayed can overwrite a newer one.
        threads: requests under way at once.
        waiting_max: requests that may wait for a thread; the next one is told that the store is unavailable.
        connect_timeout_seconds: for a connection to be made.
        read_timeout_seconds: that the store may be silent for.
    """

    def __init__(
        self,
        bucket: str,
        *,
        endpoint: str | None = None,
        region: str | None = None,
        checksums: bool = True,
        allow_unconditional: bool = False,
        threads: int = THREADS,
        waiting_max: int = WAITING_MAX,
        connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
        read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
    ) -> None:
        self._bucket = S3Bucket(
            S3Location(bucket, endpoint=endpoint, region=region, checksums=checksums),
            connections=threads,
            connect_timeout_seconds=connect_timeout_seconds,
            read_timeout_seconds=read_timeout_seconds,
        )
        self._allow_unconditional = allow_unconditional
        self._threads = BoundedThreads(
            threads, waiting_max=waiting_max, wait_seconds=connect_timeout_seconds + read_timeout_seconds
        )
        self._proved = False
        self._proving = asyncio.Lock()

    async def start(self) -> None:
        """See `BlobStore.start`. A store that is down is no reason not to start: uploads wait until it was probed."""
        await self._threads.run(self._bucket.connect)
        try:
            await self._prove()
        except Misconfigured as error:
            raise StoreUnusable(str(error)) from error
        except Unavailable as error:
            _log.warning("the blob store cannot be asked yet, so there are no uploads yet: %s", error)

    async def close(self) -> None:
        """See `BlobStore.close`."""
        await asyncio.to_thread(self._threads.close)
        self._bucket.close()

    async def put(self, user_id: UserId, blob: Spool, draft: Draft, *, replaces: Tag | None) -> Revision:
        """See `BlobStore.put`."""
        await self._require_proved()
        return await self._threads.run(
            partial(self._bucket.put, slot_key(user_id), blob.file, draft, replaces=replaces),
        )

    async def open(self, user_id: UserId, wanted: ByteRange | None = None) -> _S3Blob | None:
        """See `BlobStore.open`."""
        reading = await self._read(partial(self._bucket.get, slot_key(user_id), wanted), unwanted=_let_go)
        return None if reading is None else _S3Blob(reading, self._threads)

    async def stat(self, user_id: UserId) -> Revision | None:
        """See `BlobStore.stat`."""
        return await self._read(partial(self._bucket.head, slot_key(user_id)))

    async def scan(self, after: UserId | None = None) -> AsyncIterator[UserId]:
        """See `BlobStore.scan`. Memory: one page of 1000 keys."""
        behind = slot_key(after) if after else ""
        warned = False
        while True:
            page = await self._read(partial(self._bucket.keys, PREFIX, after=behind, most=PAGE_KEYS))
            if not page:
                return
            for key in page:
                user_id = _user_of(key)
                if user_id is not None:
                    yield user_id
                elif not warned:
                    warned = True
                    _log.warning("the bucket holds keys under %s that are not ours; they are skipped", PREFIX)
            behind = page[-1]

    async def check(self) -> None:
        """See `BlobStore.check`."""
        if self._proved:
            await self._threads.run(self._bucket.clock_skew_seconds)
        else:
            await self._require_proved()

    async def probe_conditional_writes(self) -> ProbeReport:
        """Try out on scratch objects what the store does with conditions, metadata and checksums.

        Raises:
            BlobStoreUnavailable: the store does not answer, or refuses these credentials.
            OutcomeUnknown: the same, in the middle of an upload.
        """
        return await self._threads.run(partial(probe, self._bucket))

    async def clock_skew_seconds(self) -> float:
        """How far the store's clock is ahead of this machine's, to a second; S3 refuses requests from 15 minutes on.

        Raises:
            BlobStoreUnavailable: the store does not answer.
        """
        return await self._threads.run(self._bucket.clock_skew_seconds)

    async def server_name(self) -> str:
        """What the store calls itself.

        Raises:
            BlobStoreUnavailable: the store does not answer.
        """
        return await self._threads.run(self._bucket.server_name)

    async def _require_proved(self) -> None:
        if self._proved:
            return
        if self._proving.locked():  # whoever asks is not kept waiting while a store that was down is being tried out
            raise BlobStoreUnavailable("The blob store is being tried out.")
        try:
            await self._prove()
        except StoreUnusable as error:
            raise BlobStoreUnavailable(str(error)) from error
        except BlobStoreUnavailable:
            raise
        except Unavailable as error:  # an unknown outcome, of the probe; of the caller's upload nothing was sent
            raise BlobStoreUnavailable(str(error)) from error

    async def _prove(self) -> None:
        async with self._proving:
            await self._threads.run(self._bucket.clock_skew_seconds)  # the cheapest question: is there such a bucket?
            _judge(await self.probe_conditional_writes(), self._bucket.name, waived=self._allow_unconditional)
            self._proved = True

    async def _read(self, work: Callable[[], R], *, unwanted: Callable[[R], None] | None = None) -> R:
        for seconds in RETRY_AFTER_SECONDS:
            try:
                return await self._threads.run(work, unwanted=unwanted)
            except PassingFailure:
                await asyncio.sleep(seconds)
        return await self._threads.run(work, unwanted=unwanted)


class _S3Blob:
    def __init__(self, reading: Reading, threads: BoundedThreads) -> None:
        self._reading = reading
        self._threads = threads
        self.revision = reading.revision
        self.start = reading.start
        self.length = reading.length

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._reading.first
        while not self._reading.is_over:
            yield await self._threads.resume(self._reading.read)

    async def aclose(self) -> None:
        if self._reading.is_over:
            self._reading.finish()
            return
        try:
            await self._threads.resume(self._reading.finish)
        except BlobStoreUnavailable:  # the store was closed meanwhile, and its threads with it
            self._reading.finish()


def _let_go(reading: Reading | None) -> None:
    if reading is not None:
        reading.finish()


def _user_of(key: str) -> UserId | None:
    name = key.removeprefix(PREFIX)
    try:
        user_id = UUID(name)
    except ValueError:
        return None
    return UserId(user_id) if str(user_id) == name else None


def _judge(report: ProbeReport, bucket: str, *, waived: bool) -> None:
    """Decide on the store.

    Raises:
        StoreUnusable: it lacks something that cannot be done without.
    """
    for verdict in report.missing(Weight.REQUIRED):
        raise StoreUnusable(f"The blob store fails where it {verdict.name}: {verdict.detail}")
    ignored = ", ".join(f"it never {verdict.name}" for verdict in report.missing(Weight.CONDITION))
    if not ignored:
        return
    if not waived:
        raise StoreUnusable(
            f"The blob store does not honour conditional writes ({ignored}), so that a late upload could overwrite a "
            f"newer backup. Use another store; or, with one single process and at your own risk, set "
            f"OBSCURA_BACKUP_ALLOW_UNCONDITIONAL_BLOBS={bucket}."
        )
    _log.warning("the blob store does not honour conditional writes, as allowed: %s", ignored)
