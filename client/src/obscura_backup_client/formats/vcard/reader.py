"""The syntax of vCard files: 3.0 (RFC 2426), 4.0 (RFC 6350) and, leniently, 2.1. `contacts` gives them a meaning.

Only the properties that the caller requests are read. Errors in other properties are ignored if the end of the property
is certain.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from obscura_backup_client.formats.errors import ContactFileError
from obscura_backup_client.formats.vcard.lines import (
    Boundary,
    LogicalLine,
    boundary_of,
    head_of,
    is_blank,
    is_double_spaced,
    is_indented,
    name_of,
    physical_lines,
)
from obscura_backup_client.formats.vcard.properties import Card, property_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# Per card. Cards of address books have a few dozen.
MAX_PROPERTIES: Final = 10_000

_VERSIONS: Final = frozenset({"2.1", "3.0", "4.0"})
_BOUNDARY_NAMES: Final = frozenset({"BEGIN", "END"})
_NO_PROPERTY: Final = "not a vCard property (NAME:value)"
_JOINED_CARDS: Final = re.compile(r"END:VCARD\s*BEGIN:VCARD", re.IGNORECASE)
_UP_TO_MARK: Final = re.compile(r"([^;:]*)([;:])")
# Names that some programs give to their own properties.
_ODD_NAME: Final = re.compile(r"[A-Za-z0-9_. -]+")

# Other properties of address books. After a soft line break, a line that begins with one is probably not the text's.
_COMMON: Final = frozenset({
    "ADR", "AGENT", "ANNIVERSARY", "BDAY", "CATEGORIES", "CLASS", "EMAIL", "GENDER", "GEO", "IMPP", "LABEL", "LANG",
    "LOGO", "MAILER", "MEMBER", "NOTE", "ORG", "PHOTO", "PRODID", "RELATED", "REV", "ROLE", "SORT-STRING", "SOUND",
    "SOURCE", "TEL", "TITLE", "TZ", "URL",
})  # fmt: skip


def read_cards(text: str, wanted: Iterable[str]) -> Iterator[Card]:
    """Read the cards one by one, each with the properties that have the wanted upper-case names.

    Bytes that are not UTF-8 must be in the text as `surrogateescape` represents them.

    Raises:
        ContactFileError: there is text outside a card; a card is inside another (except an AGENT of version 2.1), has
            no end, or has more than 10,000 properties; a line may or may not be a wanted property.
    """
    lines, is_text, names = physical_lines(text), _is_text(text), frozenset(wanted)
    is_double_spaced_file = is_double_spaced(text)
    card: _OpenCard | None = None
    for index, line in enumerate(lines):
        if is_blank(line):
            if card is not None and not is_double_spaced_file:
                card.take_blank()
        elif card is None:
            if boundary_of(line) != "begin":
                raise ContactFileError("not a vCard: BEGIN:VCARD was expected here", index + 1)
            card = _OpenCard(index + 1, names)
        else:
            boundary = card.take(lines, index)
            if boundary is not None:
                yield card.closed(is_text=is_text)
                card = _OpenCard(index + 1, names) if boundary == "end and begin" else None
    if card is not None:
        raise ContactFileError("the card that begins here has no END:VCARD", card.line)


class _OpenCard:
    """A card whose end has not been read yet."""

    def __init__(self, line: int, wanted: frozenset[str]) -> None:
        self.line = line
        self._wanted = wanted | {"VERSION"}
        self._depth = 1
        self._count = 0
        self._read: list[LogicalLine] = []
        self._current: LogicalLine | None = None

    def take_blank(self) -> None:
        """Handle a blank line."""
        if self._current is not None:
            self._current.end()

    def take(self, lines: Sequence[str], index: int) -> Boundary | None:
        """Handle any other line. Returns the boundary in it if the line ends this card."""
        current, line, number = self._current, lines[index], index + 1
        if current is not None and is_indented(line):
            self._take_indented(current, line, number)
            return None
        boundary, name = boundary_of(line), name_of(line)
        if boundary is not None:
            return self._take_boundary(boundary, number)
        if current is not None and current.has_soft_break() and not current.is_over:
            self._take_after_soft_break(current, name, line, number)
        elif name is not None and (head := head_of(lines, index)) is not None:
            self._take_property(name, head, line, number)
        else:
            self._take_malformed(line, number)
        return None

    def closed(self, *, is_text: bool) -> Card:
        """The card, after its end was read."""
        version = self._version()
        return Card(self.line, version, tuple(property_of(each, version, is_text=is_text) for each in self._read))

    def _version(self) -> str | None:
        said = [property_of(each, "3.0", is_text=True) for each in self._read if each.name == "VERSION"]
        # Keys of mail programs contain lines such as "Version: GnuPG v2".
        said = [each for each in said if each.raw.strip() in _VERSIONS]
        if len(said) > 1:
            reason = "a second VERSION in one card: END:VCARD and BEGIN:VCARD seem to be missing before it"
            raise ContactFileError(reason, said[1].line)
        return said[0].text().strip() if said else None

    def _take_indented(self, current: LogicalLine, line: str, number: int) -> None:
        boundary = boundary_of(line)
        if boundary == "end and begin":
            raise ContactFileError("one card ends and another begins inside a folded line", number)
        if boundary is not None:
            current.mark_unreadable("BEGIN:VCARD or END:VCARD is inside a folded line", number)
        if current.is_over:
            current.mark_unreadable(
                "a blank line precedes this line, which looks like the rest of a folded line", number
            )
        else:
            current.take("soft break" if current.has_soft_break() else "fold", line)

    def _take_boundary(self, boundary: Boundary, number: int) -> Boundary | None:
        current = self._current
        if boundary == "unreadable":
            raise ContactFileError("the line contains more than BEGIN:VCARD or END:VCARD", number)
        if boundary == "begin":
            if current is None or current.name != "AGENT" or current.value().strip():
                raise ContactFileError(f"a card begins inside the card from line {self.line}", number)
            self._begin_inner_card()
            return None
        if current is not None and current.has_soft_break() and not current.is_over:
            current.mark_unreadable("the card ends where the quoted-printable text should continue", current.number)
        self._close()
        if self._depth == 1:
            return boundary
        if boundary != "end":
            raise ContactFileError(f"an inner card ends here, but not the card that begins in line {self.line}", number)
        self._depth -= 1
        self._current = LogicalLine("", number, "", "")
        return None

    def _begin_inner_card(self) -> None:
        """Begin another person's card, which version 2.1 allows as the value of AGENT. Its properties are ignored."""
        self._depth += 1
        self._current = None

    def _take_after_soft_break(self, current: LogicalLine, name: str | None, line: str, number: int) -> None:
        if name in self._wanted:
            # Some programs end a text in `=` although nothing follows. Then this line is a property that is needed.
            raise ContactFileError("quoted-printable text continues in this line, which looks like a property", number)
        if name is not None and (name in _COMMON or name.startswith("X-")):
            current.mark_unreadable("quoted-printable text continues in this line, which looks like a property", number)
        current.take("soft break", line)

    def _take_property(self, name: str, head: str, line: str, number: int) -> None:
        if name in _BOUNDARY_NAMES:
            raise ContactFileError(f"{name} of something other than a vCard", number)
        self._close()
        self._current = LogicalLine(name, number, head, line)
        self._count += 1
        if self._count > MAX_PROPERTIES:
            raise ContactFileError(f"a card has more than {MAX_PROPERTIES} properties", number)
        if self._depth == 1 and name in self._wanted:
            if _JOINED_CARDS.search(line):
                raise ContactFileError("one card ends and another begins inside a property", number)
            self._read.append(self._current)
        elif name == "AGENT" and boundary_of(self._current.value()) == "begin":
            self._begin_inner_card()

    def _take_malformed(self, line: str, number: int) -> None:
        current = self._current
        name, mark = (found[1], found[2]) if (found := _UP_TO_MARK.match(line)) else ("", "")
        if mark and _visible_name(name) in self._wanted | _BOUNDARY_NAMES:
            raise ContactFileError("the name of this property is ambiguous", number)
        if mark and _ODD_NAME.fullmatch(name) and ":" in line:
            if current is not None and _may_be_words(name):
                current.mark_unreadable(_NO_PROPERTY, number)
            self._take_property("", line.partition(":")[0] + ":", line, number)
        elif current is None:
            raise ContactFileError(_NO_PROPERTY, number)
        elif current.may_go_on_as_base64(line):
            current.take("base64", line)
            current.base64_since = current.base64_since or number
        else:
            current.mark_unreadable(_NO_PROPERTY, number)

    def _close(self) -> None:
        if self._current is not None:
            self._current.close()


def _may_be_words(name: str) -> bool:
    """Whether the name may be words of a text before a colon, because a program broke the line there."""
    return " " in name.strip() and not (name.isupper() or name.rpartition(".")[2].upper().startswith(("X-", "X_")))


def _visible_name(name: str) -> str:
    """The name without its group, and without blanks, underscores and invisible characters."""
    last = name.rpartition(".")[2]
    return "".join(letter for letter in last if letter not in " _" and letter.isprintable()).upper()


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
