"""Character sets and transfer encodings of vCards: the right name, or an error with the line."""

from __future__ import annotations

import base64
import codecs
import quopri
from uuid import UUID

import pytest

from obscura_backup_client.formats.contacts import read_contacts
from obscura_backup_client.formats.errors import ContactFileError
from support.client.vcards import ALICE, card, name, only, refused_line
from support.table import table

KEY = bytes(range(48))
KEY_BASE64 = base64.b64encode(KEY).decode()
QP = "ENCODING=QUOTED-PRINTABLE"


def in_bytes(line: str, value: bytes, *more: bytes) -> bytes:
    return card(line + "@@").encode().replace(b"@@", b"\n".join([value, *more]))


@table(
    "charset",
    ["Windows-1252", "windows-1251", "UTF8", "utf-8", '"UTF-8"', "gb2312", "Shift_JIS", "x-nonsense", "UTF-16", ""],
)
@table("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_text_of_a_file_in_unicode_is_never_decoded_again(charset: str, encoding: str) -> None:
    assert only(card(f"FN;charset={charset}:Renée Ü").encode(encoding)).username == "Renée Ü"


@table(
    ("charset", "codec", "text"),
    [
        ("Windows-1252", "cp1252", "Renée Šimůnek".replace("ů", "u")),
        ("cp1250", "cp1250", "Jiří Šimůnek"),
        ("windows-1251", "cp1251", "Алёна"),
        ("WINDOWS-1253", "cp1253", "Ελένη"),
        ("windows-1254", "cp1254", "İpek"),
        ("windows-1255", "cp1255", "שרה"),
        ("windows-1256", "cp1256", "سارة"),
        ("windows-874", "cp874", "สมชาย"),
        ("ISO-8859-1", "latin-1", "Zoë"),
        ("iso_8859-2", "iso8859-2", "Jiří"),
        ("ISO-8859-5", "iso8859-5", "Алёна"),
        ("ISO8859-15", "iso8859-15", "Œuvré"),
        ("latin9", "iso8859-15", "Œuvré"),
        ("KOI8-R", "koi8-r", "Алёна"),
        ("koi8-u", "koi8-u", "Ївга"),
        ("GB2312", "gb2312", "你好"),
        ("gbk", "gbk", "朱镕基"),
        ("GB18030", "gb18030", "朱镕基"),
        ("Big5", "big5", "陳大文"),
        ("Shift_JIS", "cp932", "山田ソ"),
        ("X-SJIS", "cp932", "髙橋"),
        ("EUC-JP", "euc_jp", "山田"),
        ("ISO-2022-JP", "iso2022_jp", "山田"),
        ("EUC-KR", "euc_kr", "김철수"),
        ("ks_c_5601-1987", "cp949", "김철수"),
    ],
)
def test_text_in_a_common_character_set_is_read_as_it_is_and_in_both_transfer_encodings(
    charset: str, codec: str, text: str
) -> None:
    data = text.encode(codec)
    quoted = quopri.encodestring(data, quotetabs=True).replace(b"\x1b", b"=1B")
    assert only(in_bytes(f"FN;CHARSET={charset}:", data)).username == text
    assert only(in_bytes(f"FN;CHARSET={charset};{QP}:", quoted)).username == text
    assert only(in_bytes(f"FN;CHARSET={charset};ENCODING=B:", base64.b64encode(data))).username == text


@table("note", ["NOTE;CHARSET=GB2312:", "NOTE:", f"NOTE;CHARSET=x;{QP}:=", "ORG;ENCODING=uu:", 'X;A="b:'])
def test_an_unused_property_has_no_effect(note: str) -> None:
    assert only(in_bytes(note, "你好".encode("gb2312"), b"FN:Alice")).username == "Alice"


@table("unused", ["N;CHARSET=nonsense;QUOTED-PRINTABLE:=E9", "N:a\nstray", "N;ENCODING=uu:x", r"N:\x"])
def test_an_unused_name_has_no_effect(unused: str) -> None:
    assert name("FN:Alice", unused) == "Alice"


@table(
    ("head", "value"),
    [
        ("FN:", b"Zo\xeb"),
        ("FN;CHARSET=UTF-8:", b"Zo\xeb"),
        ("FN;CHARSET=us-ascii:", b"Zo\xeb"),
        ("FN;CHARSET=macintosh:", b"Zo\x91"),
        ("FN;CHARSET=windows-1252:", b"Zo\x81"),
        ("FN;CHARSET=gb2312:", b"\xc4"),
        (f"FN;{QP}:", b"Zo=EB"),
        (f"FN;CHARSET=UTF-8;{QP}:", b"Zo=EB"),
        (f"FN;CHARSET=unicode_escape;{QP}:", b"Zo=EB"),
        (f"FN;CHARSET=UTF-8;CHARSET=latin1;{QP}:", b"Zo=EB"),
        (f"FN;CHARSET=Windows-1252;{QP}:", b"Ren=C3=A9e"),
        (f"FN;CHARSET=GB2312;{QP}:", "三鹤".encode().hex("=").upper().encode().replace(b"E4", b"=E4", 1)),
        (f"FN;CHARSET=latin1;{QP}:", "Zoë =EB".encode()),
        (f"FN;{QP}:", b"Zo=E"),
        (f"FN;{QP}:", b"a=b"),
        ("FN;ENCODING=B:", b"QWxpY2U"),
        ("FN;ENCODING=uuencode:", b"Alice"),
        (f"FN;ENCODING=B;{QP}:", b"Alice"),
    ],
)
def test_a_name_with_ambiguous_bytes_is_refused_with_its_line(head: str, value: bytes) -> None:
    assert refused_line(in_bytes(head, value)) == 4


@table("head", [f"FN;{QP}:", f"FN;CHARSET=UTF-8;{QP}:", f"FN;CHARSET=US-ASCII;{QP}:"])
def test_quoted_printable_bytes_that_are_only_valid_as_utf_8_are_utf_8(head: str) -> None:
    assert name(head + "Ren=C3=A9e") == "Renée"


def test_unencoded_characters_in_quoted_printable_text_are_kept() -> None:
    assert name(f"FN;CHARSET=latin1;{QP}:Zoë=20Lee") == "Zoë Lee"
    assert name(f"FN;{QP}:Zoë Lé=C3=A9") == "Zoë Léé"


def test_a_file_whose_cards_are_in_different_character_sets_is_read_card_by_card() -> None:
    russian = card("FN;CHARSET=windows-1251:@@").replace(str(ALICE), str(UUID(int=1))).encode()
    data = card("FN:Zoë").encode() + russian.replace(b"@@", "Алёна".encode("cp1251"))
    assert [each.username for each in read_contacts(data)] == ["Zoë", "Алёна"]


def test_a_file_that_must_be_saved_as_utf_8_is_read_afterwards() -> None:
    data = in_bytes("FN;CHARSET=macintosh:", "Zoë".encode("mac-roman"))
    with pytest.raises(ContactFileError, match="save the file as UTF-8"):
        read_contacts(data)
    assert only(data.decode("mac-roman")).username == "Zoë"


@table("data", [codecs.BOM_UTF16_LE + b"B\0E", b"B\0E", codecs.BOM_UTF32_LE + "BEGIN".encode("utf-32-le")])
def test_truncated_utf_16_is_refused(data: bytes) -> None:
    with pytest.raises(ContactFileError):
        read_contacts(data)


@table("charset", ["utf-7", "UTF7", "hz-gb-2312", "iso-2022-cn"])
def test_ascii_bytes_in_a_set_without_ascii_are_refused(charset: str) -> None:
    assert refused_line(card(f"FN;CHARSET={charset}:Zo+AOs-")) == 4
    assert refused_line(card(f"FN;CHARSET={charset};{QP}:Zo+AOs-")) == 4
