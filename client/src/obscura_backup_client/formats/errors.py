"""Errors of imported and exported files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup_client.errors import ClientError

if TYPE_CHECKING:
    from pathlib import Path


class ExportRefused(ClientError):
    """The file to import is not a valid export.

    `location` is the invalid part, such as `contacts[3].user_id`, or empty for the whole file. `reason` does not quote
    the file.
    """

    code = "malformed-export"

    def __init__(self, reason: str, location: str = "") -> None:
        where = f" ({location})" if location else ""
        super().__init__(f"Invalid export{where}: {reason}.")
        self.reason = reason
        self.location = location


class ExportExists(ClientError):
    """There is already something at `path`, and replacing it was not allowed."""

    code = "export-exists"

    def __init__(self, path: Path) -> None:
        super().__init__(f"The file already exists; use --force to replace it: {path}")
        self.path = path


class ExportUnwritable(ClientError):
    """The file `path` cannot be written, for this `reason`."""

    code = "export-unwritable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"The file cannot be written ({reason}): {path}")
        self.path = path
        self.reason = reason


class ContactFileError(ClientError):
    """A contact file cannot be imported. `line` is the place, counted in `unit`s from 1."""

    code = "contact-file"

    def __init__(self, reason: str, line: int | None = None, *, unit: str = "line") -> None:
        where = reason[:1].upper() + reason[1:] if line is None else f"{unit.capitalize()} {line}: {reason}"
        super().__init__(f"{where}.")
        self.reason = reason
        self.line = line
        self.unit = unit
