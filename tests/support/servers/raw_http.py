"""HTTP as an attacker writes it: bytes to a socket, and what comes back, answer by answer."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
SECONDS = 10.0
NEXT = b"GET /v1/config HTTP/1.1\r\nHost: next\r\n\r\n"
"""An innocent request behind a hostile one."""


@dataclass(frozen=True)
class Heard:
    """All that a connection said until it ended."""

    data: bytes

    @property
    def statuses(self) -> list[int]:
        """Of the answers, in order."""
        return [int(status) for status in _STATUS_LINE.findall(self.data)]


def say(port: int, *pieces: bytes) -> Heard:
    """Send the pieces and nothing more, and listen to the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the service had enough before we were done
        return Heard(listen(connection))


def listen(connection: socket.socket) -> bytes:
    """Everything until the other side closes."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data
