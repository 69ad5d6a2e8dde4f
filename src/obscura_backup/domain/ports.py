"""What the service needs from the outside. The docstrings are promises; contract suites hold every adapter to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from obscura_backup.domain.blob import Blob
    from obscura_backup.domain.model import ByteRange, Draft, Revision, Tag, UserId


class LockedSlot(Protocol):
    """One user's metadata row while this caller holds its lock."""

    @property
    def record(self) -> Revision | None:
        """The row as it was when the lock was taken, or None where there is no row."""

    async def save(self, revision: Revision) -> None:
        """Make the row follow `revision`, durably, and let the lock go. At most once for one lock.

        When it returns, the row is known to have been committed at `revision.version` or above: a row never goes back,
        so one that is already further along is left as it is. When it raises, the row is as before or as wanted.

        Raises:
            MetadataUnavailable: the commit is not known to have happened.
        """


class BackupMetadataStore(Protocol):
    """The index of all slots and the lock of each. It may lag behind the blob store, never lead."""

    async def start(self) -> None:
        """Get ready, once, before anything else is called.

        Raises:
            StoreUnusable: it cannot be used as it is configured.
        """

    async def close(self) -> None:
        """Finish what is under way and let go of everything; safe to call more than once."""

    def locked(self, user_id: UserId) -> AbstractAsyncContextManager[LockedSlot]:
        """Hold the slot's lock; leaving without `save` changes nothing.

        Where there is a row, at most one caller of this process is inside for its user, and of all processes where the
        technology has row locks. The lock spares contention; no promise of safety rests on it.

        Raises:
            SlotBusy: the lock was not to be had in time.
            MetadataUnavailable: the store does not answer.
        """

    async def get(self, user_id: UserId) -> Revision | None:
        """The row as last committed, without waiting for any lock.

        Raises:
            MetadataUnavailable: the store does not answer.
        """

    def scan(self, after: UserId | None = None) -> AsyncIterator[tuple[UserId, Revision]]:
        """All rows in the order of their user ids' text, from behind `after` on, in bounded memory.

        Raises:
            MetadataUnavailable: the store does not answer.
        """

    async def check(self) -> None:
        """Return when the store can serve a request now.

        Raises:
            MetadataUnavailable: it cannot.
        """


class OpenBlob(Protocol):
    """One object being read: its revision and its bytes, both from the same read of the store."""

    @property
    def revision(self) -> Revision:
        """Of the object being read."""

    @property
    def start(self) -> int:
        """Offset of the first byte that `chunks` gives."""

    @property
    def length(self) -> int:
        """How many bytes `chunks` gives in all."""

    def chunks(self) -> AsyncIterator[bytes]:
        """The bytes, once, in pieces of bounded size.

        Raises:
            BlobStoreUnavailable: the store broke off, or the bytes are fewer than `length`.
            BackupDamaged: what the store holds was damaged; at least the last of the bytes was not given.
        """

    async def aclose(self) -> None:
        """Let go of the object; safe to call more than once, and needed however the reading ended."""


class BlobStore(Protocol):
    """One object a slot, replaced by conditional writes that are atomic, in bytes and metadata together."""

    async def start(self) -> None:
        """Get ready, once, before anything else is called.

        Raises:
            StoreUnusable: it cannot be used as it is configured.
        """

    async def close(self) -> None:
        """Finish what is under way and let go of everything; safe to call more than once."""

    async def put(self, user_id: UserId, blob: Blob, draft: Draft, *, replaces: Tag | None) -> Revision:
        """Store `blob` with its `draft` if and only if the object's tag is `replaces` (None: if there is no object).

        The bytes and the draft become visible in one step and are durable before this returns. It is never repeated by
        the adapter in a way that could store it twice or take its own success for another's.

        Tags are never reused: the object that a PUT leaves has a tag that no object of the slot had before, whatever
        its bytes. `draft.upload_id` is fresh for each PUT, and the tag may be made from it.

        Raises:
            PutRefused: the condition did not hold (also where an object to be replaced is gone). Nothing was written.
            OutcomeUnknown: no answer came; it may have been stored, or may yet be.
            BlobStoreUnavailable: known not to have been stored.
        """

    async def open(self, user_id: UserId, byte_range: ByteRange | None = None) -> OpenBlob | None:
        """Begin to read the slot's object, one request to the store; None where there is none.

        A reader sees one revision whole, whatever is written meanwhile, and only ever a durable one.

        Raises:
            RangeNotSatisfiable: `wanted` lies outside of the object.
            BackupDamaged: what the store holds is not one of ours, or no longer.
            BlobStoreUnavailable: the store does not answer.
        """

    async def stat(self, user_id: UserId) -> Revision | None:
        """The object's revision, strongly consistent with every PUT that returned; None where there is no object.

        Raises:
            BackupDamaged: what the store holds is not one of ours, or no longer.
            BlobStoreUnavailable: the store does not answer.
        """

    def scan(self, after: UserId | None = None) -> AsyncIterator[UserId]:
        """The users of all objects, in the order of their user ids' text, from behind `after` on, in bounded memory.

        Raises:
            BlobStoreUnavailable: the store does not answer.
        """

    async def check(self) -> None:
        """Return when the store can serve a request now.

        Raises:
            BlobStoreUnavailable: it cannot.
        """


class TokenVerifier(Protocol):
    """Who is asking."""

    async def verify(self, token: str) -> UserId:
        """The user of a valid token.

        Raises:
            Unauthenticated: the token is not valid; the message says which rule it breaks and quotes none of it.
            Unavailable: the keys that it would be verified with are not at hand.
        """

    async def recognise(self, token: str) -> UserId | None:
        """The user of a token that was verified before and is still valid; None where that would take work to tell.

        Raises:
            Unauthenticated: the token cannot be valid.
            Unavailable: as for `verify`.
        """


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Now, aware, in UTC."""
