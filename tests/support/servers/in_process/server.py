"""The command `obscura-backup` in this process."""

from __future__ import annotations

import logging
import os
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from obscura_backup.entrypoints.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class Ran:
    """How a command ended.

    Attributes:
        code: of its exit.
        out: what it printed on standard output.
        err: what it printed on standard error.
    """

    code: int
    out: str
    err: str


@contextmanager
def commands(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Ran]]:
    """Runs commands with arguments, and with environment variables as keywords.

    No variable of ours or of the stores is inherited. Handlers of logs and signals are as before afterwards.
    """
    for name in list(os.environ):
        if name.startswith(("OBSCURA_", "AWS_", "MINIO_")):
            monkeypatch.delenv(name)
    root, ours = logging.getLogger(), logging.getLogger("obscura_backup")
    before = root.handlers[:], root.level, ours.level, signal.getsignal(signal.SIGTERM)

    def command(*arguments: object, **environment: str) -> Ran:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(each) for each in arguments])
        printed = capsys.readouterr()
        return Ran(int(ended.value.code or 0), printed.out, printed.err)

    try:
        yield command
    finally:
        root.handlers[:], root.level, ours.level = before[0], before[1], before[2]
        signal.signal(signal.SIGTERM, before[3])
