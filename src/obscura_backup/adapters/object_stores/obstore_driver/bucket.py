"""One bucket by obstore: one request per call, with the errors of the domain.

For S3, obstore hashes the body as it sends it, for the checksum header, and takes no hash from outside. So the store
compares the bytes that it got with those that were sent. For the other kinds of stores it sends no checksum. `body`
compares spooled bytes with those that arrived.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import obstore

from obscura_backup.adapters.object_stores.errors import TransientFailure, failure_of_put, failure_of_read
from obscura_backup.adapters.object_stores.metadata import metadata_of, revision_of
from obscura_backup.adapters.object_stores.obstore_driver.body import Bodies
from obscura_backup.adapters.object_stores.obstore_driver.download import ObstoreDownload
from obscura_backup.adapters.object_stores.obstore_driver.errors import DRIVER_ERRORS, failed_request, object_size_in
from obscura_backup.adapters.object_stores.obstore_driver.listing import Listing
from obscura_backup.adapters.object_stores.stored_object import (
    CONTENT_TYPE,
    SUFFIX_BYTES,
    blob_size,
    part_within,
    suffix_of,
)
from obscura_backup.domain.errors import BlobStoreUnavailable, OutcomeUnknown, RangeNotSatisfiable
from obscura_backup.domain.model import ByteRange, Draft, Revision, Tag

if TYPE_CHECKING:
    from obstore import Attributes, GetOptions, GetResult
    from obstore.store import ObjectStore

    from obscura_backup.adapters.object_stores.failed_request import FailedRequest
    from obscura_backup.adapters.object_stores.obstore_driver.backend import Backend
    from obscura_backup.domain.blob import Blob

BODY_BYTES_PER_TIMEOUT = 16 * 1024 * 1024
"""An upload gets the time-out of a read once more for each such part of it. obstore does not tell how far it is."""
ABSENT_KEY = "probes/absent"

_NOT_FOUND = 404
_PRECONDITION_FAILED = 412
_RANGE_NOT_SATISFIABLE = 416


class ObstoreBucket:
    """The bucket.

    Args:
        backend: what is special about its kind of store.
        connect_timeout_seconds: for making a connection.
        read_timeout_seconds: how long the store may be silent.
    """

    def __init__(self, backend: Backend, *, connect_timeout_seconds: float, read_timeout_seconds: float) -> None:
        self.name = backend.bucket
        self.advice = backend.advice
        self._backend = backend
        self._connect_timeout_seconds = connect_timeout_seconds
        self._read_timeout_seconds = read_timeout_seconds
        self._bodies = Bodies()
        self._made_store: ObjectStore | None = None
        self._made_put_store: ObjectStore | None = None

    def connect(self) -> None:
        """Find credentials and make the client; sends no request to the store, and may block.

        Raises:
            StoreUnusable: there are no credentials, or the configuration is invalid.
        """
        make = partial(self._backend.make_store, connect_timeout_seconds=self._connect_timeout_seconds)
        self._made_store = make(read_timeout_seconds=self._read_timeout_seconds)
        # A read time-out would also run while a body is being sent.
        self._made_put_store = make(read_timeout_seconds=None)

    def close(self) -> None:
        """Close the connections; safe to call more than once."""
        self._made_store = self._made_put_store = None

    async def put(
        self, key: str, blob: Blob, draft: Draft, replaces: Tag | None, *, is_conditional: bool = True
    ) -> Revision:
        """One PUT, with a condition or without.

        Raises:
            PutRefused, OutcomeUnknown, BlobStoreUnavailable: as `BlobStore.put`.
        """
        attributes: Attributes = {**self._backend.stored_metadata(metadata_of(draft)), "Content-Type": CONTENT_TYPE}
        seconds = self._read_timeout_seconds * (1 + draft.size / BODY_BYTES_PER_TIMEOUT)
        mode = self._backend.condition_on(replaces) if is_conditional else "overwrite"
        store = _started(self._made_put_store)
        try:
            async with self._bodies.buffers_of(blob, suffix_of(draft.upload_id)) as buffers, asyncio.timeout(seconds):
                answer = await obstore.put_async(
                    store, key, buffers, attributes=attributes, mode=mode, use_multipart=False
                )
        except DRIVER_ERRORS as error:
            failed = failed_request(error, "PutObject")
            raise failure_of_put(failed, self.advice) from failed
        try:
            return Revision.of(draft, self._backend.tag_of(answer))
        except BlobStoreUnavailable as error:
            raise OutcomeUnknown("The blob store accepted an upload without naming its tag.") from error

    async def get(self, key: str, byte_range: ByteRange | None = None) -> ObstoreDownload | None:
        """One GET: the object's revision and its first bytes; None if there is no object.

        Raises:
            RangeNotSatisfiable: `byte_range` lies outside of the blob.
            BackupDamaged: the object is damaged, or this service did not write it.
            BlobStoreUnavailable: the store does not answer.
        """
        options: GetOptions = {}
        if byte_range is not None:
            if byte_range.first is None and not self._backend.has_suffix_ranges:
                return await self._get_end(key, byte_range.last or 0)
            options = {"range": _range_option(byte_range)}
        return await self._get(key, options)

    async def _get_end(self, key: str, length: int) -> ObstoreDownload | None:
        """The last bytes of a blob, in two requests: a HEAD for its size, and a GET on the condition of its tag."""
        revision = await self.head(key)
        if revision is None:
            return None
        return await self._get(
            key, {"range": {"offset": max(0, revision.size - length)}, "if_match": f'"{revision.tag}"'}
        )

    async def _get(self, key: str, options: GetOptions) -> ObstoreDownload | None:
        try:
            result = await obstore.get_async(self._store, key, options=options)
        except DRIVER_ERRORS as error:
            failed = failed_request(error, "GetObject")
            if self._is_absent(failed):
                return None
            if failed.status == _PRECONDITION_FAILED:
                raise TransientFailure("The object was replaced while its end was read.") from failed
            if failed.status == _RANGE_NOT_SATISFIABLE:
                size = object_size_in(error)
                if size is None:  # MinIO does not always say how long the object is
                    found = await self._head(key)
                    if found is None:
                        return None
                    size = found.meta["size"]
                raise RangeNotSatisfiable(size=blob_size(size)) from failed
            self._fail(failed)
        first, end = result.range
        part = part_within(first, end, result.meta["size"])
        revision = self._revision(result, part.size)
        if "range" in options and not part.length:  # only bytes of the suffix
            raise RangeNotSatisfiable(size=part.size)
        download = ObstoreDownload(result, revision, part, suffix_of(revision.upload_id)[: part.of_suffix])
        await download.begin()
        return download

    async def head(self, key: str) -> Revision | None:
        """One HEAD: the object's revision; None if there is no object. One more request after a 404, as in `S3Bucket`.

        Raises:
            BackupDamaged: the object is damaged, or this service did not write it.
            BlobStoreUnavailable: the store does not answer.
        """
        result = await self._head(key)
        if result is not None:
            return self._revision(result, blob_size(result.meta["size"]))
        download = await self.get(key, ByteRange(0, 0))
        if download is None:
            return None
        await download.aclose()
        return download.revision

    async def delete(self, key: str) -> None:
        """Remove a scratch object. A user's slot is never removed (a deletion is a tombstone).

        Raises:
            BlobStoreUnavailable: it was not, or is not known to have been.
        """
        try:
            await obstore.delete_async(self._store, key)
        except DRIVER_ERRORS as error:
            self._fail(failed_request(error, "DeleteObject"))

    async def ping(self) -> None:
        """Ask for an object that does not exist, which the store can only answer if it has the bucket.

        Raises:
            BlobStoreUnavailable: the store does not answer, or has no such bucket, or refuses.
        """
        try:
            await obstore.get_async(self._store, ABSENT_KEY)
        except DRIVER_ERRORS as error:
            failed = failed_request(error, "GetObject")
            if not self._is_absent(failed):
                self._fail(failed)

    async def _head(self, key: str) -> GetResult | None:
        try:
            return await obstore.get_async(self._store, key, options={"head": True})
        except DRIVER_ERRORS as error:
            failed = failed_request(error, "HeadObject")
            if failed.status == _NOT_FOUND:
                return None
            self._fail(failed)

    @property
    def _store(self) -> ObjectStore:
        return _started(self._made_store)

    def listing(self, prefix: str, after: str, *, page_keys: int) -> Listing:
        """The keys under `prefix` behind `after`."""
        return Listing(self._store, prefix, after, page_keys=page_keys, advice=self.advice)

    def _revision(self, result: GetResult, size: int) -> Revision:
        # hyper takes a head that was cut off for no answer, so that a check value may be missing.
        return revision_of(
            self._backend.our_metadata(result.attributes),
            tag=self._backend.tag_of(result.meta),
            size=size,
            is_whole=True,
        )

    def _is_absent(self, failed: FailedRequest) -> bool:
        return failed.status == _NOT_FOUND and failed.code == self._backend.absent_code

    def _fail(self, failed: FailedRequest) -> NoReturn:
        raise failure_of_read(failed, self.advice) from failed


def _started(store: ObjectStore | None) -> ObjectStore:
    if store is None:
        raise BlobStoreUnavailable("The blob store was not started.")
    return store


def _range_option(byte_range: ByteRange) -> Any:
    """The range of the object that covers `byte_range`, a range of the blob; see `stored_object.range_header`."""
    if byte_range.first is None:
        return {"suffix": (byte_range.last or 0) + SUFFIX_BYTES}
    return {"offset": byte_range.first} if byte_range.last is None else (byte_range.first, byte_range.last + 1)
