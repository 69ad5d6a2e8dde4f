"""The state directory: one file, replaced atomically, private to this user, changed by one process at a time."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from obscura_backup_client.device.atomic_files import OWNER_ONLY_FILE, make_directory, replace_file
from obscura_backup_client.device.errors import StateBusy, StateMissing, StateUnusable
from obscura_backup_client.device.state import State, decode_state, encode_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STATE_FILE_NAME = "state.json"
PROFILE_FILE_NAME = "profile.json"
LOCK_FILE_NAME = "lock"
TEMPORARY_SUFFIX = ".new"
OWNER_ONLY_DIRECTORY = 0o700
OTHERS_PERMISSIONS = 0o077
WRITABLE_BY_OTHERS = 0o022
LOCK_POLL_SECONDS = 0.05
OWN_FILE_NAMES = frozenset(
    {
        LOCK_FILE_NAME,
        STATE_FILE_NAME,
        STATE_FILE_NAME + TEMPORARY_SUFFIX,
        PROFILE_FILE_NAME,
        PROFILE_FILE_NAME + TEMPORARY_SUFFIX,
    }
)
ROOT = 0


@dataclass(slots=True)
class LockedState:
    """The state while this process holds the lock; `state` is None if there is none yet."""

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
        """Replace the state durably, and return it. A crash leaves the old or the new file.

        Raises:
            StateUnusable: the file cannot be written; the old state is unchanged.
            PayloadError: the content breaks a rule of the payload format.
        """
        self.directory.replace(encode_state(state))
        self.state = state
        return state


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """A state directory. It is created when it is locked for the first time.

    Attributes:
        path: of the directory.
        lock_wait_seconds: how long to wait for the lock.
        sleep: waits for a number of seconds.
        trusted: ids of the users whose files and links count as this user's own: this user and root.
    """

    path: Path
    lock_wait_seconds: float = 10.0
    sleep: Callable[[float], None] = time.sleep
    trusted: frozenset[int] = field(default_factory=lambda: frozenset({ROOT, os.geteuid()}))

    @classmethod
    def at(cls, path: Path | str) -> StateDirectory:
        """The directory at this path; a leading `~` is expanded.

        Raises:
            StateUnusable: there is no such home directory.
        """
        try:
            return cls(Path(path).expanduser())
        except RuntimeError as error:
            raise StateUnusable(Path(path), "there is no such home directory") from error

    def read(self) -> State:
        """Read the state without a lock. Files are replaced atomically, so a reader sees the old or the new one.

        Raises:
            StateMissing, StateDamaged, StateNewer, StateUnusable: there is no usable state.
        """
        state = self.read_or_none()
        if state is None:
            raise StateMissing(self.path)
        return state

    def read_or_none(self) -> State | None:
        """The same, but None if there is no state yet."""
        return self._load()

    @contextmanager
    def locked(self) -> Iterator[LockedState]:
        """Lock the state, from reading it to the end of the block.

        Without the lock, two processes could read seq 4 and both seal as 5, which would break the version vector.

        Raises:
            StateBusy: another process held the lock for `lock_wait_seconds`.
            StateDamaged, StateNewer, StateUnusable: the state cannot be used.
        """
        with self.locked_without_reading():
            yield LockedState(self, self._load())

    @contextmanager
    def locked_without_reading(self) -> Iterator[None]:
        """Lock the directory without reading the state.

        Raises:
            StateBusy, StateUnusable: as `locked`.
        """
        with self._translating_errors():
            make_directory(self.path, mode=OWNER_ONLY_DIRECTORY)
            # A separate file: the state file is replaced, and a lock would stay with the old one.
            lock = os.open(self.path / LOCK_FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY_FILE)
        try:
            self._lock(lock)
            yield
        finally:
            os.close(lock)

    def replace(self, encoded: bytes, name: str = STATE_FILE_NAME) -> None:
        """Replace a file atomically and durably; only while locked. If it is a link, its target is replaced.

        Raises:
            StateUnusable: the operating system refused, or another user may have planted the link; the old file is
                unchanged.
        """
        with self._translating_errors():
            self._require_trusted_link(name)
            self._restrict_directory()
            target = Path(os.path.realpath(self.path / name))
            replace_file(target, encoded, temporary=target.with_name(f"{target.name}{TEMPORARY_SUFFIX}"))

    def read_file(self, name: str, max_bytes: int = -1) -> bytes | None:
        """A file's content, or its first `max_bytes`; None if it does not exist. Removes permissions of other users.

        Raises:
            StateUnusable: the operating system refused.
        """
        with self._translating_errors():
            try:
                with (self.path / name).open("rb") as stream:
                    _remove_others_permissions(stream.fileno())
                    encoded = stream.read(max_bytes)
            except FileNotFoundError:
                return None
            self._restrict_directory()
        return encoded

    def _load(self) -> State | None:
        encoded = self.read_file(STATE_FILE_NAME)
        return None if encoded is None else decode_state(encoded, self.path / STATE_FILE_NAME)

    def is_writable_by_others(self) -> bool:
        """Whether other users can write to the directory, and so replace the files in it.

        A directory with only a state in it first loses the permissions of other users, if that is possible: another
        user's directory may refuse, and its owner can undo it. An empty one is restricted by the first write.
        """
        try:
            described = self.path.stat()
            if (
                described.st_uid in self.trusted
                and not (self.path / STATE_FILE_NAME).exists()
                and self._may_restrict_directory()
            ):
                return False
            self._restrict_directory()
            described = self.path.stat()
        except OSError:
            return False
        return described.st_uid not in self.trusted or bool(described.st_mode & WRITABLE_BY_OTHERS)

    def is_owned_by_another_user(self) -> bool:
        """Whether the state file belongs to another user, who may have planted it.

        A person must judge that: in containers, under sudo and on some mounted disks it is normal.
        """
        try:
            return (self.path / STATE_FILE_NAME).stat().st_uid not in self.trusted
        except OSError:
            return False

    def owns(self, path: Path) -> bool:
        """Whether `path`, in any spelling, is one of the client's own files.

        Raises:
            OSError: the operating system refused.
        """
        target = Path(os.path.realpath(path))
        if target in {Path(os.path.realpath(self.path / name)) for name in OWN_FILE_NAMES}:
            return True
        # File systems that ignore case have further spellings.
        return target.name.lower() in OWN_FILE_NAMES and target.parent.exists() and target.parent.samefile(self.path)

    def _restrict_directory(self) -> None:
        if self._may_restrict_directory():
            folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                _remove_others_permissions(folder)
            finally:
                os.close(folder)

    def _may_restrict_directory(self) -> bool:
        # A directory with other files, such as a home directory, was not created for the state. Neither was /tmp, which
        # may have no other files at the moment.
        holds_only_ours = {each.name for each in self.path.iterdir()} <= OWN_FILE_NAMES
        return holds_only_ours and not self.path.stat().st_mode & stat.S_ISVTX

    def _require_trusted_link(self, name: str) -> None:
        """Check that no other user chose the file that a write through a link replaces or creates."""
        with suppress(FileNotFoundError):
            found, folder = (self.path / name).lstat(), self.path.stat()
            # The owner of the whole directory may have links in it, if other users cannot write there.
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
    def _translating_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StateUnusable(self.path, error.strerror or type(error).__name__) from error


def _remove_others_permissions(opened: int) -> None:
    """Remove permissions of other users, which an older program, a copy or a restored disk may have set.

    Best effort: it does nothing to another user's file, or on a file system without permissions.
    """
    mode = stat.S_IMODE(os.fstat(opened).st_mode)
    if mode & OTHERS_PERMISSIONS:
        with suppress(OSError):
            os.fchmod(opened, mode & ~OTHERS_PERMISSIONS)
