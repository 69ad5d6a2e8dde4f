"""The syntax of vCard files: 3.0 (RFC 2426), 4.0 (RFC 6350) and, leniently, 2.1. What they mean is said elsewhere."""

from __future__ import annotations

import quopri
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from obscura_backup_client.errors import ContactFileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Of one card; they are all held until it ends, each in some hundred times the memory of the shortest line.
MAX_PROPERTIES: Final = 10_000

# A list of our own: Python's registry also knows "encodings" that no contact file should be able to name.
_CHARSETS: Final = {"utf-8", "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1252"}
_BARE_ENCODINGS: Final = {"QUOTED-PRINTABLE", "BASE64", "B", "7BIT", "8BIT"}
_NAME: Final = re.compile(r"(?:[A-Za-z0-9-]+\.)?([A-Za-z0-9-]+)")
_QUOTED_PRINTABLE_HEAD: Final = re.compile(r"[^:]*;(?:ENCODING=)?QUOTED-PRINTABLE[;:]", re.IGNORECASE)
_BASE64_HEAD: Final = re.compile(r"[^:]*;(?:ENCODING=)?(?:BASE64|B)[;:]", re.IGNORECASE)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True)
class Property:
    """One property: upper-case name, its parameters by upper-case name, its value still escaped, its first line."""

    name: str
    parameters: Mapping[str, str]
    value: str
    line: int

    @property
    def texts(self) -> list[str]:
        """The value as a comma-separated list, unescaped."""
        return [unescape(text) for text in split_unescaped(self.value, ",")]


@dataclass(frozen=True)
class Card:
    """One vCard: the line it begins on, and its properties in order."""

    line: int
    properties: tuple[Property, ...]

    def all(self, name: str) -> list[Property]:
        """Give the properties of that name whose value is not empty, in order."""
        return [prop for prop in self.properties if prop.name == name and prop.value.strip()]

    def first(self, name: str) -> Property | None:
        """Give the first of them, or None."""
        return next(iter(self.all(name)), None)


def read_cards(text: str) -> Iterator[Card]:
    """Read one card after the other. Bytes that were not UTF-8 are expected as `surrogateescape` left them.

    Raises:
        ContactFileError: a line that is no property, one outside a card, a card inside another, without an end, or
            with more than 10,000 properties.
    """
    start: int | None = None
    properties: list[Property] = []
    for line, content in _unfolded(text):
        marker = "".join(content.split()).upper()
        if start is None:
            if marker != "BEGIN:VCARD":
                raise ContactFileError("not a vCard: BEGIN:VCARD was expected here", line)
            start, properties = line, []
        elif marker == "BEGIN:VCARD":
            raise ContactFileError(f"a card begins inside the one from line {start}", line)
        elif marker == "END:VCARD":
            yield Card(start, tuple(properties))
            start = None
        elif len(properties) < MAX_PROPERTIES:
            properties.append(_property(content, line))
        else:
            raise ContactFileError(f"a card has more than {MAX_PROPERTIES} properties", line)
    if start is not None:
        raise ContactFileError("the card that begins here has no END:VCARD", start)


def split_unescaped(value: str, separator: str) -> list[str]:
    """Split at each separator that no backslash stands before; the parts stay escaped."""
    parts, begin = [], 0
    for found in re.finditer(rf"\\.|{re.escape(separator)}", value, flags=re.DOTALL):
        if found[0] == separator:
            parts.append(value[begin : found.start()])
            begin = found.end()
    return [*parts, value[begin:]]


def unescape(value: str) -> str:
    r"""Undo the escapes of text values: `\n` is a line break, and a backslash before anything else is dropped."""
    return _ESCAPE.sub(lambda found: "\n" if found[1] in "nN" else found[1], value)


def _unfolded(text: str) -> Iterator[tuple[int, str]]:
    """Join folded lines and give each logical line that is not blank, with the number of its first physical line."""
    first, parts = 0, [""]
    soft_breaks = bare_base64 = False
    for number, physical in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
        if physical[:1] in (" ", "\t") and parts[0]:
            parts.append(physical[1:])
        elif soft_breaks and parts[-1].endswith("="):
            parts[-1] = parts[-1][:-1]
            parts.append(physical)
        elif bare_base64 and physical.strip() and ":" not in physical:
            parts.append(physical)  # some phones forget the space before continued base64
        else:
            if parts[0].strip():
                yield first, "".join(parts)
            first, parts = number, [physical]
            soft_breaks = _QUOTED_PRINTABLE_HEAD.match(physical) is not None
            bare_base64 = _BASE64_HEAD.match(physical) is not None
    if parts[0].strip():
        yield first, "".join(parts)


def _property(content: str, line: int) -> Property:
    head, value = _split_head(content)
    found = _NAME.fullmatch(head[0].strip())
    if value is None or found is None:
        raise ContactFileError("not a vCard property (NAME:value)", line)
    parameters: dict[str, str] = {}
    types: list[str] = []
    for part in head[1:]:
        name, equals, setting = part.strip().partition("=")
        if not equals:  # 2.1 leaves out the name where the value says enough
            name, setting = ("ENCODING" if name.upper() in _BARE_ENCODINGS else "TYPE"), name
        if name.upper() == "TYPE":  # may be given as a list or, to the same effect, again
            types.append(setting.strip('"'))
        parameters.setdefault(name.upper(), setting.strip('"'))
    if types:
        parameters["TYPE"] = ",".join(types)
    return Property(found[1].upper(), MappingProxyType(parameters), _decoded(value, parameters, line), line)


def _split_head(content: str) -> tuple[list[str], str | None]:
    """Split a line into its name and parameters, and its value; quotes protect colons and semicolons."""
    parts, begin, quoted = [], 0, False
    for index, character in enumerate(content):
        if character == '"':
            quoted = not quoted
        elif character in ";:" and not quoted:
            parts.append(content[begin:index])
            begin = index + 1
            if character == ":":
                return parts, content[begin:]
    return [content], None


def _decoded(value: str, parameters: Mapping[str, str], line: int) -> str:
    encoding = parameters.get("ENCODING", "").upper()
    charset = parameters.get("CHARSET", "utf-8").lower()
    if charset not in _CHARSETS:
        raise ContactFileError("the character set is not one that can be read (save the file as UTF-8)", line)
    data = value.encode("utf-8", "surrogateescape")
    if encoding == "QUOTED-PRINTABLE":
        data = quopri.decodestring(data)
    elif data.isascii():
        return value
    try:
        return data.decode(charset)
    except UnicodeDecodeError:
        raise ContactFileError(f"the text is not {charset}", line) from None
