"""Where each request stands, as a number: the answers that it got so far, and what they make it ask next."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from contracts import samples
from obscura_backup.domain.model import Version
from protocol.explorer import processes
from protocol.explorer.processes import Ask, Ending, Reply, Said, Wants
from protocol.explorer.scenarios import Does, Turn

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from obscura_backup.domain.model import Revision, Tag
    from protocol.explorer.processes import Answer
    from protocol.explorer.scenarios import Scenario

OVER = 0
"""The number of a client that has had its turns, and of a request whose client is gone."""
SILENCE = -1
"""The number of the answer that a row cannot be read now."""


class Revisions:
    """Revisions as numbers; 0 is none."""

    def __init__(self) -> None:
        self.of: list[Revision | None] = [None]
        self.text: list[str] = [""]
        self._numbers: dict[Revision | None, int] = {None: 0}
        self._texts: dict[bytes, str] = {}

    def number(self, revision: Revision | None) -> int:
        number = self._numbers.get(revision)
        if number is None:
            assert revision is not None
            number = self._numbers[revision] = len(self.of)
            self.of.append(revision)
            self.text.append(self._texts.get(revision.sha256, "") if revision.is_live else "")
        return number

    def name(self, sha256: bytes, text: str) -> None:
        """Remember which text has this digest."""
        self._texts[sha256] = text

    def version(self, number: int) -> int:
        revision = self.of[number]
        return revision.version if revision else 0

    def is_live(self, number: int) -> bool:
        revision = self.of[number]
        return revision is not None and revision.is_live


class Request(NamedTuple):
    """One request of a client: its turn, which attempt at it, and the latest version that the client was told of."""

    client: int
    turn: int
    attempt: int
    known: int


class Local(NamedTuple):
    """A request and the answers that it got so far, as numbers."""

    request: Request
    answers: tuple[int, ...]


class Stray(NamedTuple):
    """A write on its way to a store; no request waits for its outcome."""

    wants: Wants
    revision: int
    replaces: Tag | None


Step: TypeAlias = int | Ending


class Requests:
    """All the places where requests stand that were met so far."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.revisions = Revisions()
        self.keys: list[Local | Stray | None] = [None]
        self.asks: list[Ask] = [Ask(Wants.NOTHING)]
        self._numbers: dict[Local | Stray, int] = {}
        self._steps: dict[tuple[int, int], Step] = {}

    def turn(self, request: Request) -> Turn:
        return self.scenario.clients[request.client][request.turn]

    def text(self, request: Request) -> str:
        """What an upload consists of: the same in each attempt."""
        return self.turn(request).text or f"{'ABCDEFGH'[request.client]}{request.turn + 1}"

    def expected(self, request: Request) -> int:
        fixed = self.turn(request).expected
        return request.known if fixed is None else fixed

    def first(self, client: int, turn: int, known: int) -> int:
        """A client's turn, not begun; `OVER` where it has no more."""
        if turn >= len(self.scenario.clients[client]):
            return OVER
        return self._place(Local(Request(client, turn, 0, known), ()))

    def again(self, request: Request) -> tuple[int, ...]:
        """What a client may do that got no definite answer: send the same, or go on without knowing."""
        gone_on = self.first(request.client, request.turn + 1, request.known)
        if request.attempt == self.scenario.retries:
            return (gone_on,)
        return self._place(Local(request._replace(attempt=request.attempt + 1), ())), gone_on

    def after(self, request: Request, ending: Ending) -> tuple[int, ...]:
        """What a client may go on with once it was told how its request ended."""
        match ending.said:
            case Said.UNAVAILABLE:
                return self.again(request)
            case Said.STORED | Said.READ:
                known = self.revisions.version(self.revisions.number(ending.revision))
            case Said.CONFLICT | Said.LOST:
                known = ending.version
            case _:
                known = 0
        return (self.first(request.client, request.turn + 1, known),)

    def stray(self, ask: Ask) -> int:
        """The write that a request asked for, on its own."""
        key = Stray(ask.wants, self.revisions.number(ask.revision), ask.replaces)
        return self._numbers.get(key) or self._add(key, ask)

    def is_unbegun(self, place: int) -> bool:
        key = self.keys[place]
        return key is None or (isinstance(key, Local) and not key.answers)

    def step(self, place: int, answer: int) -> Step:
        """Where a request stands after one more answer, or how it ended."""
        known = self._steps.get((place, answer))
        if known is None:
            key = self.keys[place]
            assert isinstance(key, Local)
            known = self._steps[place, answer] = self._resumed(Local(key.request, (*key.answers, answer)))
        return known

    def _place(self, key: Local) -> int:
        place = self._numbers.get(key) or self._resumed(key)
        assert isinstance(place, int)
        return place

    def _resumed(self, key: Local) -> Step:
        outcome = processes.resume(self._call(key.request), self._answers(key))
        return outcome if isinstance(outcome, Ending) else self._add(key, outcome)

    def _add(self, key: Local | Stray, ask: Ask) -> int:
        number = self._numbers[key] = len(self.keys)
        self.keys.append(key)
        self.asks.append(ask)
        return number

    def _answers(self, key: Local) -> list[Answer]:
        """The numbers as what they stand for; which of the two tables, the place before tells."""
        answers: list[Answer] = []
        for count, number in enumerate(key.answers):
            asked = self.asks[self._numbers[Local(key.request, key.answers[:count])]]
            is_write = asked.wants in (Wants.PUT, Wants.SAVE)
            if number == SILENCE:
                answers.append(Reply.UNKNOWN)
            else:
                answers.append(Reply(number) if is_write else self.revisions.of[number])
        return answers

    def _call(self, request: Request) -> Coroutine[Any, Answer, Ending]:
        turn = self.turn(request)
        parts = processes.parts_named(request, processes.LONG_AGO if turn.long_ago else samples.MOMENT)
        expected = Version(self.expected(request))
        match turn.does:
            case Does.READ:
                return processes.read(parts.service())
            case Does.HEAD:
                return processes.head(parts.service())
            case Does.SCRUB:
                return processes.scrub(parts)
            case Does.REAP:
                return processes.reap(processes.parts_named(request, processes.REAPED_AT))
            case Does.DELETE:
                return processes.delete(parts.service(), expected)
            case Does.UPLOAD:
                text = self.text(request)
                self.revisions.name(processes.digest(text), text)
                return processes.upload(parts.service(), expected, text, early=self.scenario.early)
