"""The keys of a bucket, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import obstore

from obscura_backup.adapters.object_stores.errors import failure_of_read
from obscura_backup.adapters.object_stores.obstore_driver.errors import DRIVER_ERRORS, failed_request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from obstore import ListStream, ObjectMeta
    from obstore.store import ObjectStore

    from obscura_backup.adapters.object_stores.errors import Advice


class Listing:
    """The keys under a prefix, in their order. After a failure it goes on behind the last key that it gave.

    Args:
        store: to ask.
        prefix: of the keys, ending with a slash.
        after: the keys begin behind this one; empty: with the first.
        page_keys: how many keys a page has.
        advice: for the operator of the store.
    """

    def __init__(self, store: ObjectStore, prefix: str, after: str, *, page_keys: int, advice: Advice) -> None:
        self._store = store
        self._prefix = prefix
        self._after = after
        self._page_keys = page_keys
        self._advice = advice
        self._stream: ListStream[Sequence[ObjectMeta]] | None = None

    async def next_page(self) -> list[str]:
        """The next page; empty: there are no more keys.

        Raises:
            BlobStoreUnavailable: the store does not answer. Calling again is possible.
        """
        while True:
            page = await self._next()
            # A server that knows no place to begin at, as Azure's of an older version, begins with the first key.
            keys = [key for key in page if key > self._after]
            if keys or not page:
                self._after = keys[-1] if keys else self._after
                return keys

    async def _next(self) -> list[str]:
        if self._stream is None:
            self._stream = obstore.list(
                self._store, self._prefix, offset=self._after or None, chunk_size=self._page_keys
            )
        try:
            return [entry["path"] for entry in await anext(self._stream)]
        except StopAsyncIteration:
            return []
        except DRIVER_ERRORS as error:
            self._stream = None
            failed = failed_request(error, "ListObjects")
            raise failure_of_read(failed, self._advice) from failed
