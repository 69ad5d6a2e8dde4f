"""Answers that were sent and that the client has not taken: the system holds them, in memory that we do not see."""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
import termios
from typing import TYPE_CHECKING, cast

from obscura_backup.entrypoints.http.server.bounds import IN_FLIGHT_MAX_BYTES

if TYPE_CHECKING:
    from asyncio import Transport
    from collections.abc import Callable

SEND_BUFFER_BYTES = 128 * 1024
"""Per connection; the system's own choice grows to megabytes. Linux doubles it for its book-keeping (socket(7))."""


def limit_send_buffer(transport: Transport) -> None:
    """Let the system hold no more than that, so that the rest waits in this process, where it is timed."""
    _socket_of(transport).setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


def count_unsent_bytes(transport: Transport) -> int:
    """How much was written and not acknowledged by the client."""
    try:
        # SIOCOUTQ (tcp(7)) by another name.
        answer = fcntl.ioctl(_socket_of(transport).fileno(), termios.TIOCOUTQ, bytes(4))
        queued = int.from_bytes(answer, sys.byteorder)
    except (OSError, ValueError):
        queued = 0  # another system without this call, or a connection that just ended
    return transport.get_write_buffer_size() + queued


class SendBuffer:
    """The bytes that were written to one connection and that its client has not taken.

    Args:
        transport: of the connection.
        clock: seconds that only go forward.
    """

    def __init__(self, transport: Transport, clock: Callable[[], float]) -> None:
        self._transport = transport
        self._clock = clock
        self._written_bytes = 0
        self._taken_bytes = 0
        self._is_taken = True
        self._taken_at = clock()

    def write(self, data: bytes) -> None:
        """Write to the transport, and count."""
        if not self._transport.get_write_buffer_size():
            self._taken_at = self._clock()
        self._written_bytes += len(data)
        self._is_taken = False
        self._transport.write(data)

    def stalled_seconds(self) -> float:
        """How long the client has taken nothing, as seen by the calls of this method; 0 if nothing waits for it."""
        unsent_bytes = count_unsent_bytes(self._transport)
        taken_bytes = self._written_bytes - unsent_bytes
        if not unsent_bytes or taken_bytes > self._taken_bytes:
            self._taken_bytes, self._taken_at = taken_bytes, self._clock()
        return self._clock() - self._taken_at

    def is_taken(self) -> bool:
        """Whether the client has taken everything, but for a little that may be on its way."""
        # What was taken stays so until the next write, without a system call.
        self._is_taken = self._is_taken or count_unsent_bytes(self._transport) <= IN_FLIGHT_MAX_BYTES
        return self._is_taken


def abort(transport: Transport) -> None:
    """End a connection; drop what was not taken, by a reset. Without it the system would keep that for minutes."""
    if count_unsent_bytes(transport):
        _socket_of(transport).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _socket_of(transport: Transport) -> socket.socket:
    return cast("socket.socket", transport.get_extra_info("socket"))
