"""What can go wrong with the state directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup_client.errors import ClientError

if TYPE_CHECKING:
    from pathlib import Path


class StateError(ClientError):
    """The root of what can be wrong with the state directory, `path`."""

    code = "state"

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(f"{message}: {path}")
        self.path = path


class StateMissing(StateError):
    """Nothing was created or restored in this directory yet."""

    code = "state-missing"

    def __init__(self, path: Path) -> None:
        super().__init__(path, "There is no identity here yet; make one with `new` or bring one back with `restore`")


class StateExists(StateError):
    """There is an identity already, and a new one would overwrite it."""

    code = "state-exists"

    def __init__(self, path: Path) -> None:
        super().__init__(path, "There is an identity here already, and it is not overwritten")


class StateBusy(StateError):
    """Another process kept the directory locked for as long as we were willing to wait."""

    code = "state-busy"

    def __init__(self, path: Path) -> None:
        super().__init__(path, "Another process is using this state")


class StateDamaged(StateError):
    """The state file cannot be read back; `reason` quotes nothing of it."""

    code = "state-damaged"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            path,
            f"The state file is damaged: {reason}. A new --state directory and `restore` bring back what was pushed",
        )
        self.reason = reason


class StateNewer(StateError):
    """The state file was written by a later version of this client; `state_format` is its number."""

    code = "state-newer"

    def __init__(self, path: Path, state_format: int) -> None:
        super().__init__(path, f"The state file has format {state_format}, of a later version of this client")
        self.state_format = state_format


class StateUnusable(StateError):
    """The operating system does not let us read or write the state; `reason` is its own word for why."""

    code = "state-unusable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, f"The state cannot be used ({reason})")
        self.reason = reason


class ProfileDamaged(StateError):
    """The saved calibration cannot be used; `reason` quotes nothing of it."""

    code = "profile-damaged"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, f"The saved calibration cannot be used ({reason}); calibrate again, or remove it")
        self.reason = reason


class ProfileNewer(StateError):
    """The calibration was saved by a later version of this client; `profile_format` is its number."""

    code = "profile-newer"

    def __init__(self, path: Path, profile_format: int) -> None:
        super().__init__(
            path,
            f"The saved calibration has format {profile_format}, of a later version of this client; calibrate again, "
            "or remove it",
        )
        self.profile_format = profile_format
