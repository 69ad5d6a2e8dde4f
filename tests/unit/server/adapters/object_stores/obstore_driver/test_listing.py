from __future__ import annotations

from typing import TYPE_CHECKING, Any

import obstore
import pytest

from obscura_backup.adapters.object_stores.errors import NO_ADVICE, TransientFailure
from obscura_backup.adapters.object_stores.obstore_driver.listing import Listing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEYS = [f"backups/{letter}" for letter in "abcdef"]


class Bucket:
    """Lists its keys, in pages; a failure ends the stream once, behind so many keys."""

    def __init__(self, fails_behind: int | None = None, *, knows_offsets: bool = True) -> None:
        self.offsets: list[str | None] = []
        self._fails_behind = fails_behind
        self._knows_offsets = knows_offsets

    async def list(
        self, _store: Any, _prefix: str, *, offset: str | None, chunk_size: int
    ) -> AsyncIterator[list[dict[str, str]]]:
        self.offsets.append(offset)
        keys = [key for key in KEYS if not self._knows_offsets or key > (offset or "")]
        for start in range(0, len(keys), chunk_size):
            if start == self._fails_behind:
                self._fails_behind = None
                raise OSError("broke off")
            yield [{"path": key} for key in keys[start : start + chunk_size]]


def listing(bucket: Bucket, monkeypatch: pytest.MonkeyPatch, after: str = "") -> Listing:
    monkeypatch.setattr(obstore, "list", bucket.list)
    store: Any = None
    return Listing(store, "backups/", after, page_keys=2, advice=NO_ADVICE)


async def test_pages_until_an_empty_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = listing(Bucket(), monkeypatch)
    assert [await pages.next_page() for _ in range(4)] == [KEYS[:2], KEYS[2:4], KEYS[4:], []]


async def test_after_a_failure_it_goes_on_behind_the_last_key(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket(fails_behind=2)
    pages = listing(bucket, monkeypatch)
    assert await pages.next_page() == KEYS[:2]
    with pytest.raises(TransientFailure):
        await pages.next_page()
    assert await pages.next_page() == KEYS[2:4]
    assert bucket.offsets == [None, KEYS[1]]


async def test_server_that_always_begins_with_the_first_key_is_corrected(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = listing(Bucket(knows_offsets=False), monkeypatch, after=KEYS[2])
    assert [await pages.next_page() for _ in range(3)] == [KEYS[3:4], KEYS[4:], []]
