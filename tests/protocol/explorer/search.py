"""Every state that a scenario can reach, each visited once, the nearest first."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from time import process_time
from typing import TYPE_CHECKING

from protocol.explorer.transitions import Broken, Transitions
from protocol.explorer.way_out import FreshClient

if TYPE_CHECKING:
    from protocol.explorer.scenarios import Scenario
    from protocol.explorer.transitions import State

UNLIMITED = 1 << 60


@dataclass(frozen=True, slots=True)
class Exploration:
    """What came out.

    Attributes:
        scenario: what was explored.
        states: how many were visited.
        transitions: how many steps there are from these, the ones to states already visited among them.
        depth: how many steps the farthest state is away.
        exhausted: whether there are no more states.
        seconds: of the processor that it took.
        trace: the shortest way to where an invariant does not hold, a line a step; empty: none was found.
    """

    scenario: Scenario
    states: int
    transitions: int
    depth: int
    exhausted: bool
    seconds: float
    trace: tuple[str, ...] = ()

    def __str__(self) -> str:
        extent = "exhausted" if self.exhausted else "bounded, not exhausted"
        if self.trace:
            extent = f"broken by {len(self.trace)} steps"
        return (
            f"{self.scenario.name}: {extent}; {self.states:,} states, {self.transitions:,} transitions, "
            f"depth {self.depth}, {self.seconds:.1f} s, {self.states / self.seconds:,.0f} states/s"
        )


class _Search:
    def __init__(self, scenario: Scenario) -> None:
        self.transitions = Transitions(scenario)
        self.steps = self.depth = 0
        self.came: dict[State, State | None] = {self.transitions.start(): None}
        self._pairs_seen: set[tuple[int, int]] = set()

    def run(self, limit: int) -> bool:
        """Whether all states were visited."""
        layer = list(self.came)
        while layer and len(self.came) < limit:
            layer = self._visit(layer)
            self.depth += bool(layer)
        return not layer

    def _visit(self, layer: list[State]) -> list[State]:
        came = self.came
        found: list[State] = []
        for state in layer:
            complaint = self._complaint(state)
            if complaint:
                raise _Complaint((*self.way_to(state), complaint))
            try:
                reached = self.transitions.successors(state)
            except Broken as broken:
                lines = (step.line for step in self.transitions.explained(state) if step.state is None)
                raise _Complaint((*self.way_to(state), next(lines))) from broken
            self.steps += len(reached)
            for new in reached:
                if new not in came:
                    came[new] = state
                    found.append(new)
        return found

    def _complaint(self, state: State) -> str:
        moves = self.transitions.moves
        world = moves.worlds[state[0]]
        pair = world.row, world.found
        if pair in self._pairs_seen:
            return ""
        self._pairs_seen.add(pair)
        row, found = (moves.requests.revisions.of[number] for number in pair)
        complaint = FreshClient(row, found).complaint()
        return complaint and f"a fresh client, without faults. BROKEN: {complaint}"

    def way_to(self, state: State) -> tuple[str, ...]:
        """The shortest way, a line a step."""
        way: list[str] = []
        while (before := self.came[state]) is not None:
            way.append(next(step.line for step in self.transitions.explained(before) if step.state == state))
            state = before
        return tuple(reversed(way))


class _Complaint(Exception):
    def __init__(self, trace: tuple[str, ...]) -> None:
        super().__init__(trace[-1])
        self.trace = trace


def explore(scenario: Scenario, limit: int = UNLIMITED) -> Exploration:
    """Visit all states, or the nearest ones, about `limit` of them; end with the first that breaks an invariant."""
    started = process_time()
    search = _Search(scenario)
    collecting = gc.isenabled()
    gc.disable()  # millions of tuples of numbers, none of them garbage, are half of the time to look through
    exhausted = False
    trace: tuple[str, ...] = ()
    try:
        exhausted = search.run(limit)
    except _Complaint as complaint:
        trace = complaint.trace
    finally:
        if collecting:
            gc.enable()
    return Exploration(
        scenario=scenario,
        states=len(search.came),
        transitions=search.steps,
        depth=search.depth,
        exhausted=exhausted,
        seconds=process_time() - started,
        trace=trace,
    )
