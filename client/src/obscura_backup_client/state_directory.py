"""The folder that the state lives in: one file, never torn, never readable by others, one process at a time."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from obscura_backup_client.state import State, decode_state, encode_state
from obscura_backup_client.state_errors import StateBusy, StateMissing, StateUnusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FILE_NAME = "state.json"
LOCK_NAME = "lock"
OWNER_ONLY_FILE = 0o600
OWNER_ONLY_FOLDER = 0o700
LOCK_POLL_SECONDS = 0.05


@dataclass(slots=True)
class LockedState:
    """The state while this process alone may change it; `state` is None where there is none yet."""

    directory: StateDirectory
    state: State | None

    def require(self) -> State:
        """The state.

        Raises:
            StateMissing: there is none yet.
        """
        if self.state is None:
            raise StateMissing(self.directory.path)
        return self.state

    def write(self, state: State) -> State:
        """Replace the state, durably, before returning it: after a crash the file holds the old or the new one.

        Raises:
            StateUnusable: the file cannot be written; the old state is still there.
            PayloadError: the content breaks a rule of the payload format.
        """
        self.directory.replace(encode_state(state))
        self.state = state
        return state


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """A state directory at `path`; it is made when it is locked for the first time."""

    path: Path
    lock_wait_seconds: float = 10.0
    sleep: Callable[[float], None] = time.sleep

    def read(self) -> State:
        """The state as it stands, without a lock: replacing is atomic, so that a reader sees all of one or the other.

        Raises:
            StateMissing, StateDamaged, StateNewer, StateUnusable: see there.
        """
        state = self._load()
        if state is None:
            raise StateMissing(self.path)
        return state

    @contextmanager
    def locked(self) -> Iterator[LockedState]:
        """Hold the state alone, from reading it to the end of the block.

        Two processes that both read seq 4 would both seal as 5, which is what the version vector cannot survive.

        Raises:
            StateBusy: another process held it for `lock_wait_seconds`.
            StateDamaged, StateNewer, StateUnusable: see there.
        """
        with self._translated():
            self.path.mkdir(mode=OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
            # A file of its own, because the state file is replaced and a lock on it would stay with the old one.
            lock = os.open(self.path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY_FILE)
        try:
            self._lock(lock)
            yield LockedState(self, self._load())
        finally:
            os.close(lock)

    def replace(self, encoded: bytes) -> None:
        """Write the file beside the old one, sync it, rename it over, and sync the folder. Only while locked.

        Raises:
            StateUnusable: the operating system refused; the old file is still there.
        """
        beside = self.path / f"{FILE_NAME}.new"
        with self._translated():
            # What a crash left behind may have any mode; O_EXCL makes sure that ours is the one given here.
            beside.unlink(missing_ok=True)
            file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_ONLY_FILE)
            with os.fdopen(file, "wb") as stream:
                stream.write(encoded)
                stream.flush()
                os.fsync(stream.fileno())
            beside.replace(self.path / FILE_NAME)
            folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _load(self) -> State | None:
        with self._translated():
            try:
                encoded = (self.path / FILE_NAME).read_bytes()
            except FileNotFoundError:
                return None
        return decode_state(encoded, self.path / FILE_NAME)

    def _lock(self, lock: int) -> None:
        for _ in range(max(1, round(self.lock_wait_seconds / LOCK_POLL_SECONDS))):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.sleep(LOCK_POLL_SECONDS)
            else:
                return
        raise StateBusy(self.path)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StateUnusable(self.path, error.strerror or type(error).__name__) from error
