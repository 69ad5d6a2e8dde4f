"""The properties of a vCard. They are decoded when they are used, so that errors in unused ones do not matter."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from obscura_backup_client.formats.character_sets import UndecodableError
from obscura_backup_client.formats.errors import ContactFileError
from obscura_backup_client.formats.vcard.lines import HEAD, LogicalLine, Problem
from obscura_backup_client.formats.vcard.values import decoded, is_base64, split_unescaped, unescape

if TYPE_CHECKING:
    from collections.abc import Mapping

_BARE_ENCODINGS: Final = {"QUOTED-PRINTABLE", "BASE64", "B", "7BIT", "8BIT"}
_PART_OF_HEAD: Final = re.compile(r'(?:[^";]++|"[^"]*+")++')


@dataclass(frozen=True)
class Property:
    """One property: upper-case name, parameters by upper-case name, and the value, unfolded but not decoded.

    Its methods raise `ContactFileError` with the line if the value is ambiguous or cannot be decoded.
    """

    name: str
    parameters: Mapping[str, str]
    raw: str
    line: int
    version: str | None
    is_text: bool
    is_folded: bool = False
    problem: Problem | None = None

    def text(self) -> str:
        """The value as one text."""
        self._require_certain()
        return self._unescaped(self._value())

    def parts(self, separator: str) -> list[str]:
        """The value as a list of texts."""
        self._require_certain()
        return [self._unescaped(part) for part in split_unescaped(self._value(), separator)]

    def compact(self) -> str:
        """The value without white space, independent of its folding. Base64 is not decoded."""
        self._require_certain()
        value = self.raw if is_base64(self.parameters) else self._value(white_space_matters=False)
        return "".join(self._unescaped(value).split())

    def _value(self, *, white_space_matters: bool = True) -> str:
        if white_space_matters and self.is_folded and self.version is None:
            # The blank belongs to the text in version 2.1, and to the fold in later versions.
            raise ContactFileError("the text is folded, but the card has no VERSION to unfold it by", self.line)
        try:
            return decoded(self.raw, self.parameters, is_text=self.is_text)
        except UndecodableError as error:
            raise ContactFileError(str(error), self.line) from None

    def _require_certain(self) -> None:
        if self.problem is not None:
            raise ContactFileError(*self.problem)

    def _unescaped(self, value: str) -> str:
        try:
            return unescape(value, self.version)
        except UndecodableError as error:
            raise ContactFileError(str(error), self.line) from None


@dataclass(frozen=True)
class Card:
    """One vCard: the line it begins on, its version, and its requested properties in order."""

    line: int
    version: str | None
    properties: tuple[Property, ...]

    def all(self, name: str) -> list[Property]:
        """The properties with this name and a value that is not empty, in order."""
        return [prop for prop in self.properties if prop.name == name and prop.raw.strip()]

    def first(self, name: str) -> Property | None:
        """The first of `all`, or None."""
        return next(iter(self.all(name)), None)


def property_of(logical: LogicalLine, version: str | None, *, is_text: bool) -> Property:
    """The property of a logical line; `version` is the card's."""
    unfolded = logical.unfolded(version)
    found = HEAD.match(unfolded)
    head = found[0] if found else logical.head
    parameters, problem = _parameters(head[:-1], logical.number)
    return Property(
        name=logical.name,
        parameters=MappingProxyType(parameters),
        raw=unfolded[len(head) :],
        line=logical.number,
        version=version,
        is_text=is_text,
        is_folded=logical.is_folded(),
        problem=logical.problem or logical.ambiguous_break(version) or problem,
    )


def _parameters(head: str, line: int) -> tuple[dict[str, str], Problem | None]:
    parameters: dict[str, str] = {}
    types: list[str] = []
    problem = None
    for part in _PART_OF_HEAD.findall(head)[1:]:
        name, equals, setting = part.strip().partition("=")
        if not equals:  # Version 2.1 allows a value without the parameter's name.
            name, setting = ("ENCODING" if name.upper() in _BARE_ENCODINGS else "TYPE"), name
        name, setting = name.strip().upper(), setting.strip().strip('"').strip()
        if name == "TYPE":  # It may be a list, or be repeated with the same meaning.
            types.append(setting)
        elif name in ("ENCODING", "CHARSET") and parameters.get(name, setting).upper() != setting.upper():
            problem = Problem(f"{name} is given twice with different values", line)
        parameters.setdefault(name, setting)
    if types:
        parameters["TYPE"] = ",".join(types)
    return parameters, problem
