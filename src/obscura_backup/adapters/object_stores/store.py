"""Blobs as objects of one bucket, in any store that honours conditional writes.

backups/<user id>     one object per slot: the blob's bytes and the 16 of its upload id, with the draft as metadata
probes/<random>       scratch objects of `probe`, deleted at its end

This is what all implementations share: the store is probed before the first upload, a circuit breaker ends calls to
a store that does not answer, and reads are repeated.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from obscura_backup.adapters.circuit_breaker import CircuitBreaker, State
from obscura_backup.adapters.object_stores.errors import PUBLIC_ERRORS, Misconfigured, TransientFailure, got_no_response
from obscura_backup.adapters.object_stores.probe_report import ProbeReport, require_usable
from obscura_backup.adapters.object_stores.verification import Verification
from obscura_backup.domain.errors import BlobStoreUnavailable, ObscuraError, StoreUnusable, Unavailable
from obscura_backup.domain.model import ByteRange, Draft, Revision, Tag, UserId, slot_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from types import TracebackType

    from obscura_backup.domain.blob import Blob
    from obscura_backup.domain.ports import OpenBlob

R = TypeVar("R")

WAITING_MAX = 256
WAIT_SECONDS = 3.0
CONNECT_TIMEOUT_SECONDS = 2.0
READ_TIMEOUT_SECONDS = 10.0
PING_TIMEOUT_SECONDS = 2.0
START_SECONDS = 2.5
FAILED_CALLS = 2
"""This many calls in a row without a response are an outage. One alone may be a connection that broke."""
RETRY_AFTER_SECONDS = (0.05, 0.25)
PREFIX = "backups/"
PAGE_KEYS = 1000

_log = logging.getLogger(__name__)


class ObjectBlobStore(ABC):
    """Objects in a bucket.

    Args:
        bucket: its name.
        allow_unconditional: accept a store that ignores conditional writes. Then only one process may ever write to the
            bucket, and an upload that the network delayed can overwrite a newer one.
        max_writes: concurrent uploads; None: as many as suit the driver.
        max_reads: other concurrent requests of users; None: the same.
        waiting_max: requests that may wait for their turn, of either kind; the next one fails at once.
        wait_seconds: how long a request may wait for its turn.
        connect_timeout_seconds: for making a connection.
        read_timeout_seconds: how long the store may be silent.
        ping_timeout_seconds: both time-outs of requests that only test whether the store answers.
        start_seconds: how long `start` waits for the test of the store, which then goes on.
    """

    MAX_WRITES: int
    MAX_READS: int

    def __init__(
        self,
        bucket: str,
        *,
        allow_unconditional: bool = False,
        max_writes: int | None = None,
        max_reads: int | None = None,
        waiting_max: int = WAITING_MAX,
        wait_seconds: float = WAIT_SECONDS,
        connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
        read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
        ping_timeout_seconds: float = PING_TIMEOUT_SECONDS,
        start_seconds: float = START_SECONDS,
    ) -> None:
        self._bucket_name = bucket
        self._allow_unconditional = allow_unconditional
        self._max_writes = max_writes or self.MAX_WRITES
        self._max_reads = max_reads or self.MAX_READS
        self._waiting_max = waiting_max
        self._wait_seconds = wait_seconds
        self._connect_timeout_seconds = connect_timeout_seconds
        self._read_timeout_seconds = read_timeout_seconds
        self._ping_timeout_seconds = ping_timeout_seconds
        self._start_seconds = start_seconds
        self._breaker = CircuitBreaker("blob store", threshold=FAILED_CALLS, test_seconds=2 * ping_timeout_seconds)
        self._verified = False
        self._verification = Verification(self._verify)

    async def start(self) -> None:
        """See `BlobStore.start`. The store may be down: uploads wait until it was probed."""
        await self._connect()
        try:
            async with asyncio.timeout(self._start_seconds):
                await self._verification.start()
        except Misconfigured as error:
            raise StoreUnusable(str(error)) from error
        except TimeoutError:
            _log.warning("the blob store is slow: uploads are refused until it has been tested")
        except Unavailable as error:
            _log.warning("the blob store is not available: uploads are refused until it has been tested: %s", error)

    async def close(self) -> None:
        """See `BlobStore.close`."""
        await self._verification.close()

    async def put(self, user_id: UserId, blob: Blob, draft: Draft, *, replaces: Tag | None) -> Revision:
        """See `BlobStore.put`."""
        await self._require_verified()
        with PUBLIC_ERRORS:
            return await self._put(slot_key(user_id), blob, draft, replaces)

    async def open(self, user_id: UserId, byte_range: ByteRange | None = None) -> OpenBlob | None:
        """See `BlobStore.open`."""
        key = slot_key(user_id)
        return await self._repeated(lambda is_last_try: self._get(key, byte_range, is_last_try=is_last_try))

    async def stat(self, user_id: UserId) -> Revision | None:
        """See `BlobStore.stat`."""
        key = slot_key(user_id)
        return await self._repeated(lambda is_last_try: self._head(key, is_last_try=is_last_try))

    async def scan(self, after: UserId | None = None) -> AsyncIterator[UserId]:
        """See `BlobStore.scan`. Memory: one page of 1000 keys."""
        warned = False
        async for page in self._pages(slot_key(after) if after else ""):
            for key in page:
                user_id = _user_id_of(key)
                if user_id is not None:
                    yield user_id
                elif not warned:
                    warned = True
                    _log.warning("the bucket contains keys under %s that are not ours; they are skipped", PREFIX)

    async def check(self) -> None:
        """See `BlobStore.check`. Waits for the end of a test that is under way, unlike an upload."""
        if self._verified:
            with PUBLIC_ERRORS:
                await self._ping()
        else:
            await self._require_verified(waits=True)

    @abstractmethod
    async def probe_conditional_writes(self) -> ProbeReport:
        """Test on scratch objects how the store handles conditions, metadata and checksums.

        Raises:
            BlobStoreUnavailable: the store does not answer, or refuses these credentials.
            OutcomeUnknown: the same, during an upload.
        """

    async def clock_skew_seconds(self) -> float | None:
        """How far the store's clock is ahead, exact to a second; None: the driver does not show it.

        Raises:
            BlobStoreUnavailable: the store does not answer.
        """
        return None

    async def server_name(self) -> str | None:
        """The store's name for itself; None: the driver does not show it.

        Raises:
            BlobStoreUnavailable: the store does not answer.
        """
        return None

    @abstractmethod
    async def _connect(self) -> None:
        """Find credentials and make the clients; sends no request."""

    @abstractmethod
    async def _put(self, key: str, blob: Blob, draft: Draft, replaces: Tag | None) -> Revision: ...

    @abstractmethod
    async def _get(self, key: str, byte_range: ByteRange | None, *, is_last_try: bool) -> OpenBlob | None: ...

    @abstractmethod
    async def _head(self, key: str, *, is_last_try: bool) -> Revision | None: ...

    @abstractmethod
    def _pages(self, after: str) -> AsyncIterator[list[str]]:
        """The keys under `PREFIX` behind `after`, in their order. Each page is asked for with `_repeated`."""

    @abstractmethod
    async def _ping(self) -> None:
        """The cheapest question: does the store answer, and is there such a bucket?"""

    @abstractmethod
    async def _test(self) -> None:
        """The same for the circuit breaker, which is half-open: whatever its state, and recorded there."""

    @abstractmethod
    async def _probe(self) -> ProbeReport:
        """What `_verify` asks of the store."""

    async def _require_verified(self, *, waits: bool = False) -> None:
        if self._verified:
            return
        if self._verification.is_running and not waits:
            raise BlobStoreUnavailable("The blob store is being tested.") from self._verification.error
        try:
            with PUBLIC_ERRORS:
                await self._verification.start()
        except StoreUnusable as error:
            raise BlobStoreUnavailable("The blob store cannot be used as configured.") from error
        except BlobStoreUnavailable:
            raise
        except Unavailable as error:  # of the probe; nothing was sent of the caller's upload
            raise BlobStoreUnavailable(str(error)) from error

    async def _verify(self) -> None:
        await self._ping()
        report = await self._probe()
        require_usable(report, self._bucket_name, allow_unconditional=self._allow_unconditional)
        self._verified = True

    async def _repeated(self, read: Callable[[bool], Awaitable[R]]) -> R:
        """The result of `read`, called again after a transient failure. It gets whether this is the last try."""
        with PUBLIC_ERRORS:
            for seconds in RETRY_AFTER_SECONDS:
                try:
                    return await read(False)  # noqa: FBT003  # its one parameter
                except TransientFailure:
                    await asyncio.sleep(seconds)
            return await read(True)  # noqa: FBT003  # as above

    async def _pass_breaker(self) -> None:
        """Return if the circuit breaker is closed. In an outage the caller may test the store first.

        Raises:
            BlobStoreUnavailable: it is open.
        """
        if self._breaker.try_half_open():
            with suppress(BlobStoreUnavailable):  # the result is in the circuit breaker
                await self._test()
        self._require_closed_breaker()

    def _require_closed_breaker(self) -> None:
        if self._breaker.state is not State.CLOSED:
            raise BlobStoreUnavailable

    def _recorded(self, *, is_last_try: bool = True) -> _Recording:
        """Record whether the store answered the request inside. Only the last try records a failure."""
        return _Recording(self._breaker, is_last_try=is_last_try)


class _Recording:
    """See `ObjectBlobStore._recorded`. A class, since a generator costs twice as much per request."""

    __slots__ = ("_breaker", "_is_last_try")

    def __init__(self, breaker: CircuitBreaker, *, is_last_try: bool) -> None:
        self._breaker = breaker
        self._is_last_try = is_last_try

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self._breaker.record_success()
        elif isinstance(error, ObscuraError):
            if not got_no_response(error):
                self._breaker.record_success()
            elif self._is_last_try or not isinstance(error, TransientFailure):
                self._breaker.record_failure(error)


async def pages_behind(after: str, fetch: Callable[[str], Awaitable[list[str]]]) -> AsyncIterator[list[str]]:
    """All pages of keys, where `fetch` gives the one behind a key; an empty page is the end."""
    while page := await fetch(after):
        yield page
        after = page[-1]


def _user_id_of(key: str) -> UserId | None:
    name = key.removeprefix(PREFIX)
    try:
        user_id = UUID(name)
    except ValueError:
        return None
    return UserId(user_id) if str(user_id) == name else None
