"""Several conditional PUTs at once, of which at most one may win.

Some stores look at the condition first and write later, so that two writers who come at once both get through. One
writer after another never notices.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from obscura_backup.adapters.s3.errors import Misconfigured, got_no_response
from obscura_backup.domain.errors import ObscuraError, PutRefused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from obscura_backup.domain.model import Revision

WRITERS = 4
ROUNDS = 3
"""Of each kind of race. As many again where no writer got a definite answer in any of them."""
START_SECONDS = 5.0
"""That the racers wait for each other, just before each sends its request."""


@dataclass(frozen=True, slots=True)
class RaceOutcome:
    """What came of one race.

    Attributes:
        stored: the revisions that were acknowledged.
        refused: how many were refused by the condition.
        failures: the other answers, and those that did not come.
    """

    stored: tuple[Revision, ...]
    refused: int
    failures: tuple[Unavailable, ...]

    @property
    def is_conclusive(self) -> bool:
        """Whether the store decided on the condition for at least one of them. 503 for all of them tells nothing."""
        return bool(self.stored) or self.refused > 0

    def violation(self, found: Revision | None) -> str:
        """What the store did wrong, given the object afterwards; empty where it did nothing wrong."""
        if len(self.stored) > 1:
            return f"{len(self.stored)} of {WRITERS} at once were written"
        if self.stored and (found is None or found.upload_id != self.stored[0].upload_id):
            return f"of {WRITERS} at once one was acknowledged, and it is not what the object holds"
        return ""

    def raise_if_unanswered(self) -> None:
        """Pass where the store answered everyone, with whatever status.

        A 409 or a 503 to those who lost is as good as a 412, and no winner is no harm.

        Raises:
            BlobStoreUnavailable: it was silent, or refused everyone for a reason that is no condition.
            OutcomeUnknown: it was silent.
        """
        for failure in self.failures:
            refuses_all = isinstance(failure, Misconfigured) and not self.is_conclusive
            if got_no_response(failure) or refuses_all:
                raise failure


def race(put: Callable[[Callable[[], None]], Revision]) -> RaceOutcome:
    """Let `WRITERS` threads put at once.

    Args:
        put: one conditional PUT. It calls what it is given just before it sends the request; there they meet.
    """
    together = threading.Barrier(WRITERS)

    def wait_for_the_others() -> None:
        with suppress(threading.BrokenBarrierError):  # one failed before it sent anything; the others race on
            together.wait(START_SECONDS)

    def run(_: int) -> Revision | ObscuraError:
        try:
            return put(wait_for_the_others)
        except (PutRefused, Unavailable) as error:
            return error

    with ThreadPoolExecutor(WRITERS, thread_name_prefix="blobs-race") as threads:
        answers = list(threads.map(run, range(WRITERS)))
    return RaceOutcome(
        stored=tuple(answer for answer in answers if not isinstance(answer, ObscuraError)),
        refused=sum(isinstance(answer, PutRefused) for answer in answers),
        failures=tuple(answer for answer in answers if isinstance(answer, Unavailable)),
    )
