"""The folder that the state lives in: one file, never torn, never readable by others, one process at a time."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from obscura_backup_client.state import State, decode_state, encode_state
from obscura_backup_client.state_errors import StateBusy, StateMissing, StateUnusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FILE_NAME = "state.json"
LOCK_NAME = "lock"
BESIDE = ".new"
OWNER_ONLY_FILE = 0o600
OWNER_ONLY_FOLDER = 0o700
FOR_OTHERS = 0o077
WRITABLE_BY_OTHERS = 0o022
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

    @classmethod
    def named(cls, path: Path | str) -> StateDirectory:
        """The directory of this name, in which `~` is a home directory.

        Raises:
            StateUnusable: there is no such home directory.
        """
        try:
            return cls(Path(path).expanduser())
        except RuntimeError as error:
            raise StateUnusable(Path(path), "there is no such home directory") from error

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

        Where `state.json` is a link, this happens where it leads: whoever put it there meant it to stay.

        Raises:
            StateUnusable: the operating system refused; the old file is still there.
        """
        with self._translated():
            target = Path(os.path.realpath(self.path / FILE_NAME))
            beside = target.with_name(f"{target.name}{BESIDE}")
            # What a crash left behind may have any mode; O_EXCL makes sure that ours is the one given here.
            beside.unlink(missing_ok=True)
            file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_ONLY_FILE)
            with os.fdopen(file, "wb") as stream:
                stream.write(encoded)
                stream.flush()
                os.fsync(stream.fileno())
            beside.replace(target)
            folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _load(self) -> State | None:
        with self._translated():
            try:
                with (self.path / FILE_NAME).open("rb") as stream:
                    _close_to_others(stream.fileno())
                    encoded = stream.read()
            except FileNotFoundError:
                return None
            self._close_folder_to_others()
        return decode_state(encoded, self.path / FILE_NAME)

    def is_open_to_others(self) -> bool:
        """Whether other users may write to the directory, and so replace what is in it.

        Not where it holds our own files alone: then it is closed to them when its state is read.
        """
        try:
            mode = self.path.stat().st_mode
            return bool(mode & WRITABLE_BY_OTHERS) and not self._holds_only_ours()
        except OSError:
            return False

    def _close_folder_to_others(self) -> None:
        # A folder with other things in it (a home directory, say) was not made for this, and is not ours to close.
        if self._holds_only_ours():
            folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                _close_to_others(folder)
            finally:
                os.close(folder)

    def _holds_only_ours(self) -> bool:
        return {each.name for each in self.path.iterdir()} <= {FILE_NAME, LOCK_NAME, FILE_NAME + BESIDE}

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


def _close_to_others(opened: int) -> None:
    """Take other users' permissions away, as an older program, a copy or a restored disk may have left them.

    Best effort: what is another user's, or on a file system without permissions, stays as it is.
    """
    mode = stat.S_IMODE(os.fstat(opened).st_mode)
    if mode & FOR_OTHERS:
        with suppress(OSError):
            os.fchmod(opened, mode & ~FOR_OTHERS)
