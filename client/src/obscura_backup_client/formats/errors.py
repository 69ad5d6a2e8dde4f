"""What can go wrong with a payload that is exported or imported in clear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup_client.errors import ClientError

if TYPE_CHECKING:
    from pathlib import Path


class ExportRefused(ClientError):
    """A file that is to be imported is not an export, or a part of it is not what it must be.

    `location` is that part, as in `contacts[3].user_id`, or empty for the whole; `reason` quotes nothing of it.
    """

    code = "malformed-export"

    def __init__(self, reason: str, location: str = "") -> None:
        where = f" ({location})" if location else ""
        super().__init__(f"This is not an export that can be imported{where}: {reason}.")
        self.reason = reason
        self.location = location


class ExportExists(ClientError):
    """There is something at `path` already, and nobody said that it may be replaced."""

    code = "export-exists"

    def __init__(self, path: Path) -> None:
        super().__init__(f"There is something there already, and it is not replaced unless --force says so: {path}")
        self.path = path


class ExportUnwritable(ClientError):
    """The export cannot be written to `path`; `reason` says why, where it can in the system's own words."""

    code = "export-unwritable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"The export cannot be written ({reason}): {path}")
        self.path = path
        self.reason = reason


class ContactFileError(ClientError):
    """A contact file that cannot be taken as it is; `line` is the place, counted in `unit`s from 1."""

    code = "contact-file"

    def __init__(self, reason: str, line: int | None = None, *, unit: str = "line") -> None:
        where = reason[:1].upper() + reason[1:] if line is None else f"{unit.capitalize()} {line}: {reason}"
        super().__init__(f"{where}.")
        self.reason = reason
        self.line = line
        self.unit = unit
