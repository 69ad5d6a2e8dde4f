"""The history of a simulated deployment, from one look at the stores to the next, and the verdict on it."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from obscura_backup.domain.model import Kind
from torture.history import Deletion, History, Read, Upload
from torture.linearizability import check
from torture.register import State, apply

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from obscura_backup.domain.model import Revision, UserId
    from protocol.simulation.faulty_blobs import LatePut
    from torture.history import Answer, Asked


class Violation(AssertionError):
    """The service broke a promise."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a device asked of a slot, its number in the history, and when."""

    user_id: UserId
    device: str
    asked: Asked
    number: int
    moment: int


class Record:
    """A history of several slots. Between two events nothing moves, so that a count of the events is its clock.

    Args:
        starts: the states of the slots at its begin.
        late: PUTs on their way, which may arrive.
    """

    def __init__(self, starts: Mapping[UserId, State], late: Iterable[LatePut] = ()) -> None:
        self._starts = starts
        self._history = History()
        self._moments = itertools.count(1)
        for put in late:
            draft = put.draft
            asked = Upload(draft.base, draft.sha256.hex()) if draft.kind is Kind.LIVE else Deletion(draft.base)
            self.ask(put.user_id, "a late PUT", asked)

    def ask(self, user_id: UserId, device: str, asked: Asked) -> Question:
        """Note a request. Without an answer, it is one of unknown outcome."""
        moment = next(self._moments)
        return Question(user_id, device, asked, self._history.begin(str(user_id), device, asked, moment), moment)

    def answer(self, question: Question, answer: Answer, *, copied: bool = False) -> None:
        """Note an answer. A PUT that was sent twice makes two attempts: the answer is that of the second one."""
        number = question.number
        if copied:
            number = self._history.begin(str(question.user_id), question.device, question.asked, question.moment)
        self._history.end(number, answer, next(self._moments))

    def judge(self, states: Mapping[UserId, State]) -> None:
        """Require that one register per slot explains all answers, and these states in the end.

        Raises:
            Violation: it does not.
        """
        for user_id, state in states.items():
            for asked in (Read(), Upload(-1, "")):  # the second one is told the version of a tombstone
                self.answer(self.ask(user_id, "the test", asked), apply(state, asked)[0])
            refusal = check(self._history.by_slot()[str(user_id)], self._starts[user_id])
            if refusal is not None:
                raise Violation(str(refusal))


def state_of(row: Revision | None, found: Revision | None) -> State:
    """The state of a slot by its row and its object."""
    version = found.version if found is not None else 0
    digest, base = (found.sha256.hex(), found.base) if found is not None and found.is_live else ("", 0)
    if row is None or row.version <= version:
        return State(version, digest, base)
    return State(version, digest, base, row.version, row.is_live)


def digest_of(content: bytes) -> str:
    """By which a history names the bytes."""
    return hashlib.sha256(content).hexdigest()
