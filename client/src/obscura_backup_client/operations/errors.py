"""Errors of whole operations: a suspected rollback, a missing confirmation, contention."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup_client.errors import ClientError

if TYPE_CHECKING:
    from obscura_backup_client.device.last_seen import BackupSummary


class RollbackSuspected(ClientError):
    """The backup is older than what this device saw, or gone; `reasons` are the stable words of `rollback.Reason`.

    `expected` is what this device last saw, `found` what the server handed out instead, None where that is nothing.
    """

    code = "rollback-suspected"

    def __init__(self, reasons: tuple[str, ...], expected: BackupSummary, found: BackupSummary | None) -> None:
        super().__init__(
            f"The server does not hand out the backup that this device last saw ({', '.join(reasons)}). Nothing was "
            "merged or sent. If its operator restored an older copy, or you deleted the backup, accept it explicitly."
        )
        self.reasons = reasons
        self.expected = expected
        self.found = found


class NotConfirmed(ClientError):
    """The person was shown what would be restored, and did not say yes. Nothing changed."""

    code = "not-confirmed"

    def __init__(self) -> None:
        super().__init__("Not confirmed; nothing was changed.")


class PushContended(ClientError):
    """Other devices kept pushing in between. What they pushed is merged here; a later push sends the rest."""

    code = "push-contended"

    def __init__(self, attempts: int) -> None:
        super().__init__(f"Other devices pushed in between, {attempts} times in a row. Push again in a moment.")
        self.attempts = attempts
