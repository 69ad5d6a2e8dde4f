"""Concurrent conditional PUTs, of which at most one may succeed.

Some stores check the condition first and write later, so that two concurrent writers both succeed. Sequential writers
never notice.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from obscura_backup.adapters.object_stores.errors import Misconfigured, got_no_response
from obscura_backup.domain.errors import ObscuraError, PutRefused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from obscura_backup.domain.model import Revision

WRITERS = 4
ROUNDS = 3
"""Per kind of race. The same number again if no writer got a conclusive answer."""
START_SECONDS = 5.0
"""How long the writers wait for each other before they send their requests."""


@dataclass(frozen=True, slots=True)
class RaceOutcome:
    """The outcome of one race.

    Attributes:
        stored: the acknowledged revisions.
        refused: how many PUTs were refused by the condition.
        failures: other responses, and missing ones.
    """

    stored: tuple[Revision, ...]
    refused: int
    failures: tuple[Unavailable, ...]

    @property
    def is_conclusive(self) -> bool:
        """Whether the store decided on the condition at least once. 503 for all of them proves nothing."""
        return bool(self.stored) or self.refused > 0

    def violation(self, found: Revision | None) -> str:
        """What the store did wrong, given the object afterwards; empty if nothing."""
        if len(self.stored) > 1:
            return f"{len(self.stored)} of {WRITERS} concurrent writers succeeded"
        if self.stored and (found is None or found.upload_id != self.stored[0].upload_id):
            return f"of {WRITERS} concurrent writers one was acknowledged, but the object holds something else"
        return ""

    def raise_if_unanswered(self) -> None:
        """Return if the store answered every writer, with any status.

        A 409 or a 503 for the losers is as good as a 412, and a race without a winner does no harm.

        Raises:
            BlobStoreUnavailable: it did not answer, or refused all for another reason than the condition.
            OutcomeUnknown: it did not answer.
        """
        for failure in self.failures:
            refuses_all = isinstance(failure, Misconfigured) and not self.is_conclusive
            if got_no_response(failure) or refuses_all:
                raise failure


def race(put: Callable[[Callable[[], None]], Revision]) -> RaceOutcome:
    """Let `WRITERS` threads put at the same time.

    Args:
        put: one conditional PUT. It calls its argument just before it sends the request, to wait for the others.
    """
    together = threading.Barrier(WRITERS)

    def wait_for_the_others() -> None:
        with suppress(threading.BrokenBarrierError):
            together.wait(START_SECONDS)

    def run(_: int) -> Revision | ObscuraError:
        try:
            return put(wait_for_the_others)
        except (PutRefused, Unavailable) as error:
            together.abort()  # it may have failed before it sent anything; the others go on at once
            return error

    with ThreadPoolExecutor(WRITERS, thread_name_prefix="blobs-race") as threads:
        answers = list(threads.map(run, range(WRITERS)))
    return RaceOutcome(
        stored=tuple(answer for answer in answers if not isinstance(answer, ObscuraError)),
        refused=sum(isinstance(answer, PutRefused) for answer in answers),
        failures=tuple(answer for answer in answers if isinstance(answer, Unavailable)),
    )
