"""The syntax of vCard files: 2.1, 3.0 (RFC 2426) and 4.0 (RFC 6350). What they mean is said elsewhere.

Lenient where the intent is plain, and where nothing that is asked for depends on it: a line that is no property is
skipped behind a property that nobody asked for. Everything else is refused with its line, since a contact that is lost
or altered without a word is worse than a file that has to be exported again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from obscura_backup_client.errors import ContactFileError
from obscura_backup_client.vcard_lines import Head, LogicalLine, split_head
from obscura_backup_client.vcard_text import decoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Of one card; they are all counted until it ends, each in some hundred times the memory of the shortest line.
MAX_PROPERTIES: Final = 10_000

_LINE_END: Final = re.compile(r"\r\n|\n|\r")
_BOUNDARIES: Final = re.compile(r"(?:[\s\ufeff]*(?:BEGIN|END)\s*:\s*VCARD)+[\s\ufeff]*", re.IGNORECASE)
_BOUNDARY: Final = re.compile(r"BEGIN|END", re.IGNORECASE)
_BLANK: Final = " \t\ufeff"

_BARE_ENCODINGS: Final = frozenset({"QUOTED-PRINTABLE", "BASE64", "B", "7BIT", "8BIT"})
_VERSION: Final = "VERSION"
_FOLDING_KEEPS_WHITE_SPACE: Final = "2.1"

_ESCAPE: Final = re.compile(r"\\(.?)", re.DOTALL)
_ESCAPABLE: Final = frozenset('\\,;:"nN')


@dataclass(frozen=True)
class Property:
    """One property: upper-case name, its parameters by upper-case name, its value as it stands there, its first line.

    `version` is the card's, `characters` whether the whole file is Unicode text.
    """

    name: str
    parameters: Mapping[str, str]
    value: str
    line: int
    version: str
    characters: bool

    @property
    def escaped(self) -> str:
        """The value in Unicode, still escaped.

        Raises:
            ContactFileError: it cannot be read for certain.
        """
        return decoded(self.value, self.parameters, self.line, characters=self.characters)

    @property
    def text(self) -> str:
        """The value as one text. Raises as `escaped`."""
        return self._unescaped(self.escaped)

    def texts(self, separator: str) -> list[str]:
        """The value as a list with this separator. Raises as `escaped`."""
        return [self._unescaped(part) for part in split_unescaped(self.escaped, separator)]

    def _unescaped(self, value: str) -> str:
        def plain(found: re.Match[str]) -> str:
            if found[1] and found[1] in _ESCAPABLE:
                return "\n" if found[1] in "nN" else found[1]
            if self.version == _FOLDING_KEEPS_WHITE_SPACE:
                return found[0]  # 2.1 has hardly any escapes, so that this is a backslash
            raise ContactFileError("the value has a backslash before a character that needs none", self.line)

        return _ESCAPE.sub(plain, value)


@dataclass(frozen=True)
class Card:
    """One vCard: the line it begins on, and those of its properties that were asked for, in order."""

    line: int
    properties: tuple[Property, ...]

    def all(self, name: str) -> list[Property]:
        """Give the properties of that name whose value is not empty, in order."""
        return [prop for prop in self.properties if prop.name == name and prop.value.strip()]

    def first(self, name: str) -> Property | None:
        """Give the first of them, or None."""
        return next(iter(self.all(name)), None)


def read_cards(text: str, names: frozenset[str]) -> Iterator[Card]:
    """Read one card after the other.

    Args:
        text: of the file. Bytes that were not UTF-8 are expected as `surrogateescape` left them.
        names: of the properties to read, in upper case. Nothing is said about what others hold.

    Raises:
        ContactFileError: a line that is no property behind one that was asked for, a line outside a card, a card inside
            another or without an end, or one with more than 10,000 properties.
    """
    cards = _Cards(names, characters=text.isascii() or not any("\ud800" <= each <= "\udfff" for each in text))
    for number, physical in enumerate(_LINE_END.split(text), start=1):
        if not _BOUNDARIES.fullmatch(physical):
            cards.add(number, physical)
            continue
        if cards.reading is not None and physical[:1] in (" ", "\t"):
            raise ContactFileError("the beginning or end of a card is part of a folded line here", number)
        # More than one stand in one line where files were joined without a line end between them.
        for boundary in _BOUNDARY.findall(physical):
            if boundary.upper() == "BEGIN":
                cards.begin(number)
            else:
                yield cards.end(number)
    if cards.reading is not None:
        cards.reading.close()
        raise ContactFileError("the card that begins here has no END:VCARD", cards.reading.line)


def split_unescaped(value: str, separator: str) -> list[str]:
    """Split at each separator that no backslash stands before; the parts stay escaped."""
    parts, begin = [], 0
    for found in re.finditer(rf"\\.|{re.escape(separator)}", value, flags=re.DOTALL):
        if found[0] == separator:
            parts.append(value[begin : found.start()])
            begin = found.end()
    return [*parts, value[begin:]]


class _Cards:
    """Which card the lines of a file belong to."""

    def __init__(self, names: frozenset[str], *, characters: bool) -> None:
        self._names = names
        self._characters = characters
        self.reading: _Reading | None = None

    def begin(self, number: int) -> None:
        if self.reading is not None:
            self.reading.close()
            raise ContactFileError(f"a card begins inside the one from line {self.reading.line}", number)
        self.reading = _Reading(number, self._names, characters=self._characters)

    def add(self, number: int, physical: str) -> None:
        if self.reading is not None:
            self.reading.add(number, physical)
        elif physical.strip(_BLANK):
            raise ContactFileError("not a vCard: BEGIN:VCARD was expected here", number)

    def end(self, number: int) -> Card:
        if self.reading is None:
            raise ContactFileError("not a vCard: BEGIN:VCARD was expected here", number)
        card, self.reading = self.reading.card(), None
        return card


class _Reading:
    """A card whose end was not seen yet. How its lines are joined depends on its VERSION, which may come last."""

    def __init__(self, line: int, names: frozenset[str], *, characters: bool) -> None:
        self.line = line
        self._names = names | {_VERSION}
        self._characters = characters
        self._count = 0
        self._kept: list[LogicalLine] = []
        self._open: LogicalLine | None = None
        self._behind_wanted = False

    def add(self, number: int, physical: str) -> None:
        """Take the next physical line."""
        if self._open is not None and self._open.takes(physical):
            if self._open.breaks_softly and self._wanted_name(physical):
                raise ContactFileError("the quoted-printable text before this line has no end", number)
            if self._open.is_torn_by(physical) and self._open.name in self._names:
                raise ContactFileError("folded quoted-printable text that can be read in two ways", number)
            self._open.append(physical)
        elif physical.strip(_BLANK):
            self.close()
            self._open = LogicalLine(number, physical)

    def card(self) -> Card:
        """The card, now that it ended."""
        self.close()
        versions = {self._property(line, "").value.strip() for line in self._kept if line.name == _VERSION}
        version = versions.pop() if len(versions) == 1 else ""
        return Card(self.line, tuple(self._property(line, version) for line in self._kept if line.name in self._names))

    def close(self) -> None:
        """Take the last logical line: no more of it will come."""
        line, self._open = self._open, None
        if line is None:
            return
        if line.name is None:
            if self._behind_wanted or self._wanted_name(line.start):
                raise ContactFileError("not a vCard property (NAME:value)", line.number)
            return
        if line.name in ("BEGIN", "END"):
            raise ContactFileError("the beginning or end of a card cannot be read here", line.number)
        if self._behind_wanted and line.has_doubtful_name:
            raise ContactFileError("not a vCard property (NAME:value)", line.number)
        self._count += 1
        if self._count > MAX_PROPERTIES:
            raise ContactFileError(f"a card has more than {MAX_PROPERTIES} properties", line.number)
        wanted = line.name in self._names
        self._behind_wanted = wanted and line.name != _VERSION
        if wanted:
            if line.breaks_softly:
                raise ContactFileError("the quoted-printable text breaks off here", line.number)
            self._kept.append(line)

    def _wanted_name(self, physical: str) -> bool:
        name = re.split("[;:]", physical, maxsplit=1)[0] if re.search("[;:]", physical[:64]) else ""
        return name.rpartition(".")[2].strip().upper() in self._names

    def _property(self, line: LogicalLine, version: str) -> Property:
        if line.is_folded and not version and line.name != _VERSION:
            raise ContactFileError("the card has no VERSION, so that its folded lines cannot be joined", line.number)
        head = split_head(line.joined(keep_white_space=version == _FOLDING_KEEPS_WHITE_SPACE))
        if head is None or line.name is None:
            raise ContactFileError("not a vCard property (NAME:value)", line.number)
        return Property(line.name, _parameters(head, line.number), head.value, line.number, version, self._characters)


def _parameters(head: Head, line: int) -> Mapping[str, str]:
    parameters: dict[str, str] = {}
    types: list[str] = []
    for part in head.parameters:
        name, equals, setting = (each.strip() for each in part.partition("="))
        if not equals:  # 2.1 leaves out the name where the value says enough
            name, setting = ("ENCODING" if name.upper() in _BARE_ENCODINGS else "TYPE"), name
        name, setting = name.upper(), setting.strip('"').strip()
        if name == "TYPE":  # may be given as a list or, to the same effect, again
            types.append(setting)
        elif name in ("ENCODING", "CHARSET") and parameters.get(name, setting).lower() != setting.lower():
            raise ContactFileError(f"the property names two different values of {name}", line)
        parameters.setdefault(name, setting)
    if types:
        parameters["TYPE"] = ",".join(types)
    return MappingProxyType(parameters)
