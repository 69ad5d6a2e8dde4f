"""What every `BlobStore` promises. A test file for an adapter is a `blobs` fixture and little more.

The fixture gives a started, empty store.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from typing import TYPE_CHECKING

import pytest

from contracts import samples
from obscura_backup.domain.blob import Blob
from obscura_backup.domain.errors import PutRefused, RangeNotSatisfiable
from obscura_backup.domain.model import ByteRange, Kind, Revision, Tag
from support.table import table

if TYPE_CHECKING:
    from obscura_backup.domain.model import UserId
    from obscura_backup.domain.ports import BlobStore

PIECE_MAX_BYTES = 1024 * 1024


async def content(blobs: BlobStore, user_id: UserId, byte_range: ByteRange | None = None) -> bytes:
    opened = await blobs.open(user_id, byte_range)
    assert opened is not None
    try:
        return b"".join([chunk async for chunk in opened.chunks()])
    finally:
        await opened.aclose()


async def stored(blobs: BlobStore, user_id: UserId, text: str = "sealed", replaces: Tag | None = None) -> Revision:
    blob = samples.blob(text)
    return await blobs.put(user_id, blob, samples.draft(blob), replaces=replaces)


class BlobStoreContract:
    async def test_empty_slot(self, blobs: BlobStore) -> None:
        assert await blobs.stat(samples.user()) is None
        assert await blobs.open(samples.user()) is None

    async def test_stored_blob_reads_back(self, blobs: BlobStore) -> None:
        user, blob = samples.user(), samples.blob("first")
        await blobs.put(user, blob, samples.draft(blob), replaces=None)
        assert await content(blobs, user) == blob.read()

    @table("kind", list(Kind))
    async def test_metadata_travels_with_the_bytes(self, blobs: BlobStore, kind: Kind) -> None:
        user, blob = samples.user(), samples.blob()
        draft = samples.draft(blob, version=12, base=4, kind=kind)
        revision = await blobs.put(user, blob, draft, replaces=None)
        assert revision == Revision.of(draft, revision.tag)
        assert await blobs.stat(user) == revision
        opened = await blobs.open(user)
        assert opened is not None
        await opened.aclose()
        assert opened.revision == revision
        assert (opened.start, opened.length) == (0, blob.size)

    async def test_create_is_refused_where_there_is_an_object(self, blobs: BlobStore) -> None:
        user = samples.user()
        first = await stored(blobs, user, "first")
        with pytest.raises(PutRefused):
            await stored(blobs, user, "second")
        assert await blobs.stat(user) == first

    async def test_replace_by_the_current_tag(self, blobs: BlobStore) -> None:
        user = samples.user()
        first = await stored(blobs, user, "first")
        second = await stored(blobs, user, "second", replaces=first.tag)
        assert await blobs.stat(user) == second
        assert (await content(blobs, user)).startswith(b"second")

    async def test_replace_by_a_stale_tag_is_refused(self, blobs: BlobStore) -> None:
        user = samples.user()
        first = await stored(blobs, user, "first")
        second = await stored(blobs, user, "second", replaces=first.tag)
        with pytest.raises(PutRefused):
            await stored(blobs, user, "third", replaces=first.tag)
        assert await blobs.stat(user) == second

    async def test_replace_of_nothing_is_refused_and_makes_nothing(self, blobs: BlobStore) -> None:
        other = await stored(blobs, samples.user(), "elsewhere")
        user = samples.user()
        with pytest.raises(PutRefused):
            await stored(blobs, user, "late", replaces=other.tag)
        assert await blobs.stat(user) is None

    async def test_no_bytes_bring_a_tag_back(self, blobs: BlobStore) -> None:
        """A PUT that was sent on an earlier object must not find its tag again, if only in the same bytes."""
        user = samples.user()
        revisions = [await stored(blobs, user, "same")]
        for text in ("same", "other", "same", "other", "same"):
            revisions.append(await stored(blobs, user, text, replaces=revisions[-1].tag))
        assert len({revision.tag for revision in revisions}) == len(revisions)
        for earlier in revisions[:-1]:
            with pytest.raises(PutRefused):
                await stored(blobs, user, "same", replaces=earlier.tag)
        assert await blobs.stat(user) == revisions[-1]

    async def test_same_blob_of_two_users_has_two_tags(self, blobs: BlobStore) -> None:
        tags = {(await stored(blobs, samples.user(), "same")).tag for _ in range(3)}
        assert len(tags) == 3

    async def test_of_concurrent_creates_one_wins(self, blobs: BlobStore) -> None:
        user = samples.user()
        outcomes = await asyncio.gather(
            *(stored(blobs, user, f"racer {number}") for number in range(8)), return_exceptions=True
        )
        winners = [outcome for outcome in outcomes if isinstance(outcome, Revision)]
        losers = [outcome for outcome in outcomes if isinstance(outcome, PutRefused)]
        assert (len(winners), len(losers)) == (1, 7)
        assert await blobs.stat(user) == winners[0]

    async def test_of_concurrent_replacements_one_wins(self, blobs: BlobStore) -> None:
        user = samples.user()
        first = await stored(blobs, user)
        outcomes = await asyncio.gather(
            *(stored(blobs, user, f"racer {number}", replaces=first.tag) for number in range(8)),
            return_exceptions=True,
        )
        winners = [outcome for outcome in outcomes if isinstance(outcome, Revision)]
        losers = [outcome for outcome in outcomes if isinstance(outcome, PutRefused)]
        assert (len(winners), len(losers)) == (1, 7)
        assert await blobs.stat(user) == winners[0]

    async def test_a_blob_can_be_put_again(self, blobs: BlobStore) -> None:
        """The service tries a second PUT with the same spool when the first was refused."""
        blob = samples.blob("twice")
        for user in (samples.user(), samples.user()):
            await blobs.put(user, blob, samples.draft(blob), replaces=None)
            assert await content(blobs, user) == blob.read()

    @table("size", [0, 1, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 512 * 1024])
    async def test_blob_of_a_size_at_the_border_of_a_piece(self, blobs: BlobStore, size: int) -> None:
        user, data = samples.user(), secrets.token_bytes(size)
        blob = Blob.of(data)
        revision = await blobs.put(user, blob, samples.draft(blob), replaces=None)
        assert revision.size == size
        assert await blobs.stat(user) == revision
        assert await content(blobs, user) == data

    async def test_large_blob_comes_in_bounded_pieces(self, blobs: BlobStore) -> None:
        user, data = samples.user(), secrets.token_bytes(2 * 1024 * 1024 + 17)
        blob = Blob.of(data)
        await blobs.put(user, blob, samples.draft(blob), replaces=None)
        opened = await blobs.open(user)
        assert opened is not None
        pieces = [piece async for piece in opened.chunks()]
        await opened.aclose()
        assert max(len(piece) for piece in pieces) <= PIECE_MAX_BYTES
        assert hashlib.sha256(b"".join(pieces)).digest() == hashlib.sha256(data).digest()

    @table(
        ("byte_range", "part"),
        [
            (ByteRange(0, 0), slice(0, 1)),
            (ByteRange(5, 9), slice(5, 10)),
            (ByteRange(5, None), slice(5, None)),
            (ByteRange(5, 10_000), slice(5, None)),
            (ByteRange(None, 7), slice(-7, None)),
            (ByteRange(None, 10_000), slice(0, None)),
            # 40 bytes: at the last one, at the end, and a little beyond it
            (ByteRange(39, 39), slice(39, 40)),
            (ByteRange(39, None), slice(39, 40)),
            (ByteRange(0, 38), slice(0, 39)),
            (ByteRange(0, 39), slice(0, 40)),
            (ByteRange(0, 40), slice(0, 40)),
            (ByteRange(39, 40), slice(39, 40)),
            (ByteRange(38, 54), slice(38, 40)),
            (ByteRange(38, 55), slice(38, 40)),
            (ByteRange(38, 56), slice(38, 40)),
            (ByteRange(None, 1), slice(39, 40)),
            (ByteRange(None, 39), slice(1, 40)),
            (ByteRange(None, 40), slice(0, 40)),
            (ByteRange(None, 41), slice(0, 40)),
        ],
    )
    async def test_range(self, blobs: BlobStore, byte_range: ByteRange, part: slice) -> None:
        user, blob = samples.user(), samples.blob("0123456789 the rest of it, and some more")
        assert blob.size == 40
        await blobs.put(user, blob, samples.draft(blob), replaces=None)
        opened = await blobs.open(user, byte_range)
        assert opened is not None
        await opened.aclose()
        expected = blob.read()[part]
        assert (opened.start, opened.length) == (range(blob.size)[part].start, len(expected))
        assert opened.revision.size == blob.size
        assert await content(blobs, user, byte_range) == expected

    @table(
        "byte_range",
        [
            ByteRange(32, None),
            ByteRange(32, 32),
            ByteRange(33, 40),
            ByteRange(47, None),
            ByteRange(48, None),
            ByteRange(49, None),
            ByteRange(9_999, 10_000),
            ByteRange(None, 0),
        ],
    )
    async def test_range_outside(self, blobs: BlobStore, byte_range: ByteRange) -> None:
        user = samples.user()
        await stored(blobs, user)
        with pytest.raises(RangeNotSatisfiable) as refused:
            await blobs.open(user, byte_range)
        assert refused.value.size == 32

    async def test_range_of_nothing(self, blobs: BlobStore) -> None:
        assert await blobs.open(samples.user(), ByteRange(0, 3)) is None

    async def test_reader_sees_one_revision_whole(self, blobs: BlobStore) -> None:
        user, data = samples.user(), secrets.token_bytes(1024 * 1024)
        blob = Blob.of(data)
        first = await blobs.put(user, blob, samples.draft(blob), replaces=None)
        opened = await blobs.open(user)
        assert opened is not None
        await stored(blobs, user, "newer", replaces=first.tag)
        assert b"".join([chunk async for chunk in opened.chunks()]) == data
        await opened.aclose()

    async def test_reading_may_stop_early(self, blobs: BlobStore) -> None:
        user = samples.user()
        await stored(blobs, user)
        opened = await blobs.open(user)
        assert opened is not None
        await opened.aclose()
        await opened.aclose()
        assert (await content(blobs, user)).startswith(b"sealed")

    async def test_scan_gives_all_users_in_order(self, blobs: BlobStore) -> None:
        users = [samples.user(number << 56) for number in (0xFE, 1, 0xA0, 2)]
        for user in users:
            await stored(blobs, user)
        assert [user async for user in blobs.scan()] == sorted(users, key=str)

    async def test_scan_resumes_behind_a_user(self, blobs: BlobStore) -> None:
        users = [samples.user(number << 56) for number in (1, 2, 3, 4)]
        for user in users:
            await stored(blobs, user)
        assert [user async for user in blobs.scan(after=users[1])] == users[2:]

    async def test_check_of_a_store_that_is_well(self, blobs: BlobStore) -> None:
        await blobs.check()

    async def test_closing_twice(self, blobs: BlobStore) -> None:
        await blobs.close()
        await blobs.close()
