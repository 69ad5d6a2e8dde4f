"""A flood from a process of its own: new connections as fast as they can be had, each with the same bytes.

    python flood.py PORT < bytes

The responses are not read; a few dozen connections are kept open, until the process is ended.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

OPEN_AT_ONCE = 60


@contextmanager
def flood(port: int, request: bytes) -> Iterator[None]:
    """As long as the block lasts."""
    attacker = subprocess.Popen([sys.executable, __file__, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert attacker.stdin is not None
    assert attacker.stdout is not None
    try:
        attacker.stdin.write(request)
        attacker.stdin.close()
        attacker.stdout.readline()  # it has begun
        yield
    finally:
        attacker.kill()
        attacker.wait()
        attacker.stdout.close()


def attack(port: int, request: bytes) -> None:
    """Without end."""
    opened: deque[socket.socket] = deque()
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=1)
            connection.sendall(request)
        except OSError:
            continue
        opened.append(connection)
        if len(opened) == OPEN_AT_ONCE:
            sys.stdout.write("begun\n")
            sys.stdout.flush()
        if len(opened) > OPEN_AT_ONCE:
            opened.popleft().close()


if __name__ == "__main__":
    attack(int(sys.argv[1]), sys.stdin.buffer.read())
