"""What a sealed backup shows without its password. Nothing in it is trusted."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from enum import StrEnum
from typing import IO, TYPE_CHECKING, Final

from obscura_backup_client.sealing.errors import RefusedParameters
from obscura_backup_client.sealing.kdf import OPENING_UNASKED_MEMORY_KIB, require_openable, require_sealable
from obscura_backup_client.sealing.padding import payload_size_range
from obscura_backup_client.sealing.sealed import (
    HEADER_BYTES,
    MAGIC,
    SMALLEST_BLOB_BYTES,
    TAG_BYTES,
    Header,
    read_header,
)

if TYPE_CHECKING:
    from obscura_backup_client.sealing.kdf_parameters import KdfParameters

# The limit for endless streams: far more than a server accepts, and quickly read.
MAX_COUNTED_BYTES: Final = 64 * 1024 * 1024
CHUNK_BYTES: Final = 64 * 1024


class Verdict(StrEnum):
    """Whether this client opens the backup, given the password."""

    OPENS = "opens"
    ASKS = "asks"
    REFUSES = "refuses"


@dataclass(frozen=True, slots=True)
class Inspection:
    """The public facts of a sealed backup.

    Attributes:
        header: its first 74 bytes, decoded.
        size_bytes: its size.
        complete: False if counting stopped at `size_bytes`, before the end.
        verdict: whether this client opens it.
        refusal: why it does not, or asks first; empty otherwise.
        weakness: why no new backup may be sealed like this; empty if it may.
    """

    header: Header
    size_bytes: int
    complete: bool
    verdict: Verdict
    refusal: str
    weakness: str

    @property
    def format(self) -> int:
        """The digit of the format."""
        return int(MAGIC[3:])

    @property
    def padded_bytes(self) -> int | None:
        """The size of the padded plaintext; None if the size of the backup is unknown."""
        return self.size_bytes - HEADER_BYTES - TAG_BYTES if self.complete else None

    @property
    def payload_bytes(self) -> tuple[int, int] | None:
        """The smallest and largest payload that is padded to this size; None if no writer produces this size."""
        return None if self.padded_bytes is None else payload_size_range(self.padded_bytes)


def inspect(stream: IO[bytes]) -> Inspection:
    """Inspect a sealed backup of any length, in constant memory.

    The size of a file comes from the system. Other streams are read and counted, up to 64 MiB.

    Raises:
        NotABackup, NewerFormat, Damaged, RefusedParameters: as `read_header`.
        OSError: the stream cannot be read.
    """
    start = _read(stream, SMALLEST_BLOB_BYTES)
    header = read_header(start)
    size_bytes, complete = _counted(stream, len(start))
    verdict, refusal = _verdict_for(header.parameters)
    return Inspection(header, size_bytes, complete, verdict, refusal, _weakness(header.parameters))


def _read(stream: IO[bytes], count: int) -> bytes:
    """Read `count` bytes, or all that there are. A pipe may return them in pieces."""
    found = b""
    while len(found) < count and (more := stream.read(count - len(found))):
        found += more
    return found


def _counted(stream: IO[bytes], already: int) -> tuple[int, bool]:
    file_bytes = _file_bytes(stream)
    if file_bytes is not None:
        # Standard input from a file may have been read in part before.
        return max(already, file_bytes - (stream.tell() - already)), True
    size_bytes = already
    while chunk := stream.read(min(CHUNK_BYTES, MAX_COUNTED_BYTES + 1 - size_bytes)):
        size_bytes += len(chunk)
        if size_bytes > MAX_COUNTED_BYTES:
            return MAX_COUNTED_BYTES, False
    return size_bytes, True


def _file_bytes(stream: IO[bytes]) -> int | None:
    """The size of a regular file; None for other streams."""
    try:
        described = os.fstat(stream.fileno())
    except OSError:  # bytes in memory have no descriptor
        return None
    return described.st_size if stat.S_ISREG(described.st_mode) else None


def _verdict_for(parameters: KdfParameters) -> tuple[Verdict, str]:
    try:
        require_openable(parameters, confirm=lambda _: True)
    except RefusedParameters as refused:
        return Verdict.REFUSES, refused.reason
    asks = parameters.memory_kib > OPENING_UNASKED_MEMORY_KIB
    return (Verdict.ASKS, "it needs more than 256 MiB of memory") if asks else (Verdict.OPENS, "")


def _weakness(parameters: KdfParameters) -> str:
    try:
        require_sealable(parameters)
    except RefusedParameters as refused:
        return refused.reason
    return ""
