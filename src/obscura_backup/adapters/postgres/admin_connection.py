"""A connection for an operator's command: blocking, of its own, and it ends, whatever the server does or does not."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg

from obscura_backup.adapters.postgres.parameters import parameters
from obscura_backup.domain.errors import MetadataUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECT_TIMEOUT_SECONDS = 5
INSPECT_LOCK_TIMEOUT_SECONDS = 1.5
"""Who only looks waits so long for a table that somebody else has locked."""
INSPECT_TIMEOUT_SECONDS = 3.0
"""Who only looks is through after so long, counted from when it is connected."""


@contextmanager
def open_connection(url: str, *, seconds: float = INSPECT_TIMEOUT_SECONDS) -> Iterator[psycopg.Connection[Any]]:
    """A connection, closed at the end.

    Args:
        url: `postgresql://…`, whatever libpq takes.
        seconds: after which it is hung up, whatever is under way on it.

    Raises:
        MetadataUnavailable: it was hung up.
        StoreUnusable: the URL is none.
        psycopg.Error: as the server answered, or nobody answered at all.
    """
    kwargs = parameters(url, connect_timeout_seconds=CONNECT_TIMEOUT_SECONDS)
    with closing(psycopg.connect(**kwargs, prepare_threshold=None)) as connection:
        timed_out = threading.Event()
        # A time limit that the server keeps is none where the server is frozen, and its kernel goes on acknowledging.
        guard = threading.Timer(seconds, _abort, (connection, timed_out))
        guard.daemon = True
        guard.start()
        try:
            yield connection
        except Exception as error:  # whatever the driver, or who uses it, makes of a connection that was cut
            if timed_out.is_set():
                raise MetadataUnavailable(f"The metadata database was not through within {seconds:g} s.") from error
            raise
        finally:
            guard.cancel()


def set_timeouts(connection: psycopg.Connection[Any], *, lock_seconds: float, statement_seconds: float) -> None:
    """Until the transaction ends, have the server itself give up what takes longer.

    Raises:
        psycopg.Error: as the server answered.
    """
    connection.execute(
        "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)",
        (f"{round(lock_seconds * 1000)}ms", f"{round(statement_seconds * 1000)}ms"),
    )


def _abort(connection: psycopg.Connection[Any], timed_out: threading.Event) -> None:
    # Under the driver's hands, to whom it looks like a server that hung up: it cleans up and raises.
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as line:
        timed_out.set()
        line.shutdown(socket.SHUT_RDWR)
