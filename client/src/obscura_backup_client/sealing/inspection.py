"""What a sealed backup says about itself, to somebody who has neither its password nor a token. Nothing is believed."""

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

# Where a stream does not end: far beyond what any server of this kind takes, and read in no time.
MAX_COUNTED_BYTES: Final = 64 * 1024 * 1024
CHUNK_BYTES: Final = 64 * 1024


class Verdict(StrEnum):
    """Whether this client would open it, given the password."""

    OPENS = "opens"
    ASKS = "asks"
    REFUSES = "refuses"


@dataclass(frozen=True, slots=True)
class Inspection:
    """A sealed backup from outside. Sizes are in bytes.

    `complete` is False where counting stopped at `size_bytes` before the end. `refusal` says why it would not be
    opened, and `weakness` why no backup would be sealed like this: each is empty where there is nothing to say.
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
        """The size of the plaintext with its padding, as far as the size of the whole is known."""
        return self.size_bytes - HEADER_BYTES - TAG_BYTES if self.complete else None

    @property
    def payload_bytes(self) -> tuple[int, int] | None:
        """The smallest and the largest payload that writers of this format pad to this size; None if they never do."""
        return None if self.padded_bytes is None else payload_size_range(self.padded_bytes)


def inspect(stream: IO[bytes]) -> Inspection:
    """Look at a sealed backup of any length, in constant memory.

    Of a file the system says how long it is. Anything else is read up to 64 MiB to count it.

    Raises:
        NotABackup, NewerFormat, Damaged, RefusedParameters: as `read_header`.
        OSError: it cannot be read.
    """
    start = _read(stream, SMALLEST_BLOB_BYTES)
    header = read_header(start)
    size_bytes, complete = _counted(stream, len(start))
    verdict, refusal = _verdict_for(header.parameters)
    return Inspection(header, size_bytes, complete, verdict, refusal, _weakness(header.parameters))


def _read(stream: IO[bytes], count: int) -> bytes:
    """So many bytes, or all that there are: a pipe may hand them out in pieces."""
    found = b""
    while len(found) < count and (more := stream.read(count - len(found))):
        found += more
    return found


def _counted(stream: IO[bytes], already: int) -> tuple[int, bool]:
    file_bytes = _file_bytes(stream)
    if file_bytes is not None:
        # Redirected into standard input, it may have been read in part before.
        return max(already, file_bytes - (stream.tell() - already)), True
    size_bytes = already
    while chunk := stream.read(min(CHUNK_BYTES, MAX_COUNTED_BYTES + 1 - size_bytes)):
        size_bytes += len(chunk)
        if size_bytes > MAX_COUNTED_BYTES:
            return MAX_COUNTED_BYTES, False
    return size_bytes, True


def _file_bytes(stream: IO[bytes]) -> int | None:
    """How long the file is, or None for what is no file."""
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
    return (Verdict.ASKS, "it takes more than 256 MiB of memory") if asks else (Verdict.OPENS, "")


def _weakness(parameters: KdfParameters) -> str:
    try:
        require_sealable(parameters)
    except RefusedParameters as refused:
        return refused.reason
    return ""
