"""The interfaces of the adapters. Their docstrings are promises; contract suites check them on every adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from obscura_backup.domain.blob import Blob
    from obscura_backup.domain.model import ByteRange, Draft, Revision, Tag, UserId


class LockedSlot(Protocol):
    """The metadata row of one user, locked for this caller."""

    @property
    def record(self) -> Revision | None:
        """The row when the lock was taken; None if there is none."""

    async def save(self, revision: Revision) -> None:
        """Write `revision` to the row, durably, and release the lock. At most once per lock.

        When it returns, the row is committed at `revision.version` or above: a row never goes back, so a row with a
        higher version stays as it is. When it raises, the row is as before or as requested.

        Raises:
            MetadataUnavailable: the commit is not known to have happened.
        """


class BackupMetadataStore(Protocol):
    """The index of all slots, and a lock per slot. It may lag behind the blob store, but never leads."""

    async def start(self) -> None:
        """Get ready; called once, before any other method.

        Raises:
            StoreUnusable: it cannot be used as configured.
        """

    async def close(self) -> None:
        """Finish pending work and release all resources; safe to call more than once."""

    def locked(self, user_id: UserId) -> AbstractAsyncContextManager[LockedSlot]:
        """Hold the lock of the slot; leaving without `save` changes nothing.

        If there is a row, the lock excludes other callers for this user: in this process, and in all processes where
        the technology has row locks. The lock avoids contention; safety does not depend on it.

        Raises:
            SlotBusy: the lock was not available in time.
            MetadataUnavailable: the store does not answer.
        """

    async def get(self, user_id: UserId) -> Revision | None:
        """The last committed row, without waiting for a lock.

        Raises:
            MetadataUnavailable: the store does not answer.
        """

    def scan(self, after: UserId | None = None) -> AsyncIterator[tuple[UserId, Revision]]:
        """All rows after user `after`, sorted by the text of the user id, in bounded memory.

        Raises:
            MetadataUnavailable: the store does not answer.
        """

    async def check(self) -> None:
        """Return if the store can serve a request now.

        Raises:
            MetadataUnavailable: it cannot.
        """


class OpenBlob(Protocol):
    """An object being read: revision and bytes come from the same read of the store."""

    @property
    def revision(self) -> Revision:
        """The revision of the object."""

    @property
    def start(self) -> int:
        """Offset of the first byte of `chunks`."""

    @property
    def length(self) -> int:
        """The total number of bytes of `chunks`."""

    def chunks(self) -> AsyncIterator[bytes]:
        """The bytes, in pieces of bounded size; can be read once.

        Raises:
            BlobStoreUnavailable: the store broke off, or there are fewer bytes than `length`.
            BackupDamaged: the object is damaged; at least its last byte was not given.
        """

    async def aclose(self) -> None:
        """Release the object; always needed, and safe to call more than once."""


class BlobStore(Protocol):
    """One object per slot. Conditional writes replace its bytes and metadata in one atomic step."""

    async def start(self) -> None:
        """Get ready; called once, before any other method.

        Raises:
            StoreUnusable: it cannot be used as configured.
        """

    async def close(self) -> None:
        """Finish pending work and release all resources; safe to call more than once."""

    async def put(self, user_id: UserId, blob: Blob, draft: Draft, *, replaces: Tag | None) -> Revision:
        """Store `blob` with its `draft` if and only if the object's tag is `replaces` (None: if there is no object).

        Bytes and draft become visible in one step and are durable before this returns. The adapter never repeats a PUT
        in a way that could store it twice, or could take its own success for another writer's.

        Tags are never reused: each PUT gives the object a tag that no object of the slot had before, whatever its
        bytes. `draft.upload_id` is unique per PUT, and the tag may be made from it.

        Raises:
            PutRefused: the condition did not hold, or the object to be replaced is gone. Nothing was written.
            OutcomeUnknown: there was no response; it may have been stored, or may be stored later.
            BlobStoreUnavailable: it is known not to have been stored.
        """

    async def open(self, user_id: UserId, byte_range: ByteRange | None = None) -> OpenBlob | None:
        """Start to read the object of the slot, with one request to the store; None if there is none.

        A reader sees one whole, durable revision, whatever is written meanwhile.

        Raises:
            RangeNotSatisfiable: `byte_range` lies outside of the object.
            BackupDamaged: the object is damaged, or this service did not write it.
            BlobStoreUnavailable: the store does not answer.
        """

    async def stat(self, user_id: UserId) -> Revision | None:
        """The revision of the object, strongly consistent with every PUT that returned; None if there is none.

        Raises:
            BackupDamaged: the object is damaged, or this service did not write it.
            BlobStoreUnavailable: the store does not answer.
        """

    def scan(self, after: UserId | None = None) -> AsyncIterator[UserId]:
        """The users of all objects after user `after`, sorted by the text of the user id, in bounded memory.

        Raises:
            BlobStoreUnavailable: the store does not answer.
        """

    async def check(self) -> None:
        """Return if the store can serve a request now.

        Raises:
            BlobStoreUnavailable: it cannot.
        """


class TokenVerifier(Protocol):
    """Authenticates users by their tokens."""

    async def verify(self, token: str) -> UserId:
        """The user of a valid token.

        Raises:
            Unauthenticated: the token is not valid; the message names the broken rule and quotes nothing of the token.
            Unavailable: the verification keys are not available.
        """

    async def recognise(self, token: str) -> UserId | None:
        """The user of a token that was verified before and is still valid; None if it has to be verified.

        Raises:
            Unauthenticated: the token cannot be valid.
            Unavailable: as for `verify`.
        """


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Now, aware, in UTC."""
