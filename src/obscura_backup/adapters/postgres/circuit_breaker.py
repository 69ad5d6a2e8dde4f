"""Whether PostgreSQL is known to be down, and whose turn it is to find out whether it still is."""

from __future__ import annotations

import logging
import time

from obscura_backup.adapters.postgres.sessions import is_read_only
from obscura_backup.domain.errors import MetadataUnavailable

PAUSE_SECONDS = 1.0
"""How long after a failure all calls fail at once, before one of them may try again."""

_log = logging.getLogger("obscura_backup")


def unavailable(cause: BaseException | None) -> MetadataUnavailable:
    """What to raise, from this cause."""
    if is_read_only(cause):
        return MetadataUnavailable("The metadata database is read-only.")
    return MetadataUnavailable()


class Outage:
    """What is known about the server being down, and whose turn it is to find out whether it still is."""

    def __init__(self, *, probe_seconds: float) -> None:
        self._probe_seconds = probe_seconds
        self._quiet_until = 0.0
        self._probing = False
        self.cause: BaseException | None = None

    def admit(self) -> None:
        """Pass while all is well; in an outage one caller passes, once a pause, and the others need not wait for it.

        Raises:
            MetadataUnavailable: the server is down.
        """
        if self.cause is None:
            return
        now = time.monotonic()
        if now < self._quiet_until:
            raise unavailable(self.cause) from self.cause
        self._quiet_until = now + self._probe_seconds
        self._probing = True

    @property
    def forbids_connecting(self) -> bool:
        """Whether there is no use in trying, and nobody whose turn it is."""
        return self.cause is not None and not self._probing

    def begin(self, cause: BaseException) -> None:
        """The server was seen to be down just now. Told once an outage, in the driver's words; they hold no secret."""
        if self.cause is None:
            _log.warning("the metadata store is not available: %s", str(cause).strip() or type(cause).__name__)
        self.cause = cause.with_traceback(None)
        self._quiet_until = time.monotonic() + PAUSE_SECONDS
        self._probing = False

    def end(self) -> None:
        """The server has answered."""
        if self.cause is not None:
            _log.warning("the metadata store is available again")
            self.cause = None
