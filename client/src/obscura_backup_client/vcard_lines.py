"""Logical lines of a vCard: what folding, soft line breaks and continued Base64 spread over several physical lines."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_NAME: Final = re.compile(r"(?:[A-Za-z0-9_-]+\.)?(.+)", re.DOTALL)
_USUAL_NAME: Final = re.compile(r"[A-Z0-9_-]+", re.ASCII)
_SIGN: Final = re.compile('[";:]')
_ENDS_IN_BLANK: Final = (" ", "\t", "=20", "=09")
_TORN_ESCAPE: Final = re.compile(r"[ \t]+[0-9A-F]{2}")
_SETTING: Final = re.compile(r'(?:ENCODING\s*=)?\s*"?\s*([A-Z0-9-]+)\s*"?\s*', re.IGNORECASE)


class Head(NamedTuple):
    """A property taken apart: its name with its group, its parameters, and its value."""

    name: str
    parameters: list[str]
    value: str


def split_head(content: str) -> Head | None:
    """Take a property apart; quotes protect colons and semicolons. None where there is no colon."""
    parts, begin, quoted = [], 0, False
    for found in _SIGN.finditer(content):
        if found[0] == '"':
            quoted = not quoted
        elif not quoted:
            parts.append(content[begin : found.start()])
            begin = found.end()
            if found[0] == ":":
                return Head(parts[0].strip(), parts[1:], content[begin:])
    return None


class LogicalLine:
    """One line as it is meant: its number and all physical lines that it is made of.

    Attributes:
        number: of its first physical line, from 1.
        name: of the property, in upper case and without its group; None where it is no property.
        is_folded: whether white space at the beginning of a line joins it to the one before.
    """

    def __init__(self, number: int, physical: str) -> None:
        self.number = number
        self.name: str | None = None
        self.is_folded = False
        self._parts: list[tuple[str, bool]] = [(physical, False)]
        self._head = ""
        self._head_parts: list[str] = []
        self._is_in_quotes = self._head_ended = False
        self._is_quoted_printable = self._is_base64 = False
        self._look_at_head(physical)

    @property
    def start(self) -> str:
        """The first physical line."""
        return self._parts[0][0]

    @property
    def has_doubtful_name(self) -> bool:
        """Whether the name may as well be words of a text that a program broke into lines."""
        name = self.name or ""
        usual = _USUAL_NAME.fullmatch(name) or name.startswith(("X-", "X_")) or self._head.isupper()
        return not usual

    @property
    def breaks_softly(self) -> bool:
        """Whether a quoted-printable value goes on in the next line, whatever that begins with."""
        return self._is_quoted_printable and self._parts[-1][0].rstrip(" \t").endswith("=")

    def is_torn_by(self, physical: str) -> bool:
        """Whether the next line makes the `=` at the end either a soft break, or the beginning of a folded `=41`."""
        return self.breaks_softly and _TORN_ESCAPE.match(physical) is not None

    def takes(self, physical: str) -> bool:
        """Whether the next physical line belongs to this one."""
        if self.breaks_softly or physical[:1] in (" ", "\t"):
            return True
        # Some phones forget the white space before continued Base64.
        return self._is_base64 and bool(physical.strip()) and ":" not in physical

    def append(self, physical: str) -> None:
        """Add the next physical line, which `takes` said belongs here."""
        folded = False
        if self.breaks_softly:
            last, was_folded = self._parts[-1]
            before = last.rstrip(" \t")[:-1]
            self._parts[-1] = before, was_folded
            if physical[:1] in (" ", "\t"):
                # Some programs indent the line by any white space; for others the blank is the text's own.
                physical = ("" if before.endswith(_ENDS_IN_BLANK) else " ") + physical.lstrip(" \t")
        elif physical[:1] in (" ", "\t"):
            folded = self.is_folded = True
        self._parts.append((physical, folded))
        self._look_at_head(physical.strip())

    def joined(self, *, keep_white_space: bool) -> str:
        """The whole line. vCard 2.1 folds at white space and keeps it; later versions insert what they fold by."""
        return "".join(part[1:] if folded and not keep_white_space else part for part, folded in self._parts)

    def _look_at_head(self, more: str) -> None:
        """Find the head's end in the next part of it; each part is looked at once, however many there are."""
        if self._head_ended:
            return
        for found in _SIGN.finditer(more):
            if found[0] == '"':
                self._is_in_quotes = not self._is_in_quotes
            elif found[0] == ":" and not self._is_in_quotes:
                self._use_head("".join([*self._head_parts, more[: found.end()]]))
                return
        self._head_parts.append(more)

    def _use_head(self, head: str) -> None:
        self._head_ended = True
        name, parameters, _ = split_head(head) or Head("", [], "")
        self._head = name
        found = _NAME.fullmatch(name)
        self.name = found[1].upper() if found else None
        settings = [each[1].upper() for part in parameters if (each := _SETTING.fullmatch(part))]
        self._is_quoted_printable = "QUOTED-PRINTABLE" in settings
        self._is_base64 = bool({"BASE64", "B"} & set(settings))
