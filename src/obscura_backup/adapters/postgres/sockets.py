"""The state of the sockets of PostgreSQL connections, and how to abort them."""

from __future__ import annotations

import os
import select
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from psycopg.pq import TransactionStatus

if TYPE_CHECKING:
    import psycopg


def abort(connection: psycopg.AsyncConnection[Any]) -> None:
    """End the connection at once, even during a query."""
    # To the driver it looks as if the server closed the connection: it cleans up and raises.
    if not connection.closed:
        with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)


def is_closed_by_peer(connection: psycopg.AsyncConnection[Any]) -> bool:
    """Whether the server closed the connection. An unread answer does not count."""
    if connection.closed:
        return True
    if connection.pgconn.transaction_status != TransactionStatus.ACTIVE:
        return has_unsolicited_input(connection)
    poll = select.poll()
    poll.register(connection.fileno(), getattr(select, "POLLRDHUP", 0))  # macOS reports it without being asked
    return bool(poll.poll(0))


def has_unsolicited_input(connection: psycopg.AsyncConnection[Any]) -> bool:
    """Whether there is something to read on an idle connection: the server is closing it."""
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
