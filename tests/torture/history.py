"""What clients asked of slots, when, and what they were told: the evidence that the checker judges."""

from __future__ import annotations

import json
import math
import threading
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Upload:
    """Make the bytes with this digest the version after `expected` (0: the first)."""

    expected: int
    digest: str


@dataclass(frozen=True, slots=True)
class Deletion:
    """Delete version `expected`."""

    expected: int


@dataclass(frozen=True, slots=True)
class Read:
    """Tell what there is: a GET, whole or in part, or a HEAD."""


@dataclass(frozen=True, slots=True)
class ReadBeyondEnd:
    """Tell a part that begins behind the end of each backup there may be."""


Asked = Upload | Deletion | Read | ReadBeyondEnd


@dataclass(frozen=True, slots=True)
class Stored:
    """To an upload: it is `version` now (200)."""

    version: int


@dataclass(frozen=True, slots=True)
class Mismatch:
    """To an upload or a deletion: the slot holds `current` (409)."""

    current: int


@dataclass(frozen=True, slots=True)
class Deleted:
    """To a deletion: there is no backup now (204)."""


@dataclass(frozen=True, slots=True)
class NeverExisted:
    """To a deletion: there never was one (404)."""


@dataclass(frozen=True, slots=True)
class Found:
    """To a read: the version, and the digest of its bytes."""

    version: int
    digest: str


@dataclass(frozen=True, slots=True)
class NotFound:
    """To a read: there is none (404)."""


@dataclass(frozen=True, slots=True)
class BeyondEnd:
    """To a read: there is a backup, without that part (416)."""


@dataclass(frozen=True, slots=True)
class Lost:
    """To a read: the backup of this version is gone (`backup-lost`). Only a restore makes it a true answer."""

    version: int


@dataclass(frozen=True, slots=True)
class Broken:
    """An answer that no slot may ever give: bytes that are not what their headers say, a defect."""

    what: str


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """To anything: refused before it reached the slot (429, or no connection)."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """No answer, or one that promises nothing (503): it may have happened, may yet happen, or never will."""


Answer = (
    Stored | Mismatch | Deleted | NeverExisted | Found | NotFound | BeyondEnd | Lost | Broken | TurnedAway | Unknown
)
UNKNOWN = Unknown()
NEVER = math.inf

_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in (*get_args(Asked), *get_args(Answer))}


@dataclass(frozen=True, slots=True)
class Operation:
    """One request. A retry is an operation of its own.

    Attributes:
        number: unique in its history.
        slot: whose.
        client: who asked; each asks one thing at a time.
        asked: what for.
        answer: what came back.
        invoked: when it was sent, in seconds of one process's monotonic clock.
        answered: when its answer was there whole; `NEVER` for an unknown one, which may take effect at any time.
    """

    number: int
    slot: str
    client: str
    asked: Asked
    answer: Answer
    invoked: float
    answered: float

    def __str__(self) -> str:
        end = "…" if self.answered == NEVER else f"{self.answered:.4f}"
        return f"#{self.number} {self.client} [{self.invoked:.4f}, {end}] {_short(self.asked)} -> {_short(self.answer)}"


class History:
    """Operations of any number of threads; what has not ended yet is of unknown outcome."""

    def __init__(self, operations: Iterable[Operation] = ()) -> None:
        self._operations = list(operations)
        self._lock = threading.Lock()

    def begin(self, slot: str, client: str, asked: Asked, invoked: float) -> int:
        """Note a request before it goes out, as one of unknown outcome; its number."""
        with self._lock:
            number = len(self._operations)
            self._operations.append(Operation(number, slot, client, asked, UNKNOWN, invoked, NEVER))
        return number

    def end(self, number: int, answer: Answer, answered: float) -> None:
        """Note what was told; of an unknown outcome nothing is."""
        if answer != UNKNOWN:
            with self._lock:
                self._operations[number] = replace(self._operations[number], answer=answer, answered=answered)

    def by_slot(self) -> dict[str, list[Operation]]:
        """The operations of each slot, in the order of their beginnings."""
        slots: dict[str, list[Operation]] = {}
        with self._lock:
            for operation in self._operations:
                slots.setdefault(operation.slot, []).append(operation)
        return slots

    def figures(self) -> Counter[str]:
        """How many were answered well (`ok`), refused by a definite answer, or not answered for sure (`unknown`)."""
        with self._lock:
            return Counter(_figure(operation.answer) for operation in self._operations)

    def __len__(self) -> int:
        return len(self._operations)

    def write(self, path: Path) -> None:
        """One operation a line, as JSON."""
        with self._lock, path.open("w") as file:
            for operation in self._operations:
                file.write(json.dumps(_as_json(operation)) + "\n")

    @classmethod
    def read(cls, path: Path) -> History:
        """What `write` wrote."""
        with path.open() as file:
            return cls(_from_json(json.loads(line)) for line in file)


def _figure(answer: Answer) -> str:
    match answer:
        case Unknown():
            return "unknown"
        case Mismatch() | NeverExisted() | TurnedAway():
            return "refused"
        case Broken():
            return "broken"
    return "ok"


def _short(part: Asked | Answer) -> str:
    facts = [f"{value:.12}" if name == "digest" else str(value) for name, value in asdict(part).items()]
    return f"{type(part).__name__}({', '.join(facts)})"


def _as_json(operation: Operation) -> dict[str, Any]:
    return {
        "number": operation.number,
        "slot": operation.slot,
        "client": operation.client,
        "asked": {"kind": type(operation.asked).__name__, **asdict(operation.asked)},
        "answer": {"kind": type(operation.answer).__name__, **asdict(operation.answer)},
        "invoked": operation.invoked,
        "answered": None if operation.answered == NEVER else operation.answered,
    }


def _from_json(line: dict[str, Any]) -> Operation:
    parts = {name: dict(line[name]) for name in ("asked", "answer")}
    made = {name: _KINDS[part.pop("kind")](**part) for name, part in parts.items()}
    answered = NEVER if line["answered"] is None else float(line["answered"])
    return Operation(line["number"], line["slot"], line["client"], invoked=line["invoked"], answered=answered, **made)
