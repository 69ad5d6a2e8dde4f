"""What the probe asks of a bucket, whatever its driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from obscura_backup.adapters.object_stores.errors import Advice
    from obscura_backup.domain.blob import Blob
    from obscura_backup.domain.model import Draft, Revision, Tag


class Probed(Protocol):
    """A bucket by blocking calls. Thread-safe."""

    name: str
    advice: Advice

    def put_with(
        self, key: str, blob: Blob, draft: Draft, replaces: Tag | None, *, is_conditional: bool = True
    ) -> Revision:
        """One PUT, with a condition or without; see `BlobStore.put`."""

    def get(self, key: str) -> Any:
        """The object being read, with `revision`, `first_chunk` and `close`; None if there is none."""

    def head(self, key: str) -> Revision | None:
        """The object's revision; None if there is no object."""

    def delete(self, key: str) -> None:
        """Remove a scratch object."""

    def before_each_request(self, before_sending: Callable[[], None]) -> AbstractContextManager[None]:
        """Call `before_sending` before each request of this thread."""


class FalseChecksumProbed(Protocol):
    """The same bucket by a driver that can send a false checksum."""

    def put_with(
        self, key: str, blob: Blob, draft: Draft, replaces: Tag | None, *, claimed_sha256: bytes | None = None
    ) -> Revision:
        """One conditional PUT with this checksum."""
