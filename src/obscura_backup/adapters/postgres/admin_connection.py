"""A blocking connection for an operator's command, which ends in bounded time, whatever the server does."""

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
"""How long an inspection waits for a locked table."""
INSPECT_TIMEOUT_SECONDS = 3.0
"""How long an inspection may take in total, once it is connected."""


@contextmanager
def open_connection(url: str, *, seconds: float = INSPECT_TIMEOUT_SECONDS) -> Iterator[psycopg.Connection[Any]]:
    """A connection, closed at the end.

    Args:
        url: `postgresql://…`, as libpq reads it.
        seconds: after which the connection is aborted.

    Raises:
        MetadataUnavailable: it was aborted.
        StoreUnusable: the URL is malformed.
        psycopg.Error: from the server, or there was no answer.
    """
    kwargs = parameters(url, connect_timeout_seconds=CONNECT_TIMEOUT_SECONDS)
    with closing(psycopg.connect(**kwargs, prepare_threshold=None)) as connection:
        timed_out = threading.Event()
        # The server's own time limits do not help if it is frozen while its kernel still acknowledges packets.
        guard = threading.Timer(seconds, _abort, (connection, timed_out))
        guard.daemon = True
        guard.start()
        try:
            yield connection
        except Exception as error:  # an aborted connection may raise anything, in the driver or in the caller
            if timed_out.is_set():
                raise MetadataUnavailable(f"The metadata database did not finish within {seconds:g} s.") from error
            raise
        finally:
            guard.cancel()


def set_timeouts(connection: psycopg.Connection[Any], *, lock_seconds: float, statement_seconds: float) -> None:
    """Set the server's time limits until the end of the transaction.

    Raises:
        psycopg.Error: from the server.
    """
    connection.execute(
        "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)",
        (f"{round(lock_seconds * 1000)}ms", f"{round(statement_seconds * 1000)}ms"),
    )


def _abort(connection: psycopg.Connection[Any], timed_out: threading.Event) -> None:
    # To the driver it looks as if the server closed the connection: it cleans up and raises.
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as line:
        timed_out.set()
        line.shutdown(socket.SHUT_RDWR)
