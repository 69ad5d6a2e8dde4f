"""A pytest plugin for the processes that the mutation tester starts: `-p mutation.session_plugin`.

It marks what is recorded with the test file that reached it, ends a test that takes far too long, and keeps
hypothesis from shrinking what it found: that a test fails is all that is asked.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import Phase, settings

from mutation.environment import CONTEXT, DURATIONS, LIMITS, SETTINGS, TIMED_OUT

if TYPE_CHECKING:
    from collections.abc import Iterator

settings.register_profile("mutation", phases=(Phase.explicit, Phase.generate), database=None, deadline=None)
settings.load_profile("mutation")

_durations: dict[str, float] = {}
_limits: dict[str, float] = json.loads(os.environ.get(LIMITS, "{}"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    file = item.path.relative_to(item.config.rootpath).as_posix()
    _record_for(file)
    watch = threading.Timer(_limits.get(file, 600.0), os._exit, (TIMED_OUT,))
    watch.daemon = True
    watch.start()
    began = time.monotonic()
    try:
        return (yield)
    finally:
        watch.cancel()
        watch.join()
        _durations[file] = _durations.get(file, 0.0) + time.monotonic() - began


def pytest_sessionfinish() -> None:
    if path := os.environ.get(DURATIONS):
        Path(path).write_text(json.dumps(_durations), encoding="utf-8")


def _record_for(file: str) -> None:
    """Charge what runs from here on to the test file: in this process, and in those that its tests start."""
    os.environ[CONTEXT] = file
    if settings_file := os.environ.get(SETTINGS):
        # Set here and not by `patch = subprocess`, which would hand on the settings as they were before the first test.
        os.environ["COVERAGE_PROCESS_START"] = settings_file
    coverage: Any = sys.modules.get("coverage")
    running = coverage.Coverage.current() if coverage else None
    if running is not None:
        running.switch_context(file)
