"""The character sets that a vCard may name, and decoding text in them.

Only these sets are supported: Python also has "encodings" that a contact file must not be able to use.
"""

from __future__ import annotations

import re
from typing import Final

# Compared without case, hyphens and underscores. Programs often write a superset under the name of a standard, such as
# GBK under the name GB2312; the codec is then the superset, as in the WHATWG Encoding Standard.
_SINGLE_BYTE: Final = {
    "usascii": "ascii",
    "ascii": "ascii",
    **{f"windows{number}": f"cp{number}" for number in range(1250, 1259)},
    **{f"cp{number}": f"cp{number}" for number in range(1250, 1259)},
    **{f"iso8859{part}": f"iso8859-{part}" for part in range(1, 17) if part != 12},  # noqa: PLR2004 - never published
    **{f"latin{number}": f"iso8859-{part}" for number, part in enumerate((1, 2, 3, 4, 9, 10, 13, 14, 15, 16), start=1)},
    "iso88596i": "iso8859-6",
    "iso88598i": "iso8859-8",
    "windows874": "cp874",
    "cp874": "cp874",
    "tis620": "cp874",
    "koi8r": "koi8-r",
    "koi8u": "koi8-u",
}
_MULTI_BYTE: Final = {
    **dict.fromkeys(("gb2312", "gbk", "cp936", "windows936", "gb18030", "euccn"), "gb18030"),
    **dict.fromkeys(("big5", "big5hkscs", "cnbig5"), "big5hkscs"),
    **dict.fromkeys(("cp950", "windows950"), "cp950"),
    **dict.fromkeys(("shiftjis", "sjis", "xsjis", "mskanji", "windows31j", "cp932", "windows932"), "cp932"),
    **dict.fromkeys(("eucjp", "xeucjp"), "euc_jp"),
    **dict.fromkeys(("euckr", "ksc56011987", "ksc5601", "ksx1001", "cp949", "windows949", "uhc"), "cp949"),
}
_ESCAPING: Final = {"iso2022jp": "iso2022_jp_2", "iso2022kr": "iso2022_kr"}
_OTHER_ESCAPING: Final = ("utf7", "hz", "iso2022")
"""Prefixes of the names of other sets in which ASCII bytes are not ASCII characters. These sets are not supported."""
_UTF_8: Final = frozenset({"", "utf8"})
_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9]")

# The first code point with three bytes in UTF-8. Chinese, Japanese or Korean text in another set is sometimes also
# valid UTF-8 with two bytes per character, and hardly ever with three.
_THREE_BYTES: Final = "\u0800"


class UndecodableError(ValueError):
    """The bytes cannot be decoded reliably; the message says why, and does not quote them."""


def is_iso_2022(name: str) -> bool:
    """Whether all bytes of the set are ASCII, and escape sequences switch between characters (ISO 2022)."""
    return _normalized_name(name) in _ESCAPING


def is_ascii_compatible(name: str) -> bool:
    """Whether ASCII bytes are ASCII characters in the set, as in nearly all sets."""
    return not _normalized_name(name).startswith(_OTHER_ESCAPING)


def is_utf_8(name: str) -> bool:
    """Whether the name means UTF-8. An empty name does."""
    return _normalized_name(name) in _UTF_8


def decode(data: bytes, name: str) -> str:
    """Decode bytes in the named character set; an empty name means UTF-8.

    Bytes that are valid both in UTF-8 and in the named set, with different meanings, are ambiguous: programs name a
    wrong set about as often as this happens by chance.

    Raises:
        UndecodableError: the set is not supported, or the bytes are invalid or ambiguous.
    """
    plain = _normalized_name(name)
    if data.isascii() and is_ascii_compatible(name):
        return data.decode("ascii")
    as_utf_8 = _decoded(data, "utf-8")
    if plain in _UTF_8:
        if as_utf_8 is None:
            raise UndecodableError("the text is not UTF-8" + ("" if plain else ", and no CHARSET names another one"))
        return as_utf_8
    codec = _SINGLE_BYTE.get(plain) or _MULTI_BYTE.get(plain) or _ESCAPING.get(plain)
    if codec is None:
        raise UndecodableError(f"the character set {name[:40]!r} is not supported")
    as_named = _decoded(data, codec)
    if as_named is None:
        if as_utf_8 is None:
            raise UndecodableError(f"the text is not valid in {name[:40]!r}, its CHARSET")
        return as_utf_8
    is_ambiguous = as_utf_8 is not None and (plain in _SINGLE_BYTE or max(as_utf_8) >= _THREE_BYTES)
    if is_ambiguous and as_utf_8 != as_named:
        raise UndecodableError(f"the text is ambiguous: it is valid UTF-8 and valid {name[:40]!r}, its CHARSET")
    return as_named


def _normalized_name(name: str) -> str:
    return _NOT_IN_NAMES.sub("", name.lower())


def _decoded(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        return None
