"""What the client asks of a server, whatever carries the bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

DEFAULT_SERVER: Final = "http://127.0.0.1:8400"

OnBytes = Callable[[Literal["down", "up"], int, int | None], None]
"""Told how many bytes have travelled, and of how many if that is known."""

OnWait = Callable[[float, str], None]
"""Told before a wait how many seconds it takes until the same is sent again, and in plain words why."""


@dataclass(frozen=True, slots=True)
class FetchedBackup:
    """A downloaded blob. Everything beside its bytes is the server's word. `updated_at` is an HTTP date or empty."""

    blob: bytes = field(repr=False)
    version: int
    updated_at: str = ""


@dataclass(frozen=True, slots=True)
class BackupMetadata:
    """What the server says about the backup that it holds; `sha256` and `size_bytes` are None where it does not say."""

    version: int
    size_bytes: int | None
    sha256: bytes | None
    updated_at: str = ""


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What the server takes, in bytes of a sealed backup; None where it does not say."""

    min_bytes: int | None
    max_bytes: int | None


class Transport(Protocol):
    """One user's slot on one server. Every method may also raise `Unauthorized`, `RateLimited`, `Unavailable`,
    `ServerRefused` and `UnexpectedResponse`.
    """  # noqa: D205 - one sentence

    def fetch(self, if_none_match: int | None = None) -> FetchedBackup | None:
        """The blob, or None when the server still holds the version `if_none_match`.

        Raises:
            NotFound: there is none. BackupLost: the server knows of one and cannot find its bytes.
        """
        ...

    def head(self) -> BackupMetadata:
        """What `fetch` would give, without the bytes. Raises what `fetch` raises."""
        ...

    def push(self, blob: bytes, expected_version: int) -> int:
        """Replace exactly `expected_version` (0: there is none) and give the new version.

        Whatever is sent again after a lost answer is the same bytes, which a server recognises: it stores them once.

        Raises:
            VersionMismatch: nothing was stored. TooLarge, NotStored: nothing was stored. OutcomeUnknown: it may
                have been stored.
        """
        ...

    def delete(self, expected_version: int) -> None:
        """Delete exactly `expected_version`; deleting again is no error.

        Raises:
            VersionMismatch, NotStored: nothing was deleted. NotFound: there is none. OutcomeUnknown: see `push`.
        """
        ...


class AsyncTransport(Protocol):
    """A `Transport` for asyncio: the same promises and errors. A task that is cancelled while it waits for one of them
    leaves no connection behind, and an upload or deletion in a state that only a look at the server can tell.
    """  # noqa: D205 - one thought

    async def fetch(self, if_none_match: int | None = None) -> FetchedBackup | None:
        """See `Transport.fetch`."""
        ...

    async def head(self) -> BackupMetadata:
        """See `Transport.head`."""
        ...

    async def push(self, blob: bytes, expected_version: int) -> int:
        """See `Transport.push`."""
        ...

    async def delete(self, expected_version: int) -> None:
        """See `Transport.delete`."""
        ...
