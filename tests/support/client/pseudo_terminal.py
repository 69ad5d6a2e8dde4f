"""A pseudo-terminal for a program, and a simulated person who types."""

from __future__ import annotations

import os
import pty
import select
import signal
import time
from collections.abc import Mapping, Sequence


class PseudoTerminal:
    """Starts a program in its own terminal; its output is in `shown`. Unix only.

    Raises:
        TimeoutError: from what waits, after `patience_seconds`.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], patience_seconds: float = 20.0) -> None:
        self.patience_seconds = patience_seconds
        self.shown = b""
        self.process_id, self._terminal = pty.fork()
        if not self.process_id:
            # A shell that runs the tests in its background has them ignore Ctrl-C, and a program inherits that.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.execvpe(command[0], list(command), dict(environment))  # noqa: S606 - the child becomes the program

    def type(self, keys: str) -> None:
        """Press these keys."""
        os.write(self._terminal, keys.encode())

    def wait_for(self, text: str) -> str:
        """Read until it is shown; everything shown so far."""
        deadline = time.monotonic() + self.patience_seconds
        while text.encode() not in self.shown:
            if not self._read(deadline - time.monotonic()):
                raise TimeoutError(f"{text!r} is not in {self.shown!r}")
        return self.shown.decode(errors="replace")

    def ended(self) -> tuple[int, str]:
        """Read to the end; the exit code, and everything that was shown."""
        deadline = time.monotonic() + self.patience_seconds
        while self._read(deadline - time.monotonic()):
            pass
        os.close(self._terminal)
        _, status = os.waitpid(self.process_id, 0)
        return os.waitstatus_to_exitcode(status), self.shown.decode(errors="replace")

    def _read(self, timeout_seconds: float) -> bool:
        """Whether there was more within that time; at the program's end Linux answers with an error."""
        readable, _, _ = select.select([self._terminal], [], [], max(0.0, timeout_seconds))
        if not readable:
            os.kill(self.process_id, signal.SIGKILL)
            raise TimeoutError(f"nothing more after {self.shown!r}")
        try:
            found = os.read(self._terminal, 65536)
        except OSError:
            return False
        self.shown += found
        return bool(found)
