"""Errors of whole operations: a suspected rollback, a missing confirmation, contention."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup_client.errors import ClientError

if TYPE_CHECKING:
    from obscura_backup_client.device.last_seen import BackupSummary


class RollbackSuspected(ClientError):
    """The backup is older than the one that this device saw, or gone.

    Attributes:
        reasons: values of `rollback.Reason`.
        expected: the backup that this device last saw.
        found: what the server returned instead; None for no backup.
    """

    code = "rollback-suspected"

    def __init__(self, reasons: tuple[str, ...], expected: BackupSummary, found: BackupSummary | None) -> None:
        super().__init__(
            f"The server returned an older backup than this device last saw, or none ({', '.join(reasons)}). "
            "Nothing was merged or sent. If the operator restored an older copy, or you deleted the backup, accept the "
            "rollback."
        )
        self.reasons = reasons
        self.expected = expected
        self.found = found


class NotConfirmed(ClientError):
    """The person did not confirm the operation. Nothing changed."""

    code = "not-confirmed"

    def __init__(self) -> None:
        super().__init__("Not confirmed; nothing was changed.")


class NothingToUndo(ClientError):
    """This device has merged nothing since its last push, or its last `undo`."""

    code = "nothing-to-undo"

    def __init__(self) -> None:
        super().__init__("There is nothing to undo: this device has merged nothing since its last push or undo.")


class PushContended(ClientError):
    """Other devices pushed during every attempt. Their changes are merged here; a later push sends this device's."""

    code = "push-contended"

    def __init__(self, attempts: int) -> None:
        super().__init__(f"Other devices pushed at the same time, {attempts} times in a row. Push again in a moment.")
        self.attempts = attempts
