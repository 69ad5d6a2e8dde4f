"""What clients may be told: one versioned register a user, and every way in which what was told may have come about.

A request whose outcome is unknown may have been applied, may yet be, or never. So there is a set of *lines*, each of
them one order in which the writes were applied; each answer keeps those lines that it fits. None left: the service has
told something that no order of events explains (linearizability, by Lowe's just-in-time linearization: a write is
applied in a line only once an answer needs it).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from protocol.answers import (
    Answer,
    Deleted,
    Lost,
    NoSuchRange,
    NotDone,
    Nothing,
    Read,
    Refused,
    Shown,
    Stored,
    Unknown,
    Write,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class Violation(AssertionError):
    """The service broke a promise."""


@dataclass(frozen=True, slots=True)
class Held:
    """One revision: what a slot held from one write to the next. `content` None: a tombstone."""

    version: int
    base: int
    content: bytes | None

    @property
    def is_live(self) -> bool:
        return self.content is not None


@dataclass(frozen=True, slots=True)
class State:
    """The slot. `row` is what the metadata store held when a store was last restored, and counts where it is ahead."""

    object: Held | None = None
    row: Held | None = None

    @property
    def undone(self) -> bool:
        """Whether a restored bucket brought back what had been deleted: the next writer deletes it again first."""
        row, held = self.row, self.object
        return held is not None and held.is_live and row is not None and not row.is_live and row.version > held.version

    @property
    def lacks_its_grave(self) -> bool:
        """Whether the row's tombstone is to be put back, by the next writer or by a walk with repair."""
        return self.undone or (self.object is None and self.row is not None and not self.row.is_live)

    @property
    def is_lost(self) -> bool:
        """Whether the row knows a backup that is gone: there is no object, or an older tombstone."""
        row, held = self.row, self.object
        if row is None or not row.is_live:
            return False
        return held is None or (not held.is_live and held.version < row.version)

    @property
    def met(self) -> Held | None:
        """What a writer meets. Where the object is gone, or the backup in it, the row still knows of it."""
        return self.row if self.object is None or self.is_lost else self.object

    @property
    def buried(self) -> State:
        return replace(self, object=self.row)

    def repeats(self, write: Write) -> bool:
        """Whether the upload is what the slot holds: its own retry, or the very bytes again."""
        held = self.object
        return (
            held is not None
            and held.is_live
            and held.content == write.content
            and write.expected in (held.version, held.base)
        )

    def takes(self, write: Write) -> bool:
        """Whether the write is to be applied, of all that may be answered to it."""
        met = self.met
        if self.undone or self.repeats(write):
            return False
        if met is None:
            return write.content is not None and write.expected == 0
        if met.is_live:
            return write.expected == met.version
        return write.content is not None and write.expected in (0, met.version)

    def after(self, write: Write) -> State:
        """Versions count on from the highest that either store remembers."""
        version = max((held.version for held in (self.object, self.row) if held is not None), default=0) + 1
        return State(Held(version, write.expected, write.content), self.row)


_Steps = tuple[tuple[State, str], ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One way in which it may have happened.

    Attributes:
        steps: the states so far, each with the name of the write that led to it.
        since: where in `steps` each operation that is under way began.
        waiting: writes that were asked for and are not applied in this line.
    """

    steps: _Steps
    since: frozenset[tuple[str, int]]
    waiting: frozenset[Write]

    @property
    def state(self) -> State:
        return self.steps[-1][0]

    def next_lines(self) -> Iterator[Line]:
        """One more step."""
        if self.state.lacks_its_grave:
            yield replace(self, steps=(*self.steps, (self.state.buried, "burial")))
        for write in self.waiting:
            if self.state.takes(write):
                step = self.state.after(write), write.name
                yield replace(self, steps=(*self.steps, step), waiting=self.waiting - {write})

    def ended(self, name: str, *, never: bool) -> Line:
        """The line without an operation that was answered, nor steps that no pending operation has seen."""
        since = {entry for entry in self.since if entry[0] != name}
        first = min((index for _, index in since), default=len(self.steps) - 1)
        held = self.state.object
        overtaken = range(1, held.version if held is not None else 1)  # versions are never reused: it cannot be applied
        waiting = frozenset(
            write for write in self.waiting if not (never and write.name == name) and write.expected not in overtaken
        )
        return Line(self.steps[first:], frozenset((other, index - first) for other, index in since), waiting)

    def fits(self, asked: Write | Read, answer: Answer, *, copied: bool) -> bool:
        """Whether the answer is a true one in this line.

        Args:
            asked: what was.
            answer: that came.
            copied: a copy of its PUT was refused because of the first, so it may have been applied and not know.
        """
        seen = [state for state, _ in self.steps[dict(self.since)[asked.name] :]]
        own = next((state.object for state, name in self.steps if name == asked.name), None)
        if isinstance(asked, Read):
            return any(_true_read(state, asked, answer) for state in seen)
        if own is not None and not copied:
            wanted = Deleted() if own.content is None else Stored(own.version)
            return answer == wanted
        if own is not None and answer == (Deleted() if own.content is None else Stored(own.version)):
            return True
        return isinstance(answer, NotDone) or any(_true_of(state, asked, answer) for state in seen)


def _true_read(state: State, asked: Read, answer: Answer) -> bool:
    held = state.object
    if held is None or held.content is None:
        lost = state.row if state.is_lost else None
        return answer == (Nothing() if lost is None else Lost(lost.version))
    part = (0, len(held.content)) if asked.wanted is None else asked.wanted.resolve(len(held.content))
    if part is None:
        return answer == NoSuchRange(len(held.content))
    bytes_ = held.content[part[0] : part[0] + part[1]]
    return answer in (Shown(held.version, bytes_), Shown(held.version, None))


def _true_of(state: State, asked: Write, answer: Answer) -> bool:
    """Whether a write that changes nothing is answered truly in this state."""
    if state.undone or state.takes(asked):
        return False
    met = state.met
    if state.repeats(asked):
        return met is not None and answer == Stored(met.version)
    if asked.content is None and (met is None or not met.is_live):
        return answer == (Nothing() if met is None else Deleted())
    return answer == Refused(met.version if met else 0)


class Register:
    """All that is known of one user's slot from what clients were told."""

    def __init__(self) -> None:
        self._lines = {Line(((State(), ""),), frozenset(), frozenset())}
        self._acknowledged: dict[int, bytes | None] = {}
        self._newest_at: dict[str, int] = {}

    @property
    def contents(self) -> list[bytes]:
        """That the slot may hold now."""
        held = {line.state.object.content for line in self._lines if line.state.object is not None}
        return sorted(content for content in held if content is not None)

    def asked(self, asked: Write | Read) -> None:
        """An operation begins."""
        new = frozenset({asked} if isinstance(asked, Write) else ())
        self._newest_at[asked.name] = max(self._acknowledged, default=0)
        self._lines = {
            replace(line, since=line.since | {(asked.name, len(line.steps) - 1)}, waiting=line.waiting | new)
            for line in self._lines
        }

    def answered(self, asked: Write | Read, answer: Answer, *, copied: bool = False) -> None:
        """An operation ends.

        Raises:
            Violation: no order of events explains the answer.
        """
        newest = self._newest_at.pop(asked.name)
        if isinstance(answer, Unknown) or (isinstance(asked, Read) and isinstance(answer, NotDone)):
            self._lines = {line.ended(asked.name, never=False) for line in self._lines}
            return
        fitting = set(self._reachable(asked, answer, copied=copied))
        if not fitting:
            raise Violation(f"{asked} was answered by {answer}, though the slot was {self}")
        if isinstance(answer, Stored) and isinstance(asked, Write):
            self._acknowledge(answer.version, asked.content, newest)
        self._lines = {line.ended(asked.name, never=True) for line in fitting}

    def _acknowledge(self, version: int, content: bytes | None, newest: int) -> None:
        if version not in self._acknowledged and version <= newest:
            raise Violation(f"version {version} was new after version {newest} had been acknowledged")
        if self._acknowledged.setdefault(version, content) != content:
            raise Violation(f"version {version} was acknowledged for two contents")

    def _reachable(self, asked: Write | Read, answer: Answer, *, copied: bool) -> Iterator[Line]:
        """Every line that fits with as few more steps as it takes; further ones can be taken when they are needed.

        A write that fits without having been applied (a deletion of what another one deleted) may have been, too.
        """
        met: set[Line] = set()
        left = list(self._lines)
        while left:
            line = left.pop()
            if line in met:
                continue
            met.add(line)
            if line.fits(asked, answer, copied=copied):
                yield line
                if asked not in line.waiting:
                    continue
            left.extend(line.next_lines())

    def _every_line(self) -> set[Line]:
        """The lines with all steps that may have been taken."""
        met: set[Line] = set()
        left = list(self._lines)
        while left:
            line = left.pop()
            if line not in met:
                met.add(line)
                left.extend(line.next_lines())
        return met

    def nothing_is_under_way(self) -> None:
        """All that may yet have been applied was applied by now, or never will be."""
        self._lines = {
            replace(line, steps=((line.state, ""),), since=frozenset(), waiting=frozenset())
            for line in self._every_line()
        }

    def restored(self, held: Held | None, row: Held | None) -> None:
        """Both stores were looked at after one of them was restored, with nothing under way: that is what there is."""
        self._lines = {Line(((State(held, row), ""),), frozenset(), frozenset())}
        self._forget_above(max((one.version for one in (held, row) if one is not None), default=0))
        if held is not None:
            self._acknowledged[held.version] = held.content

    def rows_restored(self, row: Held | None, *, remembered: int) -> None:
        """The metadata store alone was restored, with no request under way; PUTs may still be.

        `remembered` is the highest version that either store knows of now.
        """
        self._lines = {
            replace(line, steps=((replace(line.state, row=row), ""),), since=frozenset()) for line in self._every_line()
        }
        self._forget_above(remembered)

    def _forget_above(self, remembered: int) -> None:
        if remembered < max(self._acknowledged, default=0):
            self._acknowledged.clear()  # no pending operation refers to those, so their numbers are reused

    def __repr__(self) -> str:
        return " or ".join(sorted({f"{line.state} ({len(line.waiting)} may follow)" for line in self._lines}))
