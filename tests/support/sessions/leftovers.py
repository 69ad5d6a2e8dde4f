"""What a session of tests leaves over: descriptors, threads, tasks, child processes and temporary files.

A snapshot is taken before the first test and compared after the last fixture is gone. Where /proc is missing (macOS),
descriptors are told apart by `fstat`, and child processes by `ps`.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

MARK = "TESTS_SESSION_FOLDER"
"""Environment variable that processes inherit from the session, also those whose parent has died."""
GRACE_SECONDS = 5.0
"""For what is ending: a thread after its last statement, a child that was sent a signal."""
_PROC = Path("/proc/self/fd")
_Key: TypeAlias = Hashable


@dataclass(frozen=True)
class Snapshot:
    """Everything that a process holds, each thing by an identity that is not used again soon, with its description.

    Attributes:
        descriptors: by number and what it is open on.
        threads: Python's; those of native libraries are not seen.
        processes: children, and all that inherited `MARK`.
    """

    descriptors: dict[_Key, str] = field(default_factory=dict)
    threads: dict[_Key, str] = field(default_factory=dict)
    processes: dict[_Key, str] = field(default_factory=dict)

    @classmethod
    def now(cls) -> Snapshot:
        return cls(descriptors(), _threads(), _processes())

    def more_than(self, before: Snapshot) -> list[str]:
        """What is here and was not there before, one line each."""
        return [
            f"{kind} {what}"
            for kind in ("descriptors", "threads", "processes")
            for key, what in getattr(self, kind).items()
            if key not in getattr(before, kind)
        ]


def left_over(before: Snapshot, folder: Path) -> list[str]:
    """What is left of a session, one line each; waits up to `GRACE_SECONDS` for what is on its way out.

    Args:
        before: taken at its start.
        folder: the session's temporary files were made in there, and should all be removed.
    """
    deadline = time.monotonic() + GRACE_SECONDS
    while True:
        gc.collect()
        found = [*Snapshot.now().more_than(before), *_tasks(), *_files(folder)]
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def descriptors() -> dict[_Key, str]:
    """All open descriptors of this process."""
    found: dict[_Key, str] = {}
    for number in sorted(descriptor_numbers()):
        try:
            status = os.fstat(number)
            target = (
                str((_PROC / str(number)).readlink()) if _PROC.exists() else f"mode {stat.filemode(status.st_mode)}"
            )
            what = _addresses(number) if stat.S_ISSOCK(status.st_mode) else target
        except OSError:
            continue  # the listing's own, or one that another thread closed meanwhile
        found[number, status.st_dev, status.st_ino, target] = f"{number}: {what}"
    return found


def descriptor_numbers() -> set[int]:
    """The numbers of all open descriptors, among them that of the listing itself."""
    folder = _PROC if _PROC.exists() else "/dev/fd"
    return {int(name) for name in os.listdir(folder) if name.isdigit()}  # noqa: PTH208  # fast: it runs after each test


def _addresses(number: int) -> str:
    with socket.socket(fileno=os.dup(number)) as line:
        try:
            peer = str(line.getpeername())
        except OSError:
            peer = "nowhere"
        return f"socket {line.family.name} {line.type.name} from {line.getsockname()} to {peer}"


def _threads() -> dict[_Key, str]:
    # Kept by the object: an identity number of a thread may come again.
    return {thread: f"{thread.name} (daemon: {thread.daemon})" for thread in threading.enumerate()}


def _tasks() -> list[str]:
    # Asked of the collector: asyncio lists the tasks of one running loop alone. By type, since asking a proxy for its
    # class may run code.
    tasks = [each for each in gc.get_objects() if issubclass(type(each), asyncio.Task)]
    return [f"tasks {task!r}" for task in tasks if not task.done()]


def _files(folder: Path) -> list[str]:
    return [f"temporary files {path}" for path in sorted(folder.iterdir())]


def _processes() -> dict[_Key, str]:
    if not _PROC.exists():
        return _processes_by_ps()
    mark = f"{MARK}={os.environ[MARK]}".encode() if MARK in os.environ else None
    found: dict[_Key, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            after_name = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            ours = int(after_name[1]) == os.getpid() or (
                mark is not None and mark in (entry / "environ").read_bytes().split(b"\0")
            )
        except OSError:  # it ended meanwhile, or is another user's
            continue
        if ours:
            started = after_name[19]
            found[entry.name, started] = f"{entry.name} {'(unreaped) ' if after_name[0] == 'Z' else ''}{command}"
    return found


def _processes_by_ps() -> dict[_Key, str]:
    listing = subprocess.Popen(["ps", "-A", "-o", "pid=,ppid=,command="], stdout=subprocess.PIPE, text=True)
    lines = [line.split(maxsplit=2) for line in listing.communicate()[0].splitlines()]
    return {
        pid: f"{pid} {' '.join(command)}"
        for pid, parent, *command in lines
        if parent == str(os.getpid()) and pid != str(listing.pid)
    }
