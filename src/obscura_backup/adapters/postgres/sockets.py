"""What the sockets of connections to PostgreSQL tell by themselves, and hanging up on them."""

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
    """End the connection at once, whatever is under way on it."""
    # Hanging up under the driver's hands looks to it like a server that hung up: it cleans up and raises.
    if not connection.closed:
        with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)


def is_closed_by_peer(connection: psycopg.AsyncConnection[Any]) -> bool:
    """Whether it is of no use any more; an unread answer does not make it so."""
    if connection.closed:
        return True
    if connection.pgconn.transaction_status != TransactionStatus.ACTIVE:
        return has_unsolicited_input(connection)
    poll = select.poll()
    poll.register(connection.fileno(), getattr(select, "POLLRDHUP", 0))  # a Mac tells unasked
    return bool(poll.poll(0))


def has_unsolicited_input(connection: psycopg.AsyncConnection[Any]) -> bool:
    """Whether there is something to read on a connection that was asked nothing: a server's farewell."""
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
