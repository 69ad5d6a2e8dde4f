"""The bucket as the probe sees it, which runs in a thread: blocking calls."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from obscura_backup.adapters.object_stores.obstore_driver.bucket import ObstoreBucket
    from obscura_backup.domain.blob import Blob
    from obscura_backup.domain.model import Draft, Revision, Tag

R = TypeVar("R")


class BlockingBucket:
    """The bucket of obstore, as `Probed`.

    Args:
        bucket: that gets the calls.
        loop: sends the requests, in another thread.
    """

    def __init__(self, bucket: ObstoreBucket, loop: asyncio.AbstractEventLoop) -> None:
        self.name = bucket.name
        self.advice = bucket.advice
        self._bucket = bucket
        self._loop = loop
        self._thread_local = threading.local()

    def put_with(
        self, key: str, blob: Blob, draft: Draft, replaces: Tag | None, *, is_conditional: bool = True
    ) -> Revision:
        """See `Probed.put_with`."""
        return self._run(self._bucket.put(key, blob, draft, replaces, is_conditional=is_conditional))

    def get(self, key: str) -> Seen | None:
        """See `Probed.get`; one piece is read."""
        return self._run(self._see(key))

    def head(self, key: str) -> Revision | None:
        """See `Probed.head`."""
        return self._run(self._bucket.head(key))

    def delete(self, key: str) -> None:
        """See `Probed.delete`."""
        self._run(self._bucket.delete(key))

    @contextmanager
    def before_each_request(self, before_sending: Callable[[], None]) -> Iterator[None]:
        """See `Probed.before_each_request`."""
        self._thread_local.before_sending = before_sending
        try:
            yield
        finally:
            del self._thread_local.before_sending

    def _run(self, request: Coroutine[Any, Any, R]) -> R:
        before_sending = getattr(self._thread_local, "before_sending", None)
        if before_sending is not None:
            before_sending()
        return asyncio.run_coroutine_threadsafe(request, self._loop).result()

    async def _see(self, key: str) -> Seen | None:
        download = await self._bucket.get(key)
        if download is None:
            return None
        await download.aclose()
        return Seen(download.revision, download.first_chunk)


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a GET, which is closed."""

    revision: Revision
    first_chunk: bytes

    def close(self) -> None:
        """Nothing is left to close."""
