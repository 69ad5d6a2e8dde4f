"""The text of a vCard value: its transfer encoding and its character set. A value that reads two ways is refused."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final

from obscura_backup_client.errors import ContactFileError

if TYPE_CHECKING:
    from collections.abc import Mapping

_UTF_8: Final = "utf-8"
_PLAIN_ENCODINGS: Final = frozenset({"", "7BIT", "8BIT"})
_BASE64_ENCODINGS: Final = frozenset({"B", "BASE64"})

# Labels without case and punctuation, and the codec that reads each. A list of our own: Python's registry also knows
# "encodings" that no contact file should be able to name. Where a superset is in common use under the older name
# (GB 18030 for GB 2312, Microsoft's tables for Shift_JIS and EUC-KR), the superset reads both.
_CODECS: Final[dict[str, str]] = {
    "utf8": _UTF_8,
    **dict.fromkeys(("ascii", "usascii"), "ascii"),
    **dict.fromkeys(("latin1", "l1"), "iso8859_1"),
    **{f"iso8859{part}": f"iso8859_{part}" for part in range(1, 17) if part != 12},  # noqa: PLR2004 - never published
    **{f"{family}{page}": f"cp{page}" for page in (874, *range(1250, 1259)) for family in ("windows", "cp", "xcp")},
    **dict.fromkeys(("koi8r", "koi8"), "koi8_r"),
    "koi8u": "koi8_u",
    **dict.fromkeys(("gb2312", "gbk", "gb18030", "cp936", "windows936", "euccn", "xgbk"), "gb18030"),
    **dict.fromkeys(("big5", "big5hkscs", "cp950", "windows950", "xxbig5"), "big5hkscs"),
    **dict.fromkeys(("shiftjis", "sjis", "xsjis", "mskanji", "cp932", "windows932", "windows31j", "xmscp932"), "cp932"),
    **dict.fromkeys(("eucjp", "xeucjp"), "euc_jp"),
    "iso2022jp": "iso2022_jp",
    **dict.fromkeys(("euckr", "ksc56011987", "ksc5601", "uhc", "cp949", "windows949"), "cp949"),
    "iso2022kr": "iso2022_kr",
}
_SEVEN_BIT: Final = frozenset({"iso2022_jp", "iso2022_kr"})
"""Codecs whose bytes are all ASCII, and which escape sequences switch."""
_OTHER_SEVEN_BIT: Final = ("utf7", "hz", "iso2022")
"""Beginnings of the labels of others, in which ASCII bytes do not mean ASCII characters either."""
_MULTI_BYTE: Final = frozenset({"gb18030", "big5hkscs", "cp932", "euc_jp", "cp949"})

_MALFORMED_ESCAPE: Final = re.compile(rb"=(?![0-9A-Fa-f]{2})")
_ESCAPED_BYTE: Final = re.compile(rb"=([0-9A-Fa-f]{2})")
_NOT_ASCII: Final = re.compile(r"([^\x00-\x7f]+)")
_LATIN: Final = re.compile(r"[A-Za-z]")
_EAST_ASIAN: Final = re.compile(r"[\u1100-\u11ff\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef]")


def decoded(value: str, parameters: Mapping[str, str], line: int, *, characters: bool) -> str:
    """Undo the transfer encoding of a value, and read its bytes in the character set that its parameters name.

    Args:
        value: as it stands in the file, unfolded and still escaped.
        parameters: by upper-case name; ENCODING and CHARSET count.
        line: for the refusal.
        characters: whether the whole file is Unicode text. Its characters are then what they are, whatever CHARSET
            says. Otherwise bytes that are not UTF-8 are in `value` as `surrogateescape` leaves them.

    Raises:
        ContactFileError: an unknown encoding or character set, bytes that are not in it, or bytes that can be read
            in two ways.
    """
    encoding, charset = parameters.get("ENCODING", "").upper(), parameters.get("CHARSET", "")
    if encoding in _BASE64_ENCODINGS:
        return _read(_from_base64(value, line), charset, line)
    if encoding == "QUOTED-PRINTABLE":
        if not characters:
            return _read(_from_quoted_printable(value, line), charset, line)
        # What is not ASCII was not encoded; only the rest is bytes in the named character set.
        return "".join(
            part if part and not part.isascii() else _read(_from_quoted_printable(part, line), charset, line)
            for part in _NOT_ASCII.split(value)
        )
    if encoding not in _PLAIN_ENCODINGS:
        raise ContactFileError("the encoding of this value is not known (export the contacts as vCard 3.0)", line)
    if value.isascii():
        return value if _keeps_ascii(charset) else _read(value.encode("ascii"), charset, line)
    if characters:
        _refuse_other_reading(value, charset, line)
        return value
    return _read(value.encode("utf-8", "surrogateescape"), charset, line)


def _plain(charset: str) -> str:
    return "".join(character for character in charset.lower() if character.isalnum())


def _codec(charset: str) -> str | None:
    return _CODECS.get(_plain(charset))


def _keeps_ascii(charset: str) -> bool:
    return not _plain(charset).startswith(_OTHER_SEVEN_BIT)


def _read(data: bytes, charset: str, line: int) -> str:
    codec = _codec(charset) if charset.strip() else _UTF_8
    if data.isascii() and _keeps_ascii(charset):
        return data.decode("ascii")
    if codec is None:
        raise ContactFileError(
            f"the character set {charset[:40]!r} is not known (export the contacts as vCard 3.0 in UTF-8)", line
        )
    try:
        text = data.decode(codec)
    except UnicodeDecodeError:
        named = f"{charset[:40]}, which CHARSET names" if charset.strip() else "UTF-8, and no CHARSET is named"
        raise ContactFileError(f"the text is not {named}", line) from None
    if codec not in _SEVEN_BIT | {_UTF_8} and _is_rather_utf_8(data, codec):
        raise ContactFileError(f"the text is named {charset[:40]}, and reads as UTF-8 (correct its CHARSET)", line)
    return text


def _is_rather_utf_8(data: bytes, codec: str) -> bool:
    """Whether bytes in another character set look like UTF-8.

    By chance this does not happen to names in single-byte sets: each non-ASCII letter would have to be followed by the
    right number of signs. It does happen in East Asian sets, but to sequences of two bytes only.
    """
    try:
        text = data.decode(_UTF_8)
    except UnicodeDecodeError:
        return False
    return codec not in _MULTI_BYTE or max(text) > "\u07ff"


def _refuse_other_reading(value: str, charset: str, line: int) -> None:
    """Refuse a value of a Unicode file that is, byte for byte, also East Asian text in the set that CHARSET names."""
    codec = _codec(charset)
    if codec not in _MULTI_BYTE or max(value) > "\u07ff":
        return
    try:
        other = value.encode("utf-8").decode(codec)
    except UnicodeDecodeError:
        return
    if not _LATIN.search(other) and all(_EAST_ASIAN.match(each) for each in other if not each.isascii()):
        raise ContactFileError(
            f"the text reads as UTF-8 and as {charset[:40]}, which CHARSET names (save the file as UTF-8, "
            "without CHARSET)",
            line,
        )


def _from_base64(value: str, line: int) -> bytes:
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except ValueError:
        raise ContactFileError("the value is not valid Base64", line) from None


def _from_quoted_printable(value: str, line: int) -> bytes:
    data = value.encode("utf-8", "surrogateescape")
    if _MALFORMED_ESCAPE.search(data):
        raise ContactFileError("the value is not valid quoted-printable text: it has a = without two hex digits", line)
    return _ESCAPED_BYTE.sub(lambda found: bytes([int(found[1], 16)]), data)
