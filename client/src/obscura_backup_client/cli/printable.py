"""Text that somebody else chose, made safe to be shown on a terminal: what cannot be seen is written as an escape.

A name may hold characters that break a line, move the cursor, turn the direction of text, or look like nothing. Two
names that differ in such a character only would look the same.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Unicode's property Default_Ignorable_Code_Point (DerivedCoreProperties.txt, version 16), and further ones that look
# like nothing: the Braille blank, and the marks of annotations between lines.
INVISIBLE: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""As the inside of a character class."""

_INVISIBLE: Final = re.compile(f"[{INVISIBLE}]")
_UNPRINTABLE_CATEGORIES: Final = frozenset({"Cc", "Cs", "Cn", "Zl", "Zp"})

# Where some of them do their proper work, they stay: joiners in families of emoji and within Arabic and Indic words,
# variation selectors behind what they vary, and the tags that make the flags of England, Scotland and Wales.
_JOINERS: Final = "\u200c\u200d"
_JOINED_CATEGORIES: Final = frozenset({"Lo", "Mn", "Mc", "So", "Sk", "Sm"})
_VARIED_CATEGORIES: Final = frozenset({"So", "Sm", "Lo"})
_KEYCAPS: Final = "#*0123456789"
_FLAG: Final = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{2,6}\U000e007f")


def printable(text: str) -> str:
    r"""Text of one line, safe to be shown within a line: what cannot be seen becomes an escape such as `\u200b`."""
    if text.isascii() and text.isprintable():
        return text
    kept, begin = [], 0
    for flag in _FLAG.finditer(text):
        kept += [_escaped(text[begin : flag.start()]), flag[0]]
        begin = flag.end()
    return "".join([*kept, _escaped(text[begin:])])


def printable_lines(text: str) -> str:
    """The same for text of several lines."""
    return "\n".join(map(printable, text.split("\n")))


def _escaped(text: str) -> str:
    padded = f" {text} "
    return "".join(
        _escape(letter) if _is_unseen(letter, padded[place], padded[place + 2]) else letter
        for place, letter in enumerate(text)
    )


def _is_unseen(letter: str, before: str, behind: str) -> bool:
    if not _INVISIBLE.match(letter):
        return unicodedata.category(letter) in _UNPRINTABLE_CATEGORIES
    kind = unicodedata.category(before)
    if letter in _JOINERS:
        seen = kind in _JOINED_CATEGORIES and not _is_unbased(before)
        return not (seen and unicodedata.category(behind) in _JOINED_CATEGORIES and not _INVISIBLE.match(behind))
    if "\ufe00" <= letter <= "\ufe0f" or "\U000e0100" <= letter <= "\U000e01ef":
        return not (kind in _VARIED_CATEGORIES or before in _KEYCAPS) or bool(_INVISIBLE.match(before))
    return True


def _is_unbased(letter: str) -> bool:
    """Whether it is invisible by itself; a variation selector belongs to what stands before it."""
    return bool(_INVISIBLE.match(letter)) and not "\ufe00" <= letter <= "\ufe0f"


def _escape(letter: str) -> str:
    return f"\\u{ord(letter):04x}" if letter <= "\uffff" else f"\\U{ord(letter):08x}"
