"""The errors of the service: one root, a stable `code` each, the facts as attributes.

Each adapter translates its driver's errors into these once, and keeps the cause. The HTTP entrypoint maps them to
statuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from obscura_backup.domain.model import Version


class ObscuraError(Exception):
    """The root. The docstring of a class is its default message. No message holds a secret or bytes of a blob."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").partition("\n")[0])

    @property
    def with_cause(self) -> str:
        """The message and the driver's message, for operators, in one line."""
        cause = " ".join(str(self.__cause__ or "").split())
        return f"{self} ({cause})" if cause and cause not in str(self) else str(self)


class Unauthenticated(ObscuraError):
    """The bearer token is missing or not valid."""

    code = "unauthenticated"


class BlobTooSmall(ObscuraError):
    """The blob is too short to be a backup."""

    code = "blob-too-small"

    def __init__(self, *, size: int, min_bytes: int) -> None:
        super().__init__(f"The blob is {size} bytes long; a backup has at least {min_bytes}.")
        self.size = size
        self.min_bytes = min_bytes


class BlobTooLarge(ObscuraError):
    """The blob is longer than a backup may be."""

    code = "blob-too-large"

    def __init__(self, *, max_bytes: int) -> None:
        super().__init__(f"The blob is longer than {max_bytes} bytes.")
        self.max_bytes = max_bytes


class DigestMismatch(ObscuraError):
    """The bytes do not have the declared digest."""

    code = "digest-mismatch"


class TooManyUploads(ObscuraError):
    """This user has too many uploads in progress."""

    code = "too-many-uploads"


class TooManyDownloads(ObscuraError):
    """This user has too many downloads in progress."""

    code = "too-many-downloads"


class VersionMismatch(ObscuraError):
    """The slot does not hold the version that the request expects to replace."""

    code = "version-mismatch"

    def __init__(self, *, expected: Version, current: Version) -> None:
        actual = f"version {current}" if current else "no backup"
        wanted = f"version {expected}" if expected else "no backup"
        super().__init__(f"The slot holds {actual}; the request expected {wanted}. Fetch, merge and retry.")
        self.expected = expected
        self.current = current


class BackupNotFound(ObscuraError):
    """There is no backup."""

    code = "backup-not-found"


class BackupLost(ObscuraError):
    """A backup is on record, but its bytes are gone from the blob store."""

    code = "backup-lost"

    def __init__(self, *, version: Version) -> None:
        super().__init__(f"Version {version} is on record, but its bytes are gone from the blob store.")
        self.version = version


class BackupDamaged(ObscuraError):
    """The object in the blob store is damaged; an operator has to look at it."""

    code = "backup-damaged"


class RangeNotSatisfiable(ObscuraError):
    """The requested range lies outside of the blob."""

    code = "range-not-satisfiable"

    def __init__(self, *, size: int) -> None:
        super().__init__(f"The requested range lies outside of the {size} bytes.")
        self.size = size


class Unavailable(ObscuraError):
    """A store is not available; the same request may be sent again.

    Attributes:
        retry_after_seconds: when to try again.
        nothing_changed: whether the upload or deletion is known to have changed nothing.
        failed_call: the store and the call to it that failed, for operators.
    """

    code = "unavailable"
    retry_after_seconds: ClassVar[int] = 2
    nothing_changed: bool = False
    failed_call: str | None = None


class MetadataUnavailable(Unavailable):
    """The metadata store does not answer."""

    code = "metadata-unavailable"
    retry_after_seconds = 5


class BlobStoreUnavailable(Unavailable):
    """The blob store does not answer."""

    code = "blob-store-unavailable"
    retry_after_seconds = 5


class SlotBusy(Unavailable):
    """Other requests of this user hold the slot."""

    code = "slot-busy"
    retry_after_seconds = 1


class OutcomeUnknown(Unavailable):
    """The blob store may or may not have stored the upload; it is safe to send the same bytes again."""

    code = "outcome-unknown"
    retry_after_seconds = 1


class PutRefused(ObscuraError):
    """The condition of a conditional PUT did not hold; nothing was written. Stays inside the service."""

    code = "put-refused"


class StoreUnusable(ObscuraError):
    """A store cannot be used as configured; waiting does not help."""

    code = "store-unusable"
