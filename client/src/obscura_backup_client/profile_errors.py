"""What can go wrong with the parameters that `calibrate` saved for this device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup_client.state_errors import StateError

if TYPE_CHECKING:
    from pathlib import Path


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
