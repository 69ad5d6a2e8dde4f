"""The operations on a slot, and the answers to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obscura_backup.domain.model import ByteRange


@dataclass(frozen=True, slots=True)
class Write:
    """An upload, or (`content` None) a deletion, of what is expected to be version `expected` (0: nothing)."""

    name: str
    expected: int
    content: bytes | None


@dataclass(frozen=True, slots=True)
class Read:
    """A look at the slot, or at a part of it."""

    name: str
    wanted: ByteRange | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    version: int


@dataclass(frozen=True, slots=True)
class Deleted:
    pass


@dataclass(frozen=True, slots=True)
class Refused:
    current: int


@dataclass(frozen=True, slots=True)
class Shown:
    """`content` None: what was read was the description alone."""

    version: int
    content: bytes | None


@dataclass(frozen=True, slots=True)
class NoSuchRange:
    size: int


@dataclass(frozen=True, slots=True)
class Nothing:
    """404."""


@dataclass(frozen=True, slots=True)
class Lost:
    version: int


@dataclass(frozen=True, slots=True)
class NotDone:
    """Refused before anything could be stored."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """No answer, or one that does not tell."""


Answer = Stored | Deleted | Refused | Shown | NoSuchRange | Nothing | Lost | NotDone | Unknown
