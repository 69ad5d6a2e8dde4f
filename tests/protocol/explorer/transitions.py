"""From one state of everything to the next ones: some client's request goes a step further, or a stray, or a store.

All that is costly is found once for each pair of (request, stores), and looked up from then on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from protocol.explorer.moves import BROKEN, Move, Moves
from protocol.explorer.requests import OVER
from protocol.explorer.scenarios import Restores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protocol.explorer.scenarios import Scenario

State: TypeAlias = tuple[int, ...]
"""The stores, the faults left, the set of strays, and then where each client's request stands; all of them numbers."""
AHEAD = 3


class Broken(Exception):
    """A step breaks an invariant."""


class Explained(NamedTuple):
    """A step, for people; no `state` where it breaks an invariant."""

    line: str
    state: State | None


class Strays:
    """Sets of what goes on unheard, as numbers; one of the same kind may be in there twice."""

    def __init__(self) -> None:
        self.members: list[tuple[int, ...]] = [()]
        self._numbers: dict[tuple[int, ...], int] = {(): 0}
        self._joined: dict[tuple[int, int], int] = {}

    def joined(self, strays: int, stray: int) -> int:
        """One more; 0 is none."""
        if not stray:
            return strays
        joined = self._joined.get((strays, stray))
        if joined is None:
            joined = self._joined[strays, stray] = self._number((*self.members[strays], stray))
        return joined

    def after(self, strays: int, place: int, move: Move) -> int:
        """One of them moved."""
        left = list(self.members[strays])
        left.remove(place)
        return self._number((*left, *filter(None, (move.place, move.stray))))

    def _number(self, members: tuple[int, ...]) -> int:
        members = tuple(sorted(members))
        number = self._numbers.get(members)
        if number is None:
            number = self._numbers[members] = len(self.members)
            self.members.append(members)
        return number


class Transitions:
    """All transitions of a scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.moves = Moves(scenario)
        self.strays = Strays()
        self._heard: dict[tuple[int, int], tuple[Move, ...]] = {}
        self._unheard: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
        self._operated: dict[int, tuple[Move, ...]] = {}
        self._clients = range(AHEAD, AHEAD + len(scenario.clients))

    def start(self) -> State:
        """Nothing is stored, and no request has begun."""
        firsts = (self.moves.requests.first(client, 0, 0) for client in range(len(self.scenario.clients)))
        return self.moves.start, self.scenario.faults, 0, *firsts

    def successors(self, state: State) -> list[State]:
        """All states that are one step away, some of them more than once.

        Raises:
            Broken: a step breaks an invariant.
        """
        reached = self._of_clients(state)
        if state[2]:
            reached += self._of_strays(state)
        if self.scenario.restores.value:
            reached += self._of_operator(state)
        return reached

    def _of_clients(self, state: State) -> list[State]:
        reached: list[State] = []
        world, faults, strays = state[:AHEAD]
        heard, joined = self._heard, self.strays.joined
        for index in self._clients:
            place = state[index]
            if place == OVER:
                continue
            moves = heard.get((place, world))
            if moves is None:
                moves = heard[place, world] = self.moves.heard(place, world)
            head, tail = state[AHEAD:index], state[index + 1 :]
            for cost, after, following, stray, _ in moves:
                if cost > faults:
                    continue
                if after == BROKEN:
                    raise Broken
                left = joined(strays, stray) if stray else strays
                reached.append((after, faults - cost, left, *head, following, *tail))
        return reached

    def _of_strays(self, state: State) -> list[State]:
        world, faults, strays = state[:AHEAD]
        moves = self._unheard.get((strays, world))
        if moves is None:
            moves = self._unheard[strays, world] = [
                (move.cost, move.world, self.strays.after(strays, place, move))
                for place in set(self.strays.members[strays])
                for move in self.moves.unheard(place, world)
            ]
        reached = []
        for cost, after, left in moves:
            if cost <= faults:
                if after == BROKEN:
                    raise Broken
                reached.append((after, faults - cost, left, *state[AHEAD:]))
        return reached

    def _of_operator(self, state: State) -> list[State]:
        return [after for _, after in self._operations(state)]

    def _operations(self, state: State) -> Iterator[tuple[Move, State]]:
        """Copies and restores of rows at any time; of the bucket, a restore while the service is closed."""
        moves = self._operated.get(state[0])
        if moves is None:
            moves = self._operated[state[0]] = self.moves.of_stores(state[0])
        for move in moves:
            if not move.cost or self.scenario.restores is Restores.ROW:
                yield move, (move.world, state[1] - move.cost, *state[2:])
            elif all(self.moves.requests.is_unbegun(place) for place in state[AHEAD:]):
                strays = state[2] if self.scenario.strays_survive else 0
                yield move, (move.world, state[1] - move.cost, strays, *state[AHEAD:])

    def explained(self, state: State) -> Iterator[Explained]:
        """The successors once more, slowly, with what happens on the way."""
        world, faults, strays = state[:AHEAD]
        for index in self._clients:
            place = state[index]
            for move in self.moves.heard(place, world) if place != OVER else ():
                if move.cost <= faults:
                    left = self.strays.joined(strays, move.stray)
                    clients = (*state[AHEAD:index], move.place, *state[index + 1 :])
                    yield self._explain(place, move, (move.world, faults - move.cost, left, *clients))
        for place in set(self.strays.members[strays]):
            for move in self.moves.unheard(place, world):
                if move.cost <= faults:
                    left = self.strays.after(strays, place, move)
                    yield self._explain(place, move, (move.world, faults - move.cost, left, *state[AHEAD:]))
        for move, after in self._operations(state):
            yield Explained(f"the operator: {move.what}", after)

    def _explain(self, place: int, move: Move, after: State) -> Explained:
        return Explained(f"{self.moves.who(place)}: {move.what}", None if move.world == BROKEN else after)
