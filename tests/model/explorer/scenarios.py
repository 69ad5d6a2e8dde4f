"""Who does what, and how much may go wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from model.explorer import processes

if TYPE_CHECKING:
    from collections.abc import Callable

    from obscura_backup.domain.model import Draft, Tag


class Does(Enum):
    """What a client asks for in one turn."""

    READ = "R"
    UPLOAD = "U"
    DELETE = "D"


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a client; what was told in the turns before decides what it expects.

    Attributes:
        does: what it asks for.
        text: of the upload; empty: bytes that nobody else sends.
        expected: a version that it expects whatever it was told; None: the one that it knows of.
    """

    does: Does
    text: str = ""
    expected: int | None = None


class Restores(Enum):
    """Which store may be put back to an older copy of itself, once, at any time when no request is under way."""

    NOTHING = ""
    OBJECT = "the bucket"
    ROW = "the metadata store"


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is explored.

    Attributes:
        name: of it.
        clients: the turns of each.
        faults: how many may happen, of whatever kinds.
        retries: how often a client sends the same again after it got no definite answer.
        restores: which store may be restored.
        early: whether uploads ask for an early refusal first.
        tag_of: how the blob store makes its tags.
        bytes_stored_once: leave out what follows when the same bytes are stored again after a deletion.
        twins: uploads of different clients may have the same bytes.
    """

    name: str
    clients: tuple[tuple[Turn, ...], ...]
    faults: int = 0
    retries: int = 2
    restores: Restores = Restores.NOTHING
    early: bool = False
    tag_of: Callable[[Draft], Tag] = field(default=processes.tag_of_the_put)
    bytes_stored_once: bool = False
    twins: bool = False


def turns(*programs: str) -> tuple[tuple[Turn, ...], ...]:
    """Clients by the letters of what they do: `turns("UU", "RD")`."""
    return tuple(tuple(Turn(Does(letter)) for letter in program) for program in programs)
