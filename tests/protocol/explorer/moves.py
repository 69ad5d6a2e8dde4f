"""What may happen next to one request in one state of the two stores, faults among it.

Six faults are enough, whatever the code under test does with them; the others are made of these:

* a client gives up waiting: its request goes on, unheard, as far as it likes. With it: a process that dies at any point
  (its request goes no further), an answer that is lost on its way to the client, a request that arrives late.
* a PUT gets no answer, and is applied at any later time or never. With it: an answer that is lost.
* a PUT is applied, and the store answers that it was refused: a client library sent it twice by itself.
* a PUT is sent twice, and the second copy arrives at any later time.
* a COMMIT gets no answer, and happens at any later time or never. With it: a COMMIT whose answer is lost.
* a row cannot be read, in the scenarios that say so; a call that cannot read it can only end there.

Locks exclude no request: a dead connection that held one is possible everywhere, and costs no fault.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from protocol.explorer import stores
from protocol.explorer.invariants import BrokenError, Invariants, Ledger
from protocol.explorer.processes import Ending, Reply, Wants
from protocol.explorer.requests import OVER, SILENCE, Local, Requests
from protocol.explorer.scenarios import Does, Restores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protocol.explorer.processes import Ask
    from protocol.explorer.scenarios import Scenario

BROKEN = -1


class World(NamedTuple):
    """The two stores as numbers of revisions, and what the invariants remember.

    Attributes:
        row: in the metadata store.
        found: the object.
        copy: an older copy of the store that may be restored.
        ledger: of the past.
    """

    row: int = 0
    found: int = 0
    copy: int = 0
    ledger: Ledger = Ledger()


class Move(NamedTuple):
    """One thing that may happen.

    Attributes:
        cost: in faults.
        world: afterwards; `BROKEN` where an invariant does not hold.
        place: where the request stands afterwards.
        stray: what goes on unheard from now on (0: nothing).
        what: happened, for people.
    """

    cost: int
    world: int
    place: int
    stray: int
    what: str


class Moves:
    """All moves of a scenario, each found once."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.requests = Requests(scenario)
        self.invariants = Invariants(self.requests)
        self.worlds: list[World] = []
        self._numbers: dict[World, int] = {}
        self.start = self._number(World())

    def _number(self, world: World) -> int:
        number = self._numbers.get(world)
        if number is None:
            number = self._numbers[world] = len(self.worlds)
            self.worlds.append(world)
        return number

    def heard(self, place: int, at: int) -> tuple[Move, ...]:
        """Of a request whose client waits for it."""
        return tuple(self._heard(place, at))

    def unheard(self, place: int, at: int) -> tuple[Move, ...]:
        """Of a request or a write that has no waiting client."""
        return tuple(self._unheard(place, at))

    def of_stores(self, at: int) -> tuple[Move, ...]:
        """A copy that is made of a store, and a restore from it."""
        return tuple(self._of_stores(at))

    def _heard(self, place: int, at: int) -> Iterator[Move]:
        key = self.requests.keys[place]
        assert isinstance(key, Local)
        for cost, world, answer, stray, what in self._answers(place, at):
            after = self.requests.step(place, answer) if world != BROKEN else OVER
            if isinstance(after, int):
                yield Move(cost, world, after, stray, what)
                continue
            told = f"{what}; told {after.said.value} {self._version(after) or ''}".rstrip()
            try:
                following_world = self._told(world, key, after, self.requests.asks[place].wants)
            except BrokenError as broken:
                yield Move(cost, BROKEN, OVER, 0, f"{told}. BROKEN: {broken}")
                continue
            for following in self.requests.after(key.request, after):
                yield Move(cost, following_world, following, stray, told)
        if self.requests.turn(key.request).does.writes:
            for following in self.requests.again(key.request):
                yield Move(1, at, following, place, "its client gives up waiting")

    def _unheard(self, place: int, at: int) -> Iterator[Move]:
        is_request = isinstance(self.requests.keys[place], Local)
        for cost, world, answer, stray, what in self._answers(place, at):
            if not is_request and (cost or answer != Reply.DONE) and world != BROKEN:
                continue  # of a write on its own, nothing else can come
            after = self.requests.step(place, answer) if is_request and world != BROKEN else OVER
            yield Move(cost, world, after if isinstance(after, int) else OVER, stray, f"unheard, {what}")

    def _version(self, ending: Ending) -> int:
        return ending.revision.version if ending.revision else ending.version

    def _told(self, at: int, key: Local, ending: Ending, asked_last: Wants) -> int:
        world = self.worlds[at]
        found = self.requests.revisions.of[world.found]
        ledger = self.invariants.told(world.ledger, found, key.request, ending, asked_last)
        return at if ledger is world.ledger else self._number(world._replace(ledger=ledger))

    def _answers(self, place: int, at: int) -> Iterator[tuple[int, int, int, int, str]]:
        """(cost, world, answer, stray, what) for each way in which the ports may answer."""
        ask, world = self.requests.asks[place], self.worlds[at]
        match ask.wants:
            case Wants.ROW:
                yield 0, at, world.row, 0, f"reads the row: {self.named(world.row)}"
                if self.scenario.rows_fall_silent:
                    yield 1, at, SILENCE, 0, "reads the row: no answer"
            case Wants.LOOK:
                yield 0, at, world.found, 0, f"looks at the object: {self.named(world.found)}"
            case Wants.PUT:
                yield from self._put(ask, at)
            case Wants.SAVE:
                saved = self.requests.revisions.number(ask.revision)
                name = f"COMMIT of {self.named(saved)}"
                yield 0, self._saved(world, saved), Reply.DONE, 0, name
                yield 1, at, Reply.UNKNOWN, self.requests.stray(ask), f"{name}: no answer"

    def _put(self, ask: Ask, at: int) -> Iterator[tuple[int, int, int, int, str]]:
        world, revisions = self.worlds[at], self.requests.revisions
        put = revisions.number(ask.revision)
        name = f"PUT of {self.named(put)}"
        stray = self.requests.stray(ask)
        yield 1, at, Reply.UNKNOWN, stray, f"{name}: no answer"
        if not stores.condition_holds(revisions.of[world.found], ask.replaces):
            yield 0, at, Reply.REFUSED, 0, f"{name}: refused"
            return
        try:
            after = self._applied(world, put)
        except BrokenError as broken:
            yield 0, BROKEN, Reply.DONE, 0, f"{name} replaces {self.named(world.found)}. BROKEN: {broken}"
            return
        yield 0, after, Reply.DONE, 0, f"{name}: stored"
        if not self.scenario.sends_twice:
            return
        yield 1, after, Reply.REFUSED, 0, f"{name}: stored, and its second copy refused"
        yield 1, after, Reply.DONE, stray, f"{name}: stored, and a second copy on its way"

    def _applied(self, world: World, put: int) -> int:
        revisions = self.requests.revisions
        ledger = self.invariants.applied(world.ledger, revisions.of[world.row], revisions.of[world.found], put)
        new = revisions.of[put]
        assert new is not None
        found = revisions.number(stores.object_after(new))
        return self._number(world._replace(found=found, ledger=ledger))

    def _saved(self, world: World, saved: int) -> int:
        of = self.requests.revisions.of
        revision = of[saved]
        assert revision is not None
        row = self.requests.revisions.number(stores.row_after(of[world.row], revision))
        return self._number(world._replace(row=row))

    def _of_stores(self, at: int) -> Iterator[Move]:
        world, restores = self.worlds[at], self.scenario.restores
        if restores is Restores.NOTHING or world.ledger.restored:
            return
        now = world.found if restores is Restores.OBJECT else world.row
        if now == world.copy:
            return
        copied = self._number(world._replace(copy=now))
        yield Move(0, copied, OVER, 0, f"{restores.value} is copied: {self.named(now)}")
        found = world.copy if restores is Restores.OBJECT else world.found
        row = world.copy if restores is Restores.ROW else world.row
        ledger = self.invariants.restored(world.ledger, self.requests.revisions.of[found])
        restored = self._number(World(row, found, 0, ledger))
        yield Move(1, restored, OVER, 0, f"{restores.value} is restored: {self.named(world.copy)}")

    def named(self, number: int) -> str:
        """A revision, for people."""
        revision = self.requests.revisions.of[number]
        if revision is None:
            return "nothing"
        content = self.requests.revisions.text[number] if revision.is_live else "deleted"
        return f"version {revision.version} ({content}, on {revision.base})"

    def who(self, place: int) -> str:
        """Whose request or write this is, for people."""
        key = self.requests.keys[place]
        if not isinstance(key, Local):
            return "a write without a waiting client"
        request = key.request
        turn = self.requests.turn(request)
        match turn.does:
            case Does.UPLOAD:
                does = f"upload {self.requests.text(request)} on {self.requests.expected(request)}"
            case Does.DELETE:
                does = f"delete on {self.requests.expected(request)}"
            case _:
                does = turn.does.name.lower()
        again = f", sent {request.attempt + 1} times" if request.attempt else ""
        return f"{'ABCDEFGH'[request.client]} ({does}{again})"
