"""Who does what, and how much may go wrong."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Does(Enum):
    """What a client asks for in one turn; an operator's `scrub --repair` or `reap` at the slot is like a client."""

    READ = "R"
    HEAD = "H"
    UPLOAD = "U"
    DELETE = "D"
    SCRUB = "S"
    REAP = "P"

    @property
    def writes(self) -> bool:
        return self not in (Does.READ, Does.HEAD)


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a client; what was told in the turns before decides what it expects.

    Attributes:
        does: what it asks for.
        text: of the upload; empty: bytes that no other client sends.
        expected: a version that it expects whatever it was told; None: the one that it knows of.
        long_ago: whether `reap` takes what it uploads for inactive.
    """

    does: Does
    text: str = ""
    expected: int | None = None
    long_ago: bool = False


class Restores(Enum):
    """Which store may be put back to an older copy of itself, once. Rows at any time, the bucket between requests."""

    NOTHING = ""
    OBJECT = "the bucket"
    ROW = "the metadata store"


class StoredAgain(Enum):
    """A first upload expects no backup, and after a deletion there is none: a copy of it that is late is stored anew.

    Nothing tells it from a client that starts anew with the same bytes (docs/decisions/0003).
    """

    ALLOWED = "allowed"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is explored.

    Attributes:
        name: of it.
        clients: the turns of each.
        faults: how many may happen, of whatever kinds.
        retries: how often a client sends the same again after it got no definite answer.
        restores: which store may be restored.
        strays_survive: whether a write that is on its way when the bucket is restored may still arrive afterwards.
        early: whether uploads ask for an early refusal first.
        rows_fall_silent: whether a read of the row may get no answer.
        sends_twice: whether something between service and store may send a PUT a second time by itself.
        stored_again: what follows where a first upload that was deleted is stored once more.
        twins: uploads of different clients may have the same bytes.
    """

    name: str
    clients: tuple[tuple[Turn, ...], ...]
    faults: int = 0
    retries: int = 2
    restores: Restores = Restores.NOTHING
    strays_survive: bool = False
    early: bool = False
    rows_fall_silent: bool = False
    sends_twice: bool = True
    stored_again: StoredAgain = StoredAgain.ALLOWED
    twins: bool = False


def turns(*programs: str) -> tuple[tuple[Turn, ...], ...]:
    """Clients by the letters of what they do: `turns("UU", "RD")`."""
    return tuple(tuple(Turn(Does(letter)) for letter in program) for program in programs)
