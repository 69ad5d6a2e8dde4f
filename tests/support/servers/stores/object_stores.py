"""Started stores for the tests of an adapter, whichever kind of server it speaks to."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from obscura_backup.adapters.object_stores.store import ObjectBlobStore

PROBE_SECONDS = 60.0
"""Long enough on a busy machine: these tests count requests after the probe of the store."""


class StartStore(Protocol):
    async def __call__(self, endpoint: str, **options: Any) -> ObjectBlobStore:
        """A store over `bucket` that is started, with these options of `ObjectBlobStore`."""


@asynccontextmanager
async def starting(make: Callable[..., ObjectBlobStore]) -> AsyncIterator[StartStore]:
    """What starts stores; they are closed at the end.

    Args:
        make: a store at an endpoint, with options.
    """
    async with AsyncExitStack() as stack:

        async def start(endpoint: str, **options: Any) -> ObjectBlobStore:
            blobs = make(endpoint, **options)
            stack.push_async_callback(blobs.close)
            await blobs.start()
            return blobs

        yield start
