"""Blobs as objects of one S3 bucket: AWS, MinIO or any store that honours conditional writes.

backups/<user id>     one object per slot: the blob's bytes and the 16 of its upload id, with the draft as metadata
probes/<random>       scratch objects of `probe`, deleted at its end
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from obscura_backup.adapters.circuit_breaker import CircuitBreaker, State
from obscura_backup.adapters.s3.bounded_executor import BoundedExecutor
from obscura_backup.adapters.s3.bucket import S3Bucket
from obscura_backup.adapters.s3.errors import Misconfigured, TransientFailure, got_no_response
from obscura_backup.adapters.s3.location import S3Location
from obscura_backup.adapters.s3.probe import ProbeReport, probe, require_usable
from obscura_backup.domain.errors import BlobStoreUnavailable, ObscuraError, StoreUnusable, Unavailable
from obscura_backup.domain.model import ByteRange, Draft, Revision, Tag, UserId, slot_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from obscura_backup.adapters.s3.download import Download
    from obscura_backup.domain.blob import Blob

R = TypeVar("R")

THREADS = 4
"""Signing and header parsing hold the interpreter's lock: more threads cost more CPU and make no upload faster."""
READ_THREADS = 4
"""Separate from uploads, which wait for the store's disks, so that downloads do not wait for them, too."""
WAITING_MAX = 256
WAIT_SECONDS = 3.0
CONNECT_TIMEOUT_SECONDS = 2.0
READ_TIMEOUT_SECONDS = 10.0
PING_TIMEOUT_SECONDS = 2.0
START_SECONDS = 2.5
FAILED_CALLS = 2
"""In a row, without a response, are an outage. One alone may be a connection that broke."""
RETRY_AFTER_SECONDS = (0.05, 0.25)
PREFIX = "backups/"
PAGE_KEYS = 1000

_log = logging.getLogger(__name__)


class S3BlobStore:
    """Objects in a bucket, which `obscura-backup init-bucket` makes. Credentials are found as by AWS's own tools.

    Args:
        bucket: its name.
        endpoint: of a store other than AWS, such as `https://minio.example:9000`.
        region: None: from AWS's configuration, or `us-east-1`.
        checksums: whether to send SHA-256 checksums for the store to verify.
        addressing: `path`, `virtual` or `auto`; see `S3Location`.
        allow_unconditional: accept a store that ignores conditional writes. Then only one process may ever write to the
            bucket, and an upload that the network delayed can overwrite a newer one.
        threads: concurrent uploads.
        read_threads: other concurrent requests of users. One more thread tests the store.
        waiting_max: requests that may wait for a thread of either kind; the next one fails at once.
        wait_seconds: how long a request may wait for a thread.
        connect_timeout_seconds: for making a connection.
        read_timeout_seconds: how long the store may be silent.
        ping_timeout_seconds: both time-outs of requests that only test whether the store answers.
        start_seconds: how long `start` tests the store; a slower one is tested when it is first needed.
    """

    def __init__(
        self,
        bucket: str,
        *,
        endpoint: str | None = None,
        region: str | None = None,
        checksums: bool = True,
        addressing: str = "auto",
        allow_unconditional: bool = False,
        threads: int = THREADS,
        read_threads: int = READ_THREADS,
        waiting_max: int = WAITING_MAX,
        wait_seconds: float = WAIT_SECONDS,
        connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
        read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
        ping_timeout_seconds: float = PING_TIMEOUT_SECONDS,
        start_seconds: float = START_SECONDS,
    ) -> None:
        location = S3Location(bucket, endpoint, region, checksums, addressing)
        self._bucket = S3Bucket(
            location,
            connections=threads + read_threads + 1,
            connect_timeout_seconds=connect_timeout_seconds,
            read_timeout_seconds=read_timeout_seconds,
        )
        self._probe_client = S3Bucket(
            location,
            connections=1,
            connect_timeout_seconds=min(connect_timeout_seconds, ping_timeout_seconds),
            read_timeout_seconds=min(read_timeout_seconds, ping_timeout_seconds),
        )
        self._allow_unconditional = allow_unconditional
        self._start_seconds = start_seconds
        bounds = partial(BoundedExecutor, waiting_max=waiting_max, wait_seconds=wait_seconds)
        self._writes = bounds(threads, name="blobs-write")
        self._reads = bounds(read_threads, name="blobs-read")
        self._control_threads = bounds(1, name="blobs-ask")
        self._breaker = CircuitBreaker("blob store", threshold=FAILED_CALLS, test_seconds=2 * ping_timeout_seconds)
        self._verified = False
        self._verification = asyncio.Lock()

    async def start(self) -> None:
        """See `BlobStore.start`. The store may be down: uploads wait until it was probed."""
        await self._control_threads.run(self._bucket.connect)
        await self._control_threads.run(self._probe_client.connect)
        try:
            async with asyncio.timeout(self._start_seconds):
                await self._verify()
        except Misconfigured as error:
            raise StoreUnusable(str(error)) from error
        except TimeoutError:
            _log.warning("the blob store is slow: uploads are refused until it has been tested")
        except Unavailable as error:
            _log.warning("the blob store is not available: uploads are refused until it has been tested: %s", error)

    async def close(self) -> None:
        """See `BlobStore.close`."""
        for threads in (self._writes, self._reads, self._control_threads):
            await asyncio.to_thread(threads.close)
        self._bucket.close()
        self._probe_client.close()

    async def put(self, user_id: UserId, blob: Blob, draft: Draft, *, replaces: Tag | None) -> Revision:
        """See `BlobStore.put`."""
        await self._require_verified()
        with _public_errors():
            return await self._call(
                self._writes, partial(self._bucket.put, slot_key(user_id), blob, draft, replaces=replaces)
            )

    async def open(self, user_id: UserId, byte_range: ByteRange | None = None) -> _S3Blob | None:
        """See `BlobStore.open`."""
        download = await self._read(partial(self._bucket.get, slot_key(user_id), byte_range), discard=_discard)
        return None if download is None else _S3Blob(download, self._reads)

    async def stat(self, user_id: UserId) -> Revision | None:
        """See `BlobStore.stat`."""
        return await self._read(partial(self._bucket.head, slot_key(user_id)))

    async def scan(self, after: UserId | None = None) -> AsyncIterator[UserId]:
        """See `BlobStore.scan`. Memory: one page of 1000 keys."""
        last_key = slot_key(after) if after else ""
        warned = False
        while True:
            page = await self._read(partial(self._bucket.keys, PREFIX, after=last_key, limit=PAGE_KEYS))
            if not page:
                return
            for key in page:
                user_id = _user_id_of(key)
                if user_id is not None:
                    yield user_id
                elif not warned:
                    warned = True
                    _log.warning("the bucket contains keys under %s that are not ours; they are skipped", PREFIX)
            last_key = page[-1]

    async def check(self) -> None:
        """See `BlobStore.check`."""
        if self._verified:
            with _public_errors():
                await self.clock_skew_seconds()
        else:
            await self._require_verified()

    async def probe_conditional_writes(self) -> ProbeReport:
        """Test on scratch objects how the store handles conditions, metadata and checksums.

        Raises:
            BlobStoreUnavailable: the store does not answer, or refuses these credentials.
            OutcomeUnknown: the same, during an upload.
        """
        return await self._call(self._control_threads, partial(probe, self._bucket))

    async def clock_skew_seconds(self) -> float:
        """How far the store's clock is ahead, exact to a second; S3 refuses requests from 15 minutes on.

        Raises:
            BlobStoreUnavailable: the store does not answer.
        """
        return await self._call(self._control_threads, self._probe_client.clock_skew_seconds)

    async def server_name(self) -> str:
        """The store's name for itself.

        Raises:
            BlobStoreUnavailable: the store does not answer.
        """
        return await self._call(self._control_threads, self._probe_client.server_name)

    async def _require_verified(self) -> None:
        if self._verified:
            return
        if self._verification.locked():  # a request does not wait for a test
            raise BlobStoreUnavailable("The blob store is being tested.")
        try:
            with _public_errors():
                await self._verify()
        except StoreUnusable as error:
            raise BlobStoreUnavailable("The blob store cannot be used as configured.") from error
        except BlobStoreUnavailable:
            raise
        except Unavailable as error:  # of the probe; nothing was sent of the caller's upload
            raise BlobStoreUnavailable(str(error)) from error

    async def _verify(self) -> None:
        async with self._verification:
            await self.clock_skew_seconds()  # the cheapest test whether the bucket exists
            require_usable(
                await self.probe_conditional_writes(), self._bucket.name, allow_unconditional=self._allow_unconditional
            )
            self._verified = True

    async def _read(self, work: Callable[[], R], *, discard: Callable[[R], None] | None = None) -> R:
        with _public_errors():
            for seconds in RETRY_AFTER_SECONDS:
                try:
                    return await self._call(self._reads, work, discard=discard, is_last_try=False)
                except TransientFailure:
                    await asyncio.sleep(seconds)
            return await self._call(self._reads, work, discard=discard)

    async def _call(
        self,
        threads: BoundedExecutor,
        work: Callable[[], R],
        *,
        discard: Callable[[R], None] | None = None,
        is_last_try: bool = True,
    ) -> R:
        """Run `work` in a thread if the circuit breaker is closed. In an outage the caller may test the store first."""
        if self._breaker.try_half_open():
            with suppress(BlobStoreUnavailable):  # the result is in the circuit breaker
                await self._control_threads.run(partial(self._recorded, self._probe_client.clock_skew_seconds))

        def run_if_available() -> R:
            self._require_closed_breaker()  # an outage may have begun while the call waited for its thread
            return self._recorded(work, is_last_try=is_last_try)

        self._require_closed_breaker()
        return await threads.run(run_if_available, discard=discard)

    def _require_closed_breaker(self) -> None:
        if self._breaker.state is not State.CLOSED:
            raise BlobStoreUnavailable

    def _recorded(self, work: Callable[[], R], *, is_last_try: bool = True) -> R:
        """Run `work` and record whether the store answered. Only the last try records a failure."""
        try:
            result = work()
        except ObscuraError as error:
            if not got_no_response(error):
                self._breaker.record_success()
            elif is_last_try or not isinstance(error, TransientFailure):
                self._breaker.record_failure(error)
            raise
        self._breaker.record_success()
        return result


@contextmanager
def _public_errors() -> Iterator[None]:
    """Replace messages for operators by those for users; the log names the cause."""
    try:
        yield
    except Misconfigured as error:
        raise BlobStoreUnavailable(error.public_message) from error


class _S3Blob:
    def __init__(self, download: Download, threads: BoundedExecutor) -> None:
        self._download = download
        self._threads = threads
        self.revision = download.revision
        self.start = download.start
        self.length = download.length

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._download.first_chunk
        while not self._download.is_complete:
            yield await self._threads.run_unbounded(self._download.read)

    async def aclose(self) -> None:
        if self._download.is_complete:
            self._download.close()
            return
        try:
            await self._threads.run_unbounded(self._download.close)
        except BlobStoreUnavailable:  # the store and its threads were closed meanwhile
            self._download.close()


def _discard(download: Download | None) -> None:
    if download is not None:
        download.close()


def _user_id_of(key: str) -> UserId | None:
    name = key.removeprefix(PREFIX)
    try:
        user_id = UUID(name)
    except ValueError:
        return None
    return UserId(user_id) if str(user_id) == name else None
