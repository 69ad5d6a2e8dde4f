"""Untrusted text, escaped for a terminal.

A name in a backup or contact file may be malicious. Characters that move the cursor, break a line, change the direction
of text or are invisible are written as Python escapes. Two names that differ therefore look different.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

# Control characters, format characters, surrogates, unassigned code points, line and paragraph separators.
# With `_BLANK` these include all of Unicode's Bidi_Control and Default_Ignorable_Code_Point.
_ESCAPED_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})

# Default_Ignorable_Code_Point outside those categories (DerivedCoreProperties.txt of Unicode 17), and the Braille
# pattern without dots: invisible letters and marks.
_BLANK: Final = frozenset(
    map(
        chr,
        [
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800, 0x3164, 0xFFA0),
            *range(0xFE00, 0xFE10),
            *range(0xE0100, 0xE01F0),
        ],
    )
)
# Prepended_Concatenation_Mark: visible format characters, such as the Arabic sign for a year.
_SEEN_FORMATS: Final = frozenset(
    map(chr, [*range(0x0600, 0x0606), 0x06DD, 0x070F, 0x0890, 0x0891, 0x08E2, 0x110BD, 0x110CD])
)

_ZWNJ, _ZWJ = "\u200c", "\u200d"
_EMOJI_SELECTORS: Final = frozenset("\ufe0e\ufe0f")
_HAN_SELECTORS: Final = frozenset(map(chr, [*range(0xFE00, 0xFE03), *range(0xE0100, 0xE01F0)]))
_MONGOLIAN_SELECTORS: Final = frozenset("\u180b\u180c\u180d\u180e\u180f")
_VIRAMA_CLASS: Final = 9
# Scripts whose letters join: Arabic, Syriac, N'Ko and the blocks between, Mongolian, Arabic's other forms, Adlam.
_JOINING: Final = ((0x0620, 0x08FF), (0x1820, 0x18AA), (0xFB50, 0xFDFF), (0xFE70, 0xFEFC), (0x1E900, 0x1E94B))
_SKIN_TONES: Final = range(0x1F3FB, 0x1F400)
# The only tags of Unicode that are not deprecated: the flags of England, Scotland, Wales and the like.
_FLAG: Final = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f")
_KEYCAP_BASES: Final = frozenset("#*0123456789")
_OTHER_EMOJI: Final = frozenset("\u203c\u2049\u2139\u3030")


def printable(name: str) -> str:
    """The name, safe to show within one line of a terminal."""
    return _escaped(name, lambda letter: letter.encode("unicode_escape", "surrogatepass").decode("ascii"))


def printable_lines(text: str) -> str:
    """The text of several lines, safe to show on a terminal."""
    return "\n".join(map(printable, text.split("\n")))


def printable_json(document: str) -> str:
    """The JSON document, safe to show on a terminal. It uses JSON escapes, so its value does not change."""
    return "\n".join(_escaped(line, lambda letter: json.dumps(letter)[1:-1]) for line in document.split("\n"))


def _escaped(text: str, escape: Callable[[str], str]) -> str:
    if text.isascii() and text.isprintable():
        return text
    flags = {index for found in _FLAG.finditer(text) for index in range(*found.span())}
    return "".join(
        escape(letter) if _is_unseen(letter) and index not in flags and not _is_needed(text, index) else letter
        for index, letter in enumerate(text)
    )


def _is_unseen(letter: str) -> bool:
    if letter in _BLANK:
        return True
    return unicodedata.category(letter) in _ESCAPED_CATEGORIES and letter not in _SEEN_FORMATS


def _is_needed(text: str, index: int) -> bool:
    """Whether the invisible character has its regular function here, as in many names and in emoji."""
    letter, before, after = text[index], text[index - 1 : index], text[index + 1 : index + 2]
    if not before:
        return False
    if letter in (_ZWNJ, _ZWJ):
        return _is_needed_joiner(letter, before, after)
    if letter in _EMOJI_SELECTORS:
        is_keycap = before in _KEYCAP_BASES and after == "\u20e3"
        return is_keycap or before in _OTHER_EMOJI or (unicodedata.category(before)[0] == "S" and not before.isascii())
    if letter in _MONGOLIAN_SELECTORS:
        return "\u1820" <= before <= "\u18aa"
    # Such variants distinguish Japanese family names.
    return letter in _HAN_SELECTORS and unicodedata.name(before, "").startswith("CJK ")


def _is_needed_joiner(letter: str, before: str, after: str) -> bool:
    """By the rules of RFC 5892 (appendix A) for host names, and between the parts of an emoji."""
    if unicodedata.combining(before) == _VIRAMA_CLASS:
        return True
    if not after:
        return False
    if unicodedata.combining(after) == _VIRAMA_CLASS or (_joins(before) and _joins(after)):
        return unicodedata.category(before)[0] in "LM"
    return (
        letter == _ZWJ and (_is_emoji(before) or before == "\ufe0f" or ord(before) in _SKIN_TONES) and _is_emoji(after)
    )


def _joins(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LM" and any(first <= ord(letter) <= last for first, last in _JOINING)


def _is_emoji(letter: str) -> bool:
    return unicodedata.category(letter) == "So" and letter > "\u2190"
