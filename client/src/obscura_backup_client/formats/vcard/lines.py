"""The lines of vCard files: which of them are one property, where cards begin and end, and how folding is undone."""

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
    # Files that were put together, the first of which had no line break at its end.
    "END:VCARDBEGIN:VCARD": "end and begin",
}

_NAME: Final = re.compile(r"(?:[A-Za-z0-9_-]+\.)?([A-Za-z0-9-]+)[ \t]*(?=[;:])")
# Name and parameters; quotes protect colons and semicolons.
HEAD: Final = re.compile(r'(?:[^":]++|"[^"]*+")*+:')
_QUOTED_PRINTABLE: Final = re.compile(r';\s*(?:ENCODING\s*=\s*)?"?QUOTED-PRINTABLE"?\s*[;:]', re.IGNORECASE)
_BASE64: Final = re.compile(r';\s*(?:ENCODING\s*=\s*)?"?(?:BASE64|B)"?\s*[;:]', re.IGNORECASE)
_BASE64_LINE: Final = re.compile(r"[A-Za-z0-9+/=]+[ \t]*")
_BLANK_AND_HEX: Final = re.compile(r"[ \t]+[0-9A-F]{2}")

# How many lines the name and the parameters of one property may be folded into.
_MAX_HEAD_LINES: Final = 8


class Problem(NamedTuple):
    """Why a value cannot be read for certain, and the line that makes it so."""

    reason: str
    line: int


def physical_lines(text: str) -> list[str]:
    """The lines of a text, however they end."""
    return _LINE_BREAK.split(text)


def is_double_spaced(text: str) -> bool:
    """Whether there are blank lines between all others, so that they say nothing of where a property ends."""
    return _ADJACENT_LINES.search(text) is None


def is_blank(line: str) -> bool:
    """Whether there is nothing in the line but blanks and byte order marks."""
    return not line.strip(_BLANKS)


def is_indented(line: str) -> bool:
    """Whether the line begins as the continuation of a folded one does."""
    return line[:1] in (" ", "\t")


def boundary_of(line: str) -> Boundary | None:
    """What the line begins or ends, if it is no property but a boundary of cards, in whatever case and spacing."""
    if _BOUNDARY.match(line) is None:
        return None
    return _BOUNDARIES.get("".join(line.replace("\ufeff", "").split()).upper(), "unreadable")


def name_of(line: str) -> str | None:
    """The upper-case name of the property that begins here, without its group; None where none can begin."""
    found = _NAME.match(line)
    return found[1].upper() if found else None


def head_of(lines: Sequence[str], index: int) -> str | None:
    """Name and parameters, with the colon, of the property that begins at this line; None where there is no colon."""
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
    """A property: its first line, and those that continue it, as they are in the file."""

    name: str
    number: int
    head: str
    first: str
    continued: list[tuple[Join, str]] = field(default_factory=list)
    is_over: bool = False
    """A blank line followed: what comes now and looks like a continuation is not one for certain."""
    problem: Problem | None = None
    base64_since: int | None = None
    """The first line of Base64 that was taken without a blank before it, and that no blank line has ended yet."""
    _length: int = field(init=False)

    def __post_init__(self) -> None:
        self._length = len(self.first)

    def take(self, join: Join, line: str) -> None:
        """Add a line that continues the property."""
        self.continued.append((join, line))
        self._length += len(line) - (join == "fold")

    def mark_unreadable(self, reason: str, number: int) -> None:
        """Remember that the value cannot be read for certain; the first reason stays."""
        self.problem = self.problem or Problem(reason, number)

    def end(self) -> None:
        """A blank line, which ends the value, and Base64 as version 2.1 has it."""
        self.is_over, self.base64_since = True, None

    def close(self) -> None:
        """The next property or boundary is there."""
        if self.base64_since is not None:
            self.mark_unreadable(
                "not a vCard property (NAME:value), and no blank line ends the base64", self.base64_since
            )

    def has_soft_break(self) -> bool:
        """Whether the value is quoted-printable, and its last line so far ends in `=`: the next one belongs to it."""
        if self._length < len(self.head):
            return False  # `ENCODING=`, and what it is comes on the next line
        last = self.continued[-1][1] if self.continued else self.first
        return last.rstrip(_WHITE_SPACE).endswith("=") and self._is_quoted_printable

    def may_go_on_as_base64(self, line: str) -> bool:
        """Whether the line may be more of the value: some phones forget the blank before continued Base64."""
        return not self.is_over and self._is_base64 and _BASE64_LINE.fullmatch(line) is not None

    def unfolded(self, version: str | None) -> str:
        """The property in one line.

        Folding adds the white space that it begins a line with, except in version 2.1: there it breaks a line before
        white space that is the text's own. A soft line break goes before either.
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
        """What stands after the head, as far as it was read."""
        return self.unfolded("3.0")[len(self.head) :]

    def is_folded(self) -> bool:
        """Whether the property was broken into lines that begin with white space."""
        return any(join == "fold" for join, _ in self.continued)

    def ambiguous_break(self, version: str | None) -> Problem | None:
        """A line end at a quoted-printable `=` that is either a soft break, or where a later fold tore `=41` in two."""
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
    """The line, led by one blank at most: some programs indent it, and for others the blanks are the text's."""
    if not is_indented(line):
        return line
    return ("" if before.endswith((" ", "\t", "=20", "=09")) else " ") + line.lstrip(_WHITE_SPACE)
