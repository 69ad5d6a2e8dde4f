"""The values of vCard properties: transfer encodings, character sets and escapes."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final

from obscura_backup_client.formats.character_sets import (
    UndecodableError,
    decode,
    is_ascii_compatible,
    is_iso_2022,
    is_utf_8,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

# Version 2.1 escapes only the semicolon; later programs also escape the comma and the colon there. A backslash before
# another character stands for itself. Before these characters it may be either.
_UNSURE_IN_2_1: Final = frozenset("\\nN")
_ESCAPED_AS_THEMSELVES: Final = frozenset(",;:")
_ESCAPE: Final = re.compile(r"\\(.?)", re.DOTALL)

_ESCAPED_BYTES: Final = re.compile(r"=([0-9A-Fa-f]{2})")
_ESCAPED_NON_ASCII: Final = re.compile(r"=[89A-Fa-f][0-9A-Fa-f]")
_BASE64: Final = frozenset({"BASE64", "B"})
_PLAIN: Final = frozenset({"", "7BIT", "8BIT"})


def is_base64(parameters: Mapping[str, str]) -> bool:
    """Whether the value is written in Base64."""
    return parameters.get("ENCODING", "").upper() in _BASE64


def decoded(value: str, parameters: Mapping[str, str], *, is_text: bool) -> str:
    """Decode the transfer encoding and the character set that the parameters name. Escapes are kept.

    Args:
        value: unfolded; bytes that are not UTF-8 are in it as `surrogateescape` represents them.
        parameters: by upper-case name.
        is_text: whether the whole file was UTF-8 or UTF-16. CHARSET then applies only to bytes in quoted-printable or
            Base64, and not to characters that are written directly.

    Raises:
        UndecodableError: the value is ambiguous or not validly encoded.
    """
    encoding, charset = parameters.get("ENCODING", "").upper(), parameters.get("CHARSET", "")
    if encoding == "QUOTED-PRINTABLE":
        return _quoted_printable(value, charset, is_text=is_text)
    if is_base64(parameters):
        return decode(_from_base64(value), charset)
    if encoding not in _PLAIN:
        raise UndecodableError(f"the encoding {encoding[:40]!r} is not supported")
    return _characters(value, charset, is_text=is_text)


def split_unescaped(value: str, separator: str) -> list[str]:
    """Split at each separator without a backslash before it. The parts stay escaped."""
    parts, begin = [], 0
    for found in re.finditer(rf"\\.|{re.escape(separator)}", value, flags=re.DOTALL):
        if found[0] == separator:
            parts.append(value[begin : found.start()])
            begin = found.end()
    return [*parts, value[begin:]]


def unescape(value: str, version: str | None) -> str:
    r"""Decode the escapes of text values by the rules of the card's version (None: unknown).

    Raises:
        UndecodableError: a backslash is ambiguous.
    """

    def plain(found: re.Match[str]) -> str:
        letter = found[1]
        if letter and letter in _ESCAPED_AS_THEMSELVES:
            return letter
        if version == "2.1" and letter not in _UNSURE_IN_2_1:
            return found[0]
        if version in ("3.0", "4.0") and letter and letter in _UNSURE_IN_2_1:
            return "\\" if letter == "\\" else "\n"
        raise UndecodableError("a backslash precedes a character that this version of vCard does not escape")

    return _ESCAPE.sub(plain, value) if "\\" in value else value


def _characters(value: str, charset: str, *, is_text: bool) -> str:
    # No name contains escape sequences: text that has them is ISO 2022, although it is also ASCII.
    is_escaped = not is_ascii_compatible(charset) and value.isascii() and (not is_iso_2022(charset) or "\x1b" in value)
    if (is_text or value.isascii()) and not is_escaped:
        return value
    try:
        return decode(value.encode("utf-8", "surrogateescape"), charset)
    except UndecodableError as error:
        raise UndecodableError(f"{error} (save the file as UTF-8)") from None


def _quoted_printable(value: str, charset: str, *, is_text: bool) -> str:
    if "=" in _ESCAPED_BYTES.sub("", value):
        raise UndecodableError("the text is not valid quoted-printable")
    if value.isascii():
        return decode(_unquoted(value), charset)
    if _ESCAPED_NON_ASCII.search(value) is None:
        # Characters are written directly; only line breaks, blanks and the like are written as bytes.
        return _characters(_ESCAPED_BYTES.sub(lambda found: chr(int(found[1], 16)), value), charset, is_text=is_text)
    if not is_utf_8(charset):
        raise UndecodableError(
            "some characters are written directly and some as quoted-printable bytes of a character set"
        )
    return decode(_unquoted(value), charset)


def _unquoted(value: str) -> bytes:
    data = value.encode("utf-8", "surrogateescape")
    return re.sub(rb"=([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), data)


def _from_base64(value: str) -> bytes:
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except ValueError:
        raise UndecodableError("the text is not valid base64") from None
