"""Reading contacts from CSV, JSON and vCard files of other programs. A file is imported completely or not at all."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, Literal

from obscura_backup_client.content.names import username_problem
from obscura_backup_client.formats.contact_entries import Entry, csv_entries, json_entries, parse_uuid
from obscura_backup_client.formats.errors import ContactFileError
from obscura_backup_client.formats.identity_keys import MalformedKeyError, parse_identity_key
from obscura_backup_client.formats.vcard.contacts import vcard_entries
from obscura_backup_client.formats.vcard.lines import boundary_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

FileFormat = Literal["csv", "vcard", "json"]

MAX_CONTACT_FILE_BYTES: Final = 8 * 1024 * 1024
MAX_IMPORTED_CONTACTS: Final = 100_000

_EXTENSIONS: Final[dict[str, FileFormat]] = {".csv": "csv", ".vcf": "vcard", ".json": "json"}


@dataclass(frozen=True)
class ImportedContact:
    """One contact of a file; `identity_key` is empty where the file has none."""

    user_id: UUID
    username: str
    identity_key: bytes


def read_contacts(data: bytes, *, file_format: FileFormat | None = None, name: str = "") -> list[ImportedContact]:
    """Read all contacts of a file, in its order, each user id once.

    Args:
        data: the file's content, at most 8 MiB: UTF-8, or UTF-16 with a byte order mark.
        file_format: if known; otherwise the extension of `name` decides, else the content.
        name: the file's name, used only for its extension (.csv, .vcf, .json).

    Raises:
        ContactFileError: the file is invalid; with the line (CSV, vCard, JSON syntax) or entry number (JSON), counted
            from 1.
    """
    if len(data) > MAX_CONTACT_FILE_BYTES:
        raise ContactFileError(f"the file has more than {MAX_CONTACT_FILE_BYTES} bytes")
    text = _text(data)
    if not text.strip():
        raise ContactFileError("the file is empty")
    chosen = file_format or _EXTENSIONS.get(PurePath(name).suffix.lower()) or _format_of(text)
    if chosen == "vcard":
        return _collected(vcard_entries(text), "line")
    # Only a vCard property may say that it is in another character set.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.isascii() and not _is_encodable(line):
            raise ContactFileError("the text is neither UTF-8 nor UTF-16 (save the file as UTF-8)", number)
    return _collected(csv_entries(text), "line") if chosen == "csv" else _collected(json_entries(text), "entry")


def _text(data: bytes) -> str:
    encoding = _utf_16(data[:2])
    try:
        text = data.decode(encoding) if encoding else data.decode("utf-8", "surrogateescape")
    except UnicodeDecodeError:
        raise ContactFileError("the file is not valid UTF-16 text") from None
    if "\0" in text:
        raise ContactFileError("the file is not text")
    return text.lstrip("\ufeff")


def _utf_16(start: bytes) -> str | None:
    """The UTF-16 encoding, by its mark or by the first character, which is ASCII in all formats; None if it is none."""
    if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    if start[:1] != b"\0" == start[1:]:
        return "utf-16-le"
    return "utf-16-be" if start[:1] == b"\0" != start[1:] else None


def _is_encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _format_of(text: str) -> FileFormat:
    start = text.lstrip("\ufeff \t\r\n")[:100]
    if boundary_of(start) is not None:
        return "vcard"
    return "json" if start[:1] in ("[", "{") else "csv"


def _collected(entries: Iterator[Entry], unit: str) -> list[ImportedContact]:
    """Check every entry and drop repeated ones. Two different entries for one user are an error."""
    contacts: dict[UUID, ImportedContact] = {}
    places: dict[UUID, int] = {}
    for entry in entries:
        contact = _checked(entry, unit)
        known = contacts.setdefault(contact.user_id, contact)
        place = places.setdefault(contact.user_id, entry.place)
        if known != contact:
            raise ContactFileError(
                f"the same user id as in {unit} {place}, but with another username or key", entry.place, unit=unit
            )
        if len(contacts) > MAX_IMPORTED_CONTACTS:
            raise ContactFileError(f"the file has more than {MAX_IMPORTED_CONTACTS} contacts", entry.place, unit=unit)
    if not contacts:
        raise ContactFileError("the file holds no contacts")
    return list(contacts.values())


def _checked(entry: Entry, unit: str) -> ImportedContact:
    user_id = parse_uuid(entry.user_id)
    if user_id is None:
        raise ContactFileError(f"{_shown(entry.user_id)} is not a UUID", entry.place, unit=unit)
    username = entry.username.strip()
    problem = username_problem(username)
    if problem is not None:
        raise ContactFileError(problem, entry.place, unit=unit)
    try:
        return ImportedContact(user_id, username, parse_identity_key(entry.identity_key))
    except MalformedKeyError as malformed:
        raise ContactFileError(str(malformed), entry.place, unit=unit) from None


def _shown(text: str) -> str:
    limit = 40
    return repr(text) if len(text) <= limit else repr(text[:limit]) + "…"
