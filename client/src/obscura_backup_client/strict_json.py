"""Strict reading of JSON: this device's files, exports to import, tokens, and the responses of servers.

Nothing is guessed or converted. A member that is missing, occurs twice or has the wrong type is an error.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from obscura_backup_client.content.model import MAX_INTEGER
from obscura_backup_client.content.user_ids import parse_user_id

if TYPE_CHECKING:
    from uuid import UUID

REQUIRED: Final = object()
"""The default of a member that must be there."""

# An error shows a name from the file only up to this length, which is enough to find the place.
_SHOWN_NAME: Final = 40


class JsonError(Exception):
    """A document, or the part at `location`, is refused. `problem` does not quote it; `location` may be empty.

    A location is a line, or a place such as `contacts[3].user_id`.
    """

    def __init__(self, problem: str, location: str = "") -> None:
        super().__init__(f"{location or 'it'} {problem}")
        self.problem = problem
        self.location = location


def parse(encoded: bytes) -> object:
    """The value in a JSON text.

    Raises:
        JsonError: it is not JSON, too deeply nested, or has two members of one name in an object.
    """
    try:
        return json.loads(encoded, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise JsonError("is not JSON", f"line {error.lineno}") from None
    except (ValueError, RecursionError):  # not UTF-8, a number of thousands of digits, nested too deeply
        raise JsonError("is not JSON") from None


def is_count(value: object) -> TypeGuard[int]:
    """Whether it is a count that JSON represents exactly. In Python `True` is also an int."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_INTEGER


def parse_hex(text: str, length: int, location: str) -> bytes:
    """The bytes of a text of hex digits.

    Raises:
        JsonError: it is not hex, or has another length in bytes.
    """
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    # `fromhex` skips white space.
    if len(value) != length or value.hex() != text.lower():
        raise JsonError(f"is not {length} bytes in hex", location)
    return value


class JsonObject:
    """A JSON object at a location of the document. Its members are taken one by one, each by name and type.

    Every method raises `JsonError` with the member's location if it is missing without a default, or of another type.
    """

    def __init__(self, value: object, location: str = "") -> None:
        if not isinstance(value, dict):
            raise JsonError("is not an object", location)
        self.location = location
        self._members: dict[str, Any] = value

    def at(self, name: str) -> str:
        """The location of a member."""
        shown = name[:_SHOWN_NAME]
        return f"{self.location}.{shown}" if self.location else shown

    def names(self) -> list[str]:
        """The names of the members that were not taken yet."""
        return list(self._members)

    def take(self, name: str, default: object = REQUIRED) -> object:
        """A member of any type."""
        value = self._members.pop(name, default)
        if value is REQUIRED:
            raise JsonError("is missing", self.at(name))
        return value

    def flag(self, name: str, default: object = REQUIRED) -> bool:
        """True or false."""
        value = self.take(name, default)
        if not isinstance(value, bool):
            raise JsonError("is not true or false", self.at(name))
        return value

    def count(self, name: str, default: object = REQUIRED) -> int:
        """A whole number from 0 to 2^53 - 1."""
        value = self.take(name, default)
        if not is_count(value):
            raise JsonError("is not a count", self.at(name))
        return value

    def text(self, name: str, default: object = REQUIRED) -> str:
        """A string."""
        value = self.take(name, default)
        if not isinstance(value, str):
            raise JsonError("is not a string", self.at(name))
        return value

    def base64(self, name: str, default: object = REQUIRED) -> bytes:
        """Bytes in Base64: standard alphabet, padded, and no other bits set than those of the bytes."""
        text = self.text(name, default)
        try:
            value = base64.b64decode(text, validate=True)
        except ValueError:
            raise JsonError("is not Base64", self.at(name)) from None
        if base64.b64encode(value).decode("ascii") != text:
            raise JsonError("is Base64 that was cut off or altered", self.at(name))
        return value

    def hex(self, name: str, length: int) -> bytes:
        """`length` bytes in hex."""
        return parse_hex(self.text(name), length, self.at(name))

    def user_id(self, name: str) -> UUID:
        """A UUID."""
        user_id = parse_user_id(self.text(name))
        if user_id is None:
            raise JsonError("is not a UUID in its usual form", self.at(name))
        return user_id

    def inner(self, name: str, default: object = REQUIRED) -> JsonObject:
        """An object."""
        return JsonObject(self.take(name, default), self.at(name))

    def inner_or_none(self, name: str) -> JsonObject | None:
        """An object; None if it is null or missing."""
        value = self.take(name, default=None)
        return None if value is None else JsonObject(value, self.at(name))

    def objects(self, name: str) -> list[JsonObject]:
        """A list of objects."""
        value = self.take(name)
        if not isinstance(value, list):
            raise JsonError("is not a list", self.at(name))
        return [JsonObject(each, f"{self.at(name)}[{index}]") for index, each in enumerate(value)]

    def end(self) -> None:
        """Check that no member is left: a misspelt name must not count as a missing member."""
        for name in self._members:
            raise JsonError("is an unknown member", self.at(name))


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise JsonError("has two members of the same name in one object")
    return found


def _refuse_constant(_name: str) -> None:
    raise JsonError("has a number that is not finite")
