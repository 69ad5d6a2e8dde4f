"""The entries of CSV and JSON contact files, not yet checked."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from obscura_backup_client.content.user_ids import UUID_PATTERN
from obscura_backup_client.formats.csv_rows import csv_rows
from obscura_backup_client.formats.errors import ContactFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# In order of preference if a file has several. Compared without case, spaces and punctuation.
_ID_NAMES: Final = ("userid", "uuid", "uid", "id")
_USERNAME_NAMES: Final = (
    "username",
    "handle",
    "nickname",
    "displayname",
    "name",
    "fullname",
    "formattedname",
    "fileas",
)
# Address books have separate columns for these, and usually leave most of the columns above empty.
_FIRST_NAMES: Final = ("firstname", "givenname")
_LAST_NAMES: Final = ("lastname", "familyname", "surname")
_KEY_NAMES: Final = ("identitykey", "publickey", "key")
_MEMBER_NAMES: Final = frozenset(_ID_NAMES + _USERNAME_NAMES + _FIRST_NAMES + _LAST_NAMES + _KEY_NAMES)

# Address books write about a hundred. Every column that may hold a name is read in every row: without this limit, a
# malicious file of 8 MiB could take hours.
MAX_COLUMNS: Final = 1000

# Excel writes and reads this line before the header; it names the delimiter.
_SEPARATOR_LINE: Final = re.compile(r"sep=([,;\t|])[ \t]*(?=[\r\n])", re.IGNORECASE)

_UUID: Final = re.compile(rf"(?:urn:uuid:)?({UUID_PATTERN}|[0-9a-f]{{32}})", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Entry:
    """One contact of a file, not yet checked, and its place in the file."""

    place: int
    user_id: str
    username: str
    identity_key: str


def parse_uuid(text: str) -> UUID | None:
    """Read a UUID in its usual form, as 32 hex digits or as a URN; None for anything else."""
    found = _UUID.fullmatch(text.strip())
    return UUID(found[1]) if found else None


def chosen_name(candidates: Iterable[str], first_names: Iterable[str], last_names: Iterable[str]) -> str:
    """The first candidate that is not empty; otherwise first and last name, joined."""
    chosen = first_text(candidates)
    return chosen or f"{first_text(first_names)} {first_text(last_names)}".strip()


def first_text(texts: Iterable[str]) -> str:
    """The first text that is not blank, without surrounding white space; empty if all are blank."""
    return next((text.strip() for text in texts if text.strip()), "")


def _normalized_name(name: str) -> str:
    """The form in which names of columns and members are compared: "User ID", "user_id" and "userId" are the same."""
    return "".join(character for character in name.casefold() if character.isalnum())


# CSV


@dataclass(frozen=True)
class _Columns:
    """The columns by meaning. If several hold a name or a key, each row's first one that is not empty counts."""

    user_id: int
    username: tuple[int, ...]
    key: tuple[int, ...]
    first_name: tuple[int, ...] = ()
    last_name: tuple[int, ...] = ()

    def entry(self, row: list[str], line: int) -> Entry:
        """The entry of a row."""

        def cells(columns: Iterable[int]) -> list[str]:
            return [row[index] for index in columns if index < len(row)]

        name = chosen_name(cells(self.username), cells(self.first_name), cells(self.last_name))
        return Entry(line, "".join(cells([self.user_id])), name, first_text(cells(self.key)))


def csv_entries(text: str) -> Iterator[Entry]:
    """Read CSV with a header in any order, or without one as user id, username and key; the place is a line."""
    rows = _csv_rows(text)
    first_line, first = next(rows, (1, []))
    if len(first) > MAX_COLUMNS:
        raise ContactFileError(f"the first row has more than {MAX_COLUMNS} columns", first_line)
    columns = _header_columns(first)
    if columns is None:
        columns = _headerless_columns(first, first_line)
        yield columns.entry(first, first_line)
    for line, row in rows:
        if any(cell.strip() for cell in row[len(first) :]):
            # Usually an unquoted comma in a name. Ignoring it would silently truncate the name.
            reason = f"the row has more columns than the first row ({len(first)}); quote names that contain commas"
            raise ContactFileError(reason, line)
        yield columns.entry(row, line)


def _csv_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not blank, with its first line."""
    said = _SEPARATOR_LINE.match(text)
    for line, row in csv_rows(text, said[1] if said else _delimiter(text)):
        if any(cell.strip() for cell in row) and not (said and line == 1):
            yield line, row


def _delimiter(text: str) -> str:
    first = next((line for line in re.split(r"[\r\n]+", text) if line.strip()), "")
    unquoted = re.sub(r'"[^"]*"', "", first)
    return max(",;\t", key=unquoted.count)


def _header_columns(row: list[str]) -> _Columns | None:
    """The columns by their names; None if no column is named as a user id."""
    names = [_normalized_name(cell) for cell in row]

    def columns(wanted: tuple[str, ...]) -> tuple[int, ...]:
        return tuple(index for name in wanted for index, found in enumerate(names) if found == name)

    user_ids = columns(_ID_NAMES)
    if not user_ids or any(parse_uuid(cell) for cell in row):
        return None
    return _Columns(
        user_id=user_ids[0],
        username=columns(_USERNAME_NAMES),
        key=columns(_KEY_NAMES),
        first_name=columns(_FIRST_NAMES),
        last_name=columns(_LAST_NAMES),
    )


def _headerless_columns(row: list[str], line: int) -> _Columns:
    user_id = next((index for index, cell in enumerate(row) if parse_uuid(cell)), None)
    if user_id is None:
        raise ContactFileError("no column holds user ids (a UUID, or a header such as user_id)", line)
    others = [index for index in range(len(row)) if index != user_id]
    if not 1 <= len(others) <= 2:  # noqa: PLR2004 - a username, and perhaps a key
        raise ContactFileError("without a header there must be two or three columns: user id, username, key", line)
    return _Columns(user_id, tuple(others[:1]), tuple(others[1:]))


# JSON


def json_entries(text: str) -> Iterator[Entry]:
    """Read a list of objects, an object with such a list under "contacts", or an object by user id.

    The place of an entry is its number.
    """
    try:
        document = json.loads(text, object_pairs_hook=_JsonObject)
    except json.JSONDecodeError as error:
        raise ContactFileError(f"not valid JSON ({error.msg})", error.lineno) from None
    except (ValueError, RecursionError):
        raise ContactFileError("the JSON is nested too deeply or contains a number that is too long") from None
    if isinstance(document, _JsonObject) and "contacts" in document:
        if document.repeated:
            raise ContactFileError("the JSON object around the contacts has two members with the same name")
        document = document["contacts"]
    if isinstance(document, _JsonObject) and not any(_normalized_name(name) in _ID_NAMES for name in document):
        yield from _json_mapping(document)
        return
    for place, member in enumerate(document if isinstance(document, list) else [document], start=1):
        if not isinstance(member, _JsonObject):
            raise ContactFileError("a JSON object with user_id and username was expected", place, unit="entry")
        yield _json_entry(member, place)


def _json_mapping(document: _JsonObject) -> Iterator[Entry]:
    """Read an object whose names are user ids and whose values are usernames, or objects with the rest."""
    if document.repeated:
        raise ContactFileError("the user id is the same as in an earlier entry", document.repeated, unit="entry")
    for place, (user_id, member) in enumerate(document.items(), start=1):
        if isinstance(member, _JsonObject):
            yield replace(_json_entry(member, place), user_id=user_id)
        elif isinstance(member, str):
            yield Entry(place, user_id, member, "")
        else:
            raise ContactFileError("a username was expected for this user id", place, unit="entry")


class _JsonObject(dict[str, Any]):
    """A JSON object. `repeated` is the place, from 1, of the first member whose name an earlier one has; 0 for none."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__()
        self.repeated = 0
        for place, (name, value) in enumerate(pairs, start=1):
            if name in self and not self.repeated:
                self.repeated = place
            self[name] = value


def _json_entry(member: _JsonObject, place: int) -> Entry:
    by_name: dict[str, Any] = {}
    for name, value in member.items():
        plain = _normalized_name(name)
        if value is None or value == "":
            continue
        known = by_name.setdefault(plain, value)
        is_same = known is value or (isinstance(known, str) and known == value)
        if member.repeated or (plain in _MEMBER_NAMES and not is_same):
            raise ContactFileError("the JSON object has two members with the same name", place, unit="entry")

    def texts(wanted: tuple[str, ...]) -> Iterator[str]:
        for name in wanted:
            value = by_name.get(name, "")
            if not isinstance(value, str):
                raise ContactFileError(f"{wanted[0]} must be text", place, unit="entry")
            yield value

    name = chosen_name(texts(_USERNAME_NAMES), texts(_FIRST_NAMES), texts(_LAST_NAMES))
    return Entry(place, first_text(texts(_ID_NAMES)), name, first_text(texts(_KEY_NAMES)))
