"""A progress line on terminals. It is removed at the end if the terminal supports that."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from obscura_backup_client.cli.terminal.escaping import printable
from obscura_backup_client.cli.terminal.output import may_style, write_stderr
from obscura_backup_client.operations.results import Step

if TYPE_CHECKING:
    from rich.status import Status

TEXTS = {
    Step.FETCHING: "Asking the server",
    Step.DERIVING: "Deriving the key (slow on purpose, to slow down guessing)",
    Step.SENDING: "Sending the backup",
    Step.DELETING: "Deleting the backup",
}
DIRECTIONS = {"down": "Receiving", "up": "Sending"}


@dataclass
class ProgressLine:
    """The progress line. Unless `shown`, it does nothing and loads nothing."""

    shown: bool
    _status: Status | None = field(default=None, init=False)
    _said: str = field(default="", init=False)
    _waited_for: str = field(default="", init=False)

    def on_step(self, step: Step) -> None:
        """Show the step that begins."""
        if may_style(sys.stderr):
            self._say(TEXTS[step])
        elif self.shown and TEXTS[step] != self._said:
            # Without escape sequences a line cannot be rewritten: one line per step, and none for bytes.
            self._said = TEXTS[step]
            write_stderr(f"{self._said} ...")

    def on_bytes(self, direction: str, done: int, total: int | None) -> None:
        """Show how much was transferred."""
        if not may_style(sys.stderr) or not (done or total):
            # "0 of 0 KiB" would say nothing.
            return
        of = "" if total is None else f" of {total // 1024}"
        self._say(f"{DIRECTIONS[direction]}: {done // 1024}{of} KiB")

    def on_wait(self, seconds: float, reason: str) -> None:
        """Show that a retry waits, for how long, and why. Without a terminal each reason is shown once."""
        text = f"Waiting {math.ceil(seconds)} s to try again: {printable(reason)}"
        if self.shown and may_style(sys.stderr):
            self._say(text)
        elif reason != self._waited_for:
            self._waited_for = reason
            write_stderr(text)

    def clear(self) -> None:
        """Remove the line before a question or a result."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _say(self, text: str) -> None:
        if not self.shown:
            return
        if self._status is None:
            # Imported here because it loads slowly.
            from rich.console import Console

            self._status = Console(stderr=True).status(text)
            self._status.start()
        self._status.update(text)
