"""The interface of a transport, independent of its implementation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

DEFAULT_SERVER: Final = "http://127.0.0.1:8400"

OnBytes = Callable[[Literal["down", "up"], int, int | None], None]
"""Called with the direction, the bytes transferred so far, and the total if it is known."""

OnWait = Callable[[float, str], None]
"""Called before a retry with the seconds to wait and the reason in plain words."""


@dataclass(frozen=True, slots=True)
class FetchedBackup:
    """A downloaded blob. Version and date are the server's claims. `updated_at` is an HTTP date or empty."""

    blob: bytes = field(repr=False)
    version: int
    updated_at: str = ""


@dataclass(frozen=True, slots=True)
class BackupMetadata:
    """What the server says about its backup; `sha256` and `size_bytes` are None if it does not say."""

    version: int
    size_bytes: int | None
    sha256: bytes | None
    updated_at: str = ""


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """The sizes of a sealed backup that the server accepts, in bytes; None if it does not say."""

    min_bytes: int | None
    max_bytes: int | None


@dataclass(frozen=True, slots=True)
class ServerProbe:
    """How the server is reached.

    Attributes:
        seconds: from connecting to the end of the response.
        clock_ahead_seconds: how far this machine's clock is ahead of the server's, to about a second; negative if it is
            behind; None if the server does not say its time.
        tls_version: empty for plain http.
        certificate_ends_s: when the server's certificate ends, seconds since 1970; None for plain http.
    """

    seconds: float
    clock_ahead_seconds: float | None
    tls_version: str = ""
    certificate_ends_s: float | None = None


class Transport(Protocol):
    """One user's backup on one server.

    Every method may also raise `Unauthorized`, `RateLimited`, `Unavailable`, `ServerRefused` and `UnexpectedResponse`.
    """

    def fetch(self, if_none_match: int | None = None) -> FetchedBackup | None:
        """The blob; None if the server still has the version `if_none_match`.

        Raises:
            NotFound: there is no backup.
            BackupLost: the server has lost its bytes.
        """
        ...

    def head(self) -> BackupMetadata:
        """What `fetch` would return, without the bytes. Raises what `fetch` raises."""
        ...

    def push(self, blob: bytes, expected_version: int) -> int:
        """Replace exactly `expected_version` (0 for no backup), and return the new version.

        A retry after a lost response sends the same bytes; the server recognises them and stores them once.

        Raises:
            VersionMismatch, TooLarge, NotStored: nothing was stored.
            OutcomeUnknown: it may have been stored.
        """
        ...

    def delete(self, expected_version: int) -> None:
        """Delete exactly `expected_version`. Deleting again is no error.

        Raises:
            VersionMismatch, NotStored: nothing was deleted.
            NotFound: there is no backup.
            OutcomeUnknown: it may have been deleted.
        """
        ...


class AsyncTransport(Protocol):
    """A `Transport` for asyncio, with the same promises and errors.

    A cancelled call leaves no connection behind. The outcome of a cancelled upload or deletion is unknown.
    """

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
