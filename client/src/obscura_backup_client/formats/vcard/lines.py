"""The lines of vCard files: which lines form one property, where cards begin and end, and unfolding."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

Boundary = Literal["begin", "end", "end and begin", "unreadable"]
Join = Literal["fold", "soft break", "base64"]

_LINE_BREAK: Final = re.compile(r"\r\n|\n|\r")
_ADJACENT_LINES: Final = re.compile(r"\S[^\S\r\n]*+(?:\r\n|\n|\r)[^\S\r\n]*+\S")
_WHITE_SPACE: Final = " \t"
_BLANKS: Final = " \t\ufeff"
_BOUNDARY: Final = re.compile(r"[ \t\ufeff]*(?:BEGIN|END)[ \t]*:[ \t]*VCARD", re.IGNORECASE)
_BOUNDARIES: Final[dict[str, Boundary]] = {
    "BEGIN:VCARD": "begin",
    "END:VCARD": "end",
    # Concatenated files, of which the first did not end in a line break.
    "END:VCARDBEGIN:VCARD": "end and begin",
}

_NAME: Final = re.compile(r"(?:[A-Za-z0-9_-]+\.)?([A-Za-z0-9-]+)[ \t]*(?=[;:])")
# Name and parameters; quotes protect colons and semicolons.
HEAD: Final = re.compile(r'(?:[^":]++|"[^"]*+")*+:')
_QUOTED_PRINTABLE: Final = re.compile(r';\s*(?:ENCODING\s*=\s*)?"?QUOTED-PRINTABLE"?\s*[;:]', re.IGNORECASE)
_BASE64: Final = re.compile(r';\s*(?:ENCODING\s*=\s*)?"?(?:BASE64|B)"?\s*[;:]', re.IGNORECASE)
_BASE64_LINE: Final = re.compile(r"[A-Za-z0-9+/=]+[ \t]*")
_BLANK_AND_HEX: Final = re.compile(r"[ \t]+[0-9A-F]{2}")

# The most lines that the name and the parameters of one property may be folded into.
_MAX_HEAD_LINES: Final = 8


class Problem(NamedTuple):
    """Why a value cannot be read reliably, and the line that causes it."""

    reason: str
    line: int


def physical_lines(text: str) -> list[str]:
    """The lines of a text, which may end in CR, LF or both."""
    return _LINE_BREAK.split(text)


def is_double_spaced(text: str) -> bool:
    """Whether blank lines separate all other lines. Such blank lines do not mark the end of a property."""
    return _ADJACENT_LINES.search(text) is None


def is_blank(line: str) -> bool:
    """Whether the line contains only blanks and byte order marks."""
    return not line.strip(_BLANKS)


def is_indented(line: str) -> bool:
    """Whether the line begins with white space, like the continuation of a folded line."""
    return line[:1] in (" ", "\t")


def boundary_of(line: str) -> Boundary | None:
    """The card boundary in this line, in any case and spacing; None if the line is not a boundary."""
    if _BOUNDARY.match(line) is None:
        return None
    return _BOUNDARIES.get("".join(line.replace("\ufeff", "").split()).upper(), "unreadable")


def name_of(line: str) -> str | None:
    """The upper-case name of the property that begins here, without its group; None if no property can begin here."""
    found = _NAME.match(line)
    return found[1].upper() if found else None


def head_of(lines: Sequence[str], index: int) -> str | None:
    """Name, parameters and colon of the property that begins at this line; None if there is no colon."""
    head = lines[index]
    found = HEAD.match(head)
    for number in range(index + 1, min(index + _MAX_HEAD_LINES, len(lines))):
        if found is not None or not (is_indented(lines[number]) or is_blank(lines[number])):
            break
        head += lines[number][1:]
        found = HEAD.match(head)
    return found[0] if found else None


@dataclass
class LogicalLine:
    """A property: its first line and its continuation lines, unchanged from the file."""

    name: str
    number: int
    head: str
    first: str
    continued: list[tuple[Join, str]] = field(default_factory=list)
    is_over: bool = False
    """A blank line followed. Whether a later indented line continues the property is ambiguous."""
    problem: Problem | None = None
    base64_since: int | None = None
    """The first Base64 line that was added although it is not indented; None if a blank line ended the Base64."""
    _length: int = field(init=False)

    def __post_init__(self) -> None:
        self._length = len(self.first)

    def take(self, join: Join, line: str) -> None:
        """Add a continuation line."""
        self.continued.append((join, line))
        self._length += len(line) - (join == "fold")

    def mark_unreadable(self, reason: str, number: int) -> None:
        """Record that the value cannot be read reliably. The first reason is kept."""
        self.problem = self.problem or Problem(reason, number)

    def end(self) -> None:
        """Handle a blank line. It ends the value, and the Base64 of version 2.1."""
        self.is_over, self.base64_since = True, None

    def close(self) -> None:
        """Handle the start of the next property or boundary."""
        if self.base64_since is not None:
            self.mark_unreadable(
                "not a vCard property (NAME:value), and no blank line ends the base64", self.base64_since
            )

    def has_soft_break(self) -> bool:
        """Whether the value is quoted-printable and its last line so far ends in `=`: the next line continues it."""
        if self._length < len(self.head):
            return False  # The head itself is folded, for instance after `ENCODING=`.
        last = self.continued[-1][1] if self.continued else self.first
        return last.rstrip(_WHITE_SPACE).endswith("=") and self._is_quoted_printable

    def may_go_on_as_base64(self, line: str) -> bool:
        """Whether the line may continue the value. Some phones do not indent continued Base64."""
        return not self.is_over and self._is_base64 and _BASE64_LINE.fullmatch(line) is not None

    def unfolded(self, version: str | None) -> str:
        """The property in one line.

        Folding adds the white space at the start of the next line. In version 2.1 it does not: there, a line is broken
        before white space that belongs to the text. A soft line break takes precedence over both.
        """
        text = [self.first]
        for join, line in self.continued:
            if join == "soft break":
                text[-1] = _without_soft_break(text[-1])
                text.append(_after_soft_break(text[-1], line))
            else:
                text.append(line[1:] if join == "fold" and version != "2.1" else line)
        if self.has_soft_break():
            text[-1] = _without_soft_break(text[-1])
        return "".join(text)

    def value(self) -> str:
        """The text after the head, as far as it was read."""
        return self.unfolded("3.0")[len(self.head) :]

    def is_folded(self) -> bool:
        """Whether a continuation line begins with white space."""
        return any(join == "fold" for join, _ in self.continued)

    def ambiguous_break(self, version: str | None) -> Problem | None:
        """The problem if a `=` at a line end may be a soft break, or half of `=41`, which a later fold split."""
        torn = version != "2.1" and any(
            join == "soft break" and _BLANK_AND_HEX.match(line) for join, line in self.continued
        )
        return Problem("folded quoted-printable text that can be read in two ways", self.number) if torn else None

    @cached_property
    def _is_quoted_printable(self) -> bool:
        return _QUOTED_PRINTABLE.search(self.head) is not None

    @cached_property
    def _is_base64(self) -> bool:
        return _BASE64.search(self.head) is not None


def _without_soft_break(line: str) -> str:
    return line.rstrip(_WHITE_SPACE)[:-1]


def _after_soft_break(before: str, line: str) -> str:
    """The line with at most one leading blank. Some programs indent it; with others, the blank belongs to the text."""
    if not is_indented(line):
        return line
    return ("" if before.endswith((" ", "\t", "=20", "=09")) else " ") + line.lstrip(_WHITE_SPACE)
