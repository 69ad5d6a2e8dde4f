"""The bytes of one backup, complete and hashed."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Self

from obscura_backup.domain.model import Sha256

if TYPE_CHECKING:
    from hashlib import _Hash


@dataclass(frozen=True, slots=True)
class Blob:
    """The bytes that a PUT stores. The maker of `file` closes it.

    Attributes:
        size: in bytes.
        sha256: of the bytes.
        file: the bytes, readable and seekable; a reader rewinds it first.
        hasher: the SHA-256 state after the last byte, for `sha256_with_suffix`.
    """

    size: int
    sha256: Sha256
    file: BinaryIO
    hasher: _Hash = field(repr=False, compare=False)

    @classmethod
    def of(cls, data: bytes) -> Self:
        """A blob of bytes in memory."""
        hasher = hashlib.sha256(data)
        return cls(size=len(data), sha256=Sha256(hasher.digest()), file=io.BytesIO(data), hasher=hasher)

    def read(self) -> bytes:
        """All the bytes, from the start."""
        self.file.seek(0)
        return self.file.read()

    def sha256_with_suffix(self, suffix: bytes) -> bytes:
        """SHA-256 of the bytes followed by `suffix`, without reading `file` again.

        The checksum that goes to a store is therefore of the bytes that arrived, even if `file` was damaged since.
        """
        hasher = self.hasher.copy()
        hasher.update(suffix)
        return hasher.digest()
