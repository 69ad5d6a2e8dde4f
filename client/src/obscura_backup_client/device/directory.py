"""The folder that the state lives in: one file, never torn, never readable by others, one process at a time."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from obscura_backup_client.device.atomic_files import OWNER_ONLY_FILE, make_folder, replace_file
from obscura_backup_client.device.errors import StateBusy, StateMissing, StateUnusable
from obscura_backup_client.device.state import State, decode_state, encode_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FILE_NAME = "state.json"
PROFILE_NAME = "profile.json"
LOCK_NAME = "lock"
BESIDE = ".new"
OWNER_ONLY_FOLDER = 0o700
FOR_OTHERS = 0o077
WRITABLE_BY_OTHERS = 0o022
LOCK_POLL_SECONDS = 0.05
OUR_NAMES = frozenset({LOCK_NAME, FILE_NAME, FILE_NAME + BESIDE, PROFILE_NAME, PROFILE_NAME + BESIDE})
ROOT = 0


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
    """A state directory at `path`; it is made when it is locked for the first time.

    `trusted` are the users, by number, whose files and links are taken for this user's own: this one and root.
    """

    path: Path
    lock_wait_seconds: float = 10.0
    sleep: Callable[[float], None] = time.sleep
    trusted: frozenset[int] = field(default_factory=lambda: frozenset({ROOT, os.geteuid()}))

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
        state = self.peek()
        if state is None:
            raise StateMissing(self.path)
        return state

    def peek(self) -> State | None:
        """The same, or None where there is none yet."""
        return self._load()

    @contextmanager
    def locked(self) -> Iterator[LockedState]:
        """Hold the state alone, from reading it to the end of the block.

        Two processes that both read seq 4 would both seal as 5, which is what the version vector cannot survive.

        Raises:
            StateBusy: another process held it for `lock_wait_seconds`.
            StateDamaged, StateNewer, StateUnusable: see there.
        """
        with self.alone():
            yield LockedState(self, self._load())

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only process that writes here, without looking at the state.

        Raises:
            StateBusy, StateUnusable: as `locked`.
        """
        with self._translated():
            make_folder(self.path, mode=OWNER_ONLY_FOLDER)
            # A file of its own, because the state file is replaced and a lock on it would stay with the old one.
            lock = os.open(self.path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY_FILE)
        try:
            self._lock(lock)
            yield
        finally:
            os.close(lock)

    def replace(self, encoded: bytes, name: str = FILE_NAME) -> None:
        """Write the file beside the old one, sync it, rename it over, and sync the folder. Only while locked.

        Where it is a link, this happens where it leads: whoever put it there meant it to stay.

        Raises:
            StateUnusable: the operating system refused, or the link is one that another user may have planted; the
                old file is still there.
        """
        with self._translated():
            self._require_own_link(name)
            self._close_folder_to_others()
            target = Path(os.path.realpath(self.path / name))
            replace_file(target, encoded, beside=target.with_name(f"{target.name}{BESIDE}"))

    def read_file(self, name: str, max_bytes: int = -1) -> bytes | None:
        """A file's content, or its first `max_bytes`; None where there is no such file. Closes it to other users.

        Raises:
            StateUnusable: the operating system refused.
        """
        with self._translated():
            try:
                with (self.path / name).open("rb") as stream:
                    _close_to_others(stream.fileno())
                    encoded = stream.read(max_bytes)
            except FileNotFoundError:
                return None
            self._close_folder_to_others()
        return encoded

    def _load(self) -> State | None:
        encoded = self.read_file(FILE_NAME)
        return None if encoded is None else decode_state(encoded, self.path / FILE_NAME)

    def is_open_to_others(self) -> bool:
        """Whether other users may write to the directory, and so replace what is in it.

        With a state and nothing else in it, it is closed to them first, and what it is after that decides: the folder
        of another user, who can open it again at any time, may not be ours to close. An empty one is closed by the
        first write.
        """
        try:
            described = self.path.stat()
            if described.st_uid in self.trusted and not (self.path / FILE_NAME).exists() and self._is_ours_to_close():
                return False
            self._close_folder_to_others()
            described = self.path.stat()
        except OSError:
            return False
        return described.st_uid not in self.trusted or bool(described.st_mode & WRITABLE_BY_OTHERS)

    def is_of_another_user(self) -> bool:
        """Whether the state file belongs to another user, who may have put it there for us to take for ours.

        That is for a person to judge: in a container, under sudo and on some mounted disks it is as it should be.
        """
        try:
            return (self.path / FILE_NAME).stat().st_uid not in self.trusted
        except OSError:
            return False

    def keeps(self, path: Path) -> bool:
        """Whether a file that is written to `path`, in whatever way it is spelt, would be one of the client's own.

        Raises:
            OSError: it cannot be found out.
        """
        target = Path(os.path.realpath(path))
        if target in {Path(os.path.realpath(self.path / name)) for name in OUR_NAMES}:
            return True
        # File systems that ignore the case of names have spellings that no path shows.
        return target.name.lower() in OUR_NAMES and target.parent.exists() and target.parent.samefile(self.path)

    def _close_folder_to_others(self) -> None:
        if self._is_ours_to_close():
            folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                _close_to_others(folder)
            finally:
                os.close(folder)

    def _is_ours_to_close(self) -> bool:
        # A folder with other things in it (a home directory, say) was not made for this. Nor is one like /tmp, which
        # happens to hold nothing else just now.
        holds_only_ours = {each.name for each in self.path.iterdir()} <= OUR_NAMES
        return holds_only_ours and not self.path.stat().st_mode & stat.S_ISVTX

    def _require_own_link(self, name: str) -> None:
        """Check that nobody else chose what a write through a link replaces, or makes."""
        with suppress(FileNotFoundError):
            found, folder = (self.path / name).lstat(), self.path.stat()
            # Whose whole directory it is, closed to others, may have links in it: then it is used for that person.
            is_theirs = found.st_uid == folder.st_uid and not folder.st_mode & WRITABLE_BY_OTHERS
            if stat.S_ISLNK(found.st_mode) and found.st_uid not in self.trusted and not is_theirs:
                raise StateUnusable(self.path / name, "it is a link that another user put there")

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
