"""What a run found, as text and as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mutation.trial import Verdict

if TYPE_CHECKING:
    from mutation.areas import Area
    from mutation.equivalents import Equivalent
    from mutation.mutant import Mutant

_SURVIVED = frozenset({Verdict.SURVIVED, Verdict.NOT_REACHED})


def survivors_of(documents: list[dict[str, Any]]) -> set[str]:
    """The identities of the survivors in an earlier JSON report."""
    names = {verdict.value for verdict in _SURVIVED}
    return {each["identity"] for outcome in documents for each in outcome["mutants"] if each["verdict"] in names}


@dataclass
class Outcome:
    """The mutants of one area that were tried.

    Attributes:
        area: which.
        seed: of the sample.
        places: in how many places of its code there are mutants.
        asked: how many were to be tried.
        judged: what was tried.
        explained: what was drawn and is known to be equivalent; it was not tried.
    """

    area: Area
    seed: int
    places: int
    asked: int
    judged: list[tuple[Mutant, Verdict, list[str]]] = field(default_factory=list)
    explained: list[tuple[Mutant, Equivalent]] = field(default_factory=list)

    @property
    def survivors(self) -> list[tuple[Mutant, Verdict, list[str]]]:
        """What no test found."""
        return [each for each in self.judged if each[1] in _SURVIVED]

    @property
    def share(self) -> float:
        """The share of the tried mutants that were killed; 1 where none was tried."""
        return 1 - len(self.survivors) / len(self.judged) if self.judged else 1.0

    @property
    def line(self) -> str:
        """The figures in one line."""
        counts = Counter(verdict for _, verdict, _ in self.judged)
        killed = len(self.judged) - len(self.survivors)
        sampled = len(self.judged) + len(self.explained)
        stopped = f"; stopped by time before {self.asked}" if sampled < min(self.asked, self.places) else ""
        return (
            f"{self.area.name}: {sampled} sampled of {self.places} places (seed {self.seed}), {killed} killed"
            f" ({counts[Verdict.TIMED_OUT]} by time), {counts[Verdict.SURVIVED]} survived,"
            f" {counts[Verdict.NOT_REACHED]} not reached, {len(self.explained)} equivalent:"
            f" {self.share:.1%} of {len(self.judged)} killed, {self.area.target:.0%} wanted{stopped}"
        )

    @property
    def text(self) -> str:
        """The figures, and each survivor with its place and its change."""
        survivors = [f"\n{_place(mutant)}: {verdict.value}\n{mutant.diff}" for mutant, verdict, _ in self.survivors]
        return "\n".join((self.line, *survivors))

    @property
    def document(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "area": self.area.name,
            "seed": self.seed,
            "places": self.places,
            "asked": self.asked,
            "target": self.area.target,
            "killed_share": round(self.share, 4),
            "mutants": [
                {**_described(mutant), "verdict": verdict.value, "tests": tests}
                for mutant, verdict, tests in self.judged
            ],
            "equivalent": [{**_described(mutant), "reason": entry.reason} for mutant, entry in self.explained],
        }


def _place(mutant: Mutant) -> str:
    return f"{mutant.site.path.as_posix()}:{mutant.site.start[0]}"


def _described(mutant: Mutant) -> dict[str, Any]:
    before, after = mutant.change
    site = mutant.site
    return {
        "place": _place(mutant),
        "file": site.path.as_posix(),
        "function": site.function,
        "operator": site.operator,
        "identity": site.identity,
        "before": before,
        "after": after,
    }
