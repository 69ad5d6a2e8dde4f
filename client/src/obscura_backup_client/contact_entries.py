"""What CSV, JSON and vCard files say about contacts, entry by entry, before anybody checks it."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from obscura_backup_client.errors import ContactFileError
from obscura_backup_client.vcards import Card, Property, read_cards, split_unescaped, unescape

if TYPE_CHECKING:
    from collections.abc import Iterator

# In order of preference, where a file has several; compared without case, spaces and punctuation.
_ID_NAMES: Final = ("userid", "uuid", "uid", "id")
_USERNAME_NAMES: Final = ("username", "handle", "nickname", "displayname", "name")
_KEY_NAMES: Final = ("identitykey", "publickey", "key")

# Stricter than `UUID()`, which also takes hyphens anywhere, underscores and the digits of any script.
_UUID: Final = re.compile(
    r"(?:urn:uuid:)?([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32})", re.IGNORECASE | re.ASCII
)
_DATA_URI: Final = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)


@dataclass(frozen=True)
class Entry:
    """What a file says about one contact, not yet checked, and the place where it says so."""

    place: int
    user_id: str
    username: str
    identity_key: str


def parse_uuid(text: str) -> UUID | None:
    """Read a UUID in its usual form, as 32 hex digits or as a URN; None for anything else."""
    found = _UUID.fullmatch(text.strip())
    return UUID(found[1]) if found else None


def _plain(name: str) -> str:
    """Reduce a column's or member's name to what is compared: "User ID", "user_id" and "userId" are one name."""
    return "".join(character for character in name.casefold() if character.isalnum())


# CSV


def csv_entries(text: str) -> Iterator[Entry]:
    """Read CSV with a header in any order, or without one as user id, username and key; the place is a line."""
    rows = _csv_rows(text)
    first_line, first = next(rows, (1, []))
    columns = _header_columns(first)
    if columns is None:
        columns = _headerless_columns(first, first_line)
        yield _csv_entry(first, columns, first_line, len(first))
    for line, row in rows:
        yield _csv_entry(row, columns, line, len(first))


def _csv_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Give each row that is not blank with the line it begins on."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ContactFileError(f"not valid CSV ({error})", line) from None
        if any(cell.strip() for cell in row):
            yield line, row


def _delimiter(text: str) -> str:
    first = next((line for line in re.split(r"[\r\n]+", text) if line.strip()), "")
    unquoted = re.sub(r'"[^"]*"', "", first)
    return max(",;\t", key=unquoted.count)


def _header_columns(row: list[str]) -> tuple[int, int | None, int | None] | None:
    """Find the columns of user id, username and key by name, or None when the row names no user id."""
    names = [_plain(cell) for cell in row]

    def column(wanted: tuple[str, ...]) -> int | None:
        return next((names.index(name) for name in wanted if name in names), None)

    user_id = column(_ID_NAMES)
    if user_id is None or any(parse_uuid(cell) for cell in row):
        return None
    return user_id, column(_USERNAME_NAMES), column(_KEY_NAMES)


def _headerless_columns(row: list[str], line: int) -> tuple[int, int | None, int | None]:
    user_id = next((index for index, cell in enumerate(row) if parse_uuid(cell)), None)
    if user_id is None:
        raise ContactFileError("no column holds user ids (a UUID, or a header such as user_id)", line)
    others = [index for index in range(len(row)) if index != user_id]
    if not 1 <= len(others) <= 2:  # noqa: PLR2004 - a username, and perhaps a key
        raise ContactFileError("without a header there must be two or three columns: user id, username, key", line)
    return user_id, others[0], others[1] if others[1:] else None


def _csv_entry(row: list[str], columns: tuple[int, int | None, int | None], line: int, width: int) -> Entry:
    if any(cell.strip() for cell in row[width:]):
        # Most often a comma in a name that nobody quoted: reading on would cut the name short without a word.
        raise ContactFileError(f"the row has more than the first row's {width} columns", line)
    user_id, username, key = (row[index] if index is not None and index < len(row) else "" for index in columns)
    return Entry(line, user_id, username, key)


# JSON


def json_entries(text: str) -> Iterator[Entry]:
    """Read a list of objects, the same under "contacts", or an object by user id; the place is an entry's number."""
    try:
        document = json.loads(text, object_pairs_hook=_members)
    except json.JSONDecodeError as error:
        raise ContactFileError(f"not valid JSON ({error.msg})", error.lineno) from None
    except (ValueError, RecursionError):
        raise ContactFileError("the JSON is nested too deeply or has a number that is too long") from None
    if isinstance(document, dict) and "contacts" in document:
        document = document["contacts"]
    if isinstance(document, dict) and not any(_plain(name) in _ID_NAMES for name in document):
        yield from _json_mapping(document)
        return
    for place, member in enumerate(document if isinstance(document, list) else [document], start=1):
        if not isinstance(member, dict):
            raise ContactFileError("a JSON object with user_id and username was expected", place, unit="entry")
        yield _json_entry(member, place)


def _json_mapping(document: dict[str, Any]) -> Iterator[Entry]:
    """Read an object whose names are user ids and whose values are usernames, or objects with the rest."""
    for place, (user_id, member) in enumerate(document.items(), start=1):
        if isinstance(member, dict):
            yield replace(_json_entry(member, place), user_id=user_id)
        elif isinstance(member, str):
            yield Entry(place, user_id, member, "")
        else:
            raise ContactFileError("a username was expected for this user id", place, unit="entry")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ContactFileError("a JSON object has the same name twice")
    return members


def _json_entry(member: dict[str, Any], place: int) -> Entry:
    by_name = {_plain(name): value for name, value in member.items() if value is not None}

    def text(wanted: tuple[str, ...]) -> str:
        value = next((by_name[name] for name in wanted if name in by_name), "")
        if not isinstance(value, str):
            raise ContactFileError(f"{wanted[0]} must be text", place, unit="entry")
        return value

    return Entry(place, text(_ID_NAMES), text(_USERNAME_NAMES), text(_KEY_NAMES))


# vCard


def vcard_entries(text: str) -> Iterator[Entry]:
    """Read UID, the first of NICKNAME, FN and N, and KEY of each card; the place is a line."""
    for card in read_cards(text):
        uid = card.first("UID")
        if uid is None:
            raise ContactFileError("the card that begins here has no UID", card.line)
        yield Entry(uid.line, unescape(uid.value), _card_username(card), _card_key(card.first("KEY")))


def _card_username(card: Card) -> str:
    if nickname := card.first("NICKNAME"):
        return next((text for text in nickname.texts if text.strip()), "")
    if formatted := card.first("FN"):
        return unescape(formatted.value)
    if structured := card.first("N"):
        family, given, *_ = [unescape(part).strip() for part in split_unescaped(structured.value, ";")] + ["", ""]
        return f"{given} {family}".strip()
    return ""


def _card_key(key: Property | None) -> str:
    return "" if key is None else _DATA_URI.sub("", unescape(key.value), count=1)
