"""What holds for every session of tests: default signals for children, and nothing left over at its end.

With pytest-xdist each worker process checks itself and reports to the controller, which runs no test of its own.
"""

from __future__ import annotations

import ctypes
import gc
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import obstore
import pytest
import uvloop
from obstore.store import MemoryStore

from support.sessions.leftovers import MARK, Snapshot, descriptor_numbers, descriptors, left_over
from support.sessions.signals import give_children_default_signals

if TYPE_CHECKING:
    from collections.abc import Generator, Hashable

_NAME = "sessions"


class Session:
    """Watches one session; a leftover makes it fail.

    Attributes:
        folder: that all temporary files of the tests and of their programs are made in. Those of pytest itself are
            elsewhere: it keeps them on purpose, for three sessions.
        leftovers: found at the end.
    """

    def __init__(self) -> None:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
        self._before = {name: os.environ.get(name) for name in ("TMPDIR", MARK)}
        self.folder = Path(tempfile.mkdtemp(prefix="obscura-tests-"))
        self.folder.chmod(0o711)  # PostgreSQL, which refuses to be root, has its folder in there
        os.environ.update({"TMPDIR": str(self.folder), MARK: str(self.folder)})
        tempfile.tempdir = None
        self.leftovers: list[str] = []
        self._is_controller = False
        self._open_after: dict[str, str] = {}
        self._known: set[Hashable] = set()
        self._numbers: set[int] = set()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self) -> None:
        uvloop.new_event_loop().close()  # libuv opens one pipe with its first loop, and keeps it for ever
        obstore.put(MemoryStore(), "any", b"")  # obstore's runtime opens its descriptors once, and keeps them for ever
        ctypes.CFUNCTYPE(None)(bool)  # libffi opens its own file with the first callback, and keeps it for ever
        self._start = Snapshot.now()
        self._known = set(self._start.descriptors)
        self._numbers = descriptor_numbers()

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        """Collect no garbage meanwhile: there is hardly any, and each search would visit all tests."""
        gc.disable()
        try:
            return (yield)
        finally:
            gc.enable()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self) -> None:
        """Exempt modules and tests from garbage collection: they stay, and each collection would visit them all."""
        gc.collect()
        gc.freeze()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, None, None]:
        """Note after which test each descriptor was open; collect what a test dropped while it is still its own."""
        result = yield
        numbers = descriptor_numbers()
        if numbers != self._numbers:  # a look at each of them costs a millisecond, which thousands of tests would pay
            open_now = descriptors()
            if not open_now.keys() <= self._known:
                gc.collect()
                open_now = descriptors()
                self._open_after |= {open_now[key]: item.nodeid for key in open_now.keys() - self._known}
            self._known = set(open_now)
            self._numbers = descriptor_numbers()
        return result

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not self._is_controller:
            self.leftovers = [self._with_test(line) for line in left_over(self._start, self.folder)]
            if (output := getattr(session.config, "workeroutput", None)) is not None:
                output[_NAME] = self.leftovers
        if self.leftovers and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.leftovers:
            return
        terminalreporter.section("left over by the tests: close, join, stop or remove these", red=True, bold=True)
        for line in self.leftovers:
            terminalreporter.line(line)

    def _with_test(self, line: str) -> str:
        test = self._open_after.get(line.removeprefix("descriptors "))
        return f"{line} (open after {test})" if test else line

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self) -> None:
        self._is_controller = True

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.leftovers += getattr(node, "workeroutput", {}).get(_NAME, [])

    def pytest_unconfigure(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        tempfile.tempdir = None


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    give_children_default_signals()
    if not config.pluginmanager.has_plugin(_NAME):
        config.pluginmanager.register(Session(), _NAME)
