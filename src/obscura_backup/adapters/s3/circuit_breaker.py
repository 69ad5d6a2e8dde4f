"""Whether the store is known to be silent, and whose turn it is to find out whether it still is."""

from __future__ import annotations

import logging
import threading
import time

from obscura_backup.domain.errors import BlobStoreUnavailable

SILENCES = 2
"""So many calls in a row that get no answer are an outage. One alone may be a connection that broke."""
PAUSE_SECONDS = 1.0
"""After a question that got no answer, until the next."""

_log = logging.getLogger("obscura_backup")


class Outage:
    """Spares callers the wait for a store that hangs, and the store the calls. Any number of threads may use it.

    The first question is due as soon as an outage begins: where a few calls were unlucky at once, and the store is
    well, it costs one short question and not a pause.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._silences = 0
        self._down = False
        self._asking = False
        self._quiet_until = 0.0

    def refuse(self) -> None:
        """Pass while all is well.

        Raises:
            BlobStoreUnavailable: the store is silent; nothing was sent to it.
        """
        if self._down:
            raise BlobStoreUnavailable

    def take_turn(self) -> bool:
        """Whether it is the caller's turn to ask whether the outage is over; then `end_turn` has to follow."""
        with self._lock:
            if not self._down or self._asking or time.monotonic() < self._quiet_until:
                return False
            self._asking = True
            return True

    def end_turn(self) -> None:
        """The question was asked; what came of it was told to `silent` or `answered`."""
        with self._lock:
            self._asking = False
            self._quiet_until = time.monotonic() + PAUSE_SECONDS

    def silent(self, error: Exception) -> None:
        """A call got no answer. `error` says so in words that hold no secret."""
        with self._lock:
            self._silences += 1
            begins = self._silences >= SILENCES and not self._down
            if begins:
                self._down = True
                self._quiet_until = 0.0
        if begins:
            _log.warning("the blob store is silent, so that calls fail at once until it answers: %s", error)

    def answered(self) -> None:
        """The store answered something, if only an error."""
        with self._lock:
            self._silences = 0
            ends, self._down = self._down, False
        if ends:
            _log.warning("the blob store answers again")
