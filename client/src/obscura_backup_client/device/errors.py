"""Errors of the state directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup_client.errors import ClientError

if TYPE_CHECKING:
    from pathlib import Path


class StateError(ClientError):
    """The root of errors of the state directory at `path`."""

    code = "state"

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(f"{message}: {path}")
        self.path = path


class StateMissing(StateError):
    """No identity was created or restored in this directory yet."""

    code = "state-missing"

    def __init__(self, path: Path) -> None:
        super().__init__(path, "No identity here yet; create one with `new` or restore one with `restore`")


class StateExists(StateError):
    """The directory already has an identity, which a new one would overwrite."""

    code = "state-exists"

    def __init__(self, path: Path) -> None:
        super().__init__(path, "There is already an identity here, which is never overwritten")


class StateBusy(StateError):
    """Another process held the lock for longer than the time-out."""

    code = "state-busy"

    def __init__(self, path: Path) -> None:
        super().__init__(path, "Another process is using this state; try again")


class StateDamaged(StateError):
    """The state file cannot be decoded; `reason` does not quote it."""

    code = "state-damaged"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            path,
            f"The state file is damaged: {reason}. To get back what was pushed, `restore` into a new --state directory",
        )
        self.reason = reason


class StateNewer(StateError):
    """The state file was written by a later version of this client; `state_format` is its number."""

    code = "state-newer"

    def __init__(self, path: Path, state_format: int) -> None:
        super().__init__(path, f"The state file has format {state_format}, of a later version of this client")
        self.state_format = state_format


class StateUnusable(StateError):
    """The state cannot be read or written; `reason` is the operating system's reason."""

    code = "state-unusable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, f"The state cannot be read or written ({reason})")
        self.reason = reason


class ProfileDamaged(StateError):
    """The saved calibration cannot be used; `reason` does not quote it."""

    code = "profile-damaged"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, f"The saved calibration is invalid ({reason}); calibrate again or remove it")
        self.reason = reason


class ProfileNewer(StateError):
    """The calibration was saved by a later version of this client; `profile_format` is its number."""

    code = "profile-newer"

    def __init__(self, path: Path, profile_format: int) -> None:
        super().__init__(
            path,
            f"The saved calibration has format {profile_format}, of a later version of this client; calibrate again "
            "or remove it",
        )
        self.profile_format = profile_format
