"""Programs that tests start, where the tests themselves were started with signals ignored or blocked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
IGNORED = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGPIPE, signal.SIGUSR1, signal.SIGCHLD]
CHILD = """
import json, signal
ignored = [number.name for number in signal.Signals if signal.getsignal(number) is signal.SIG_IGN]
blocked = [number.name for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])]
print(json.dumps({"ignored": ignored, "blocked": blocked}))
raise SystemExit(7)
"""
PARENT = f"""
import os, signal, subprocess, sys
from support.sessions.signals import give_children_default_signals
give_children_default_signals()
os.kill(os.getpid(), signal.SIGHUP)
os.kill(os.getpid(), signal.SIGINT)
sys.exit(subprocess.run([sys.executable, "-c", {CHILD!r}]).returncode)
"""


def ignore_and_block() -> None:
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR2])


@pytest.fixture(scope="module")
def started() -> subprocess.CompletedProcess[str]:
    """Tests that were started with everything ignored, ask a child of theirs what it inherited."""
    return subprocess.run(
        [sys.executable, "-c", PARENT],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        preexec_fn=ignore_and_block,  # no thread of this process holds a lock that the child takes
        restore_signals=False,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_child_ignores_and_blocks_nothing(started: subprocess.CompletedProcess[str]) -> None:
    # SIGPIPE and SIGXFSZ: a Python ignores them by itself.
    assert json.loads(started.stdout) == {"ignored": ["SIGPIPE", "SIGXFSZ"], "blocked": []}


def test_the_tests_go_on_ignoring_what_they_ignored(started: subprocess.CompletedProcess[str]) -> None:
    """Two of the signals were sent to it, and the exit code of its child is still known."""
    assert started.returncode == 7, started.stderr
