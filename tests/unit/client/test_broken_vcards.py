"""Cards as programs break them: each is read as it was meant, or refused with its line; none is stored altered."""

from __future__ import annotations

import base64
from uuid import UUID

import pytest

from obscura_backup_client.contact_files import ImportedContact, read_contacts
from obscura_backup_client.errors import ContactFileError

ALICE = UUID("00112233-4455-6677-8899-aabbccddeeff")
BOB = UUID("22222222-2222-4222-8222-222222222222")
KEY = bytes(range(32))
KEY_BASE64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def card(*lines: str, version: str = "3.0", user_id: UUID = ALICE, end: str = "\r\n") -> str:
    return end.join(["BEGIN:VCARD", f"VERSION:{version}", f"UID:{user_id}", *lines, "END:VCARD", ""])


def contacts(content: str | bytes) -> list[ImportedContact]:
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    return read_contacts(data, file_format="vcard")


def names(content: str | bytes) -> list[str]:
    return [each.username for each in contacts(content)]


def refusal(content: str | bytes) -> str:
    with pytest.raises(ContactFileError) as refused:
        contacts(content)
    return str(refused.value)


# --- the beginning and the end of a card ---

FIRST = card("FN:Alpha One")
SECOND = card("FN:Beta Two", f"KEY;ENCODING=b:{KEY_BASE64}", user_id=BOB)
JOINED = [ImportedContact(ALICE, "Alpha One", b""), ImportedContact(BOB, "Beta Two", KEY)]


@pytest.mark.parametrize(
    "between", ["", " ", "\t", "\r", "\n\n", "\ufeff", "\n\ufeff", "\ufeff\n", " \ufeff ", "\r\n\r\n\ufeff\ufeff"]
)
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_joined_files_are_two_contacts_whatever_is_between_them(between: str, end: str) -> None:
    text = FIRST.rstrip() + between + SECOND
    assert contacts(text.replace("\r\n", end)) == JOINED


@pytest.mark.parametrize("between", ["END:VCARDBEGIN:VCARD", "end:vcardBegin:Vcard", "END : VCARD BEGIN : VCARD"])
def test_two_boundaries_in_one_line_end_a_card_and_begin_the_next(between: str) -> None:
    text = FIRST.replace("END:VCARD\r\n", between) + SECOND.removeprefix("BEGIN:VCARD")
    assert contacts(text) == JOINED


def test_three_files_joined_without_line_ends_are_three_contacts() -> None:
    third = card("FN:Gamma", user_id=UUID(int=3))
    assert [each.username for each in contacts(FIRST.rstrip() + SECOND.rstrip() + third)] == [
        "Alpha One",
        "Beta Two",
        "Gamma",
    ]


@pytest.mark.parametrize(
    "between",
    [
        "END:VCARDX",
        "END:VCARD;BEGIN:VCARD",
        "item1.END:VCARD",
        "END;X=1:VCARD",
        "BEGIN:VCARDVERSION:3.0",
        "END:VCARDBEGIN:VCARDVERSION:3.0",
        "END:VCALENDAR",
        " END:VCARD",
        "\tBEGIN:VCARD",
        "BEGIN:VCARD",
    ],
)
def test_a_boundary_that_cannot_be_read_is_refused_and_never_a_property(between: str) -> None:
    text = FIRST.removesuffix("END:VCARD\r\n") + between + "\r\n" + SECOND.removeprefix("BEGIN:VCARD\r\n")
    assert refusal(text).startswith("Line 5: ")


@pytest.mark.parametrize("behind", ["", "BEGIN:VCARD\r\n"])
def test_a_last_boundary_that_cannot_be_read_is_named_with_its_own_line(behind: str) -> None:
    assert refusal(FIRST.replace("END:VCARD", "END:VCARDX") + behind).startswith("Line 5: ")


def test_a_card_with_two_user_ids_is_refused() -> None:
    """What two cards become where the lines between them are lost."""
    text = FIRST.removesuffix("END:VCARD\r\n") + SECOND.removeprefix("BEGIN:VCARD\r\nVERSION:3.0\r\n")
    assert refusal(text) == "Line 5: the card has another UID in line 3."


def test_the_same_user_id_twice_in_a_card_is_one() -> None:
    assert names(card(f"UID:{ALICE}", "FN:Alpha")) == ["Alpha"]


def test_a_name_may_quote_a_boundary() -> None:
    assert names(card("FN:Alpha END:VCARD")) == ["Alpha END:VCARD"]


# --- character sets ---


@pytest.mark.parametrize("charset", ["Windows-1252", "GB2312", "shift_jis", "x-unknown", '"utf-8"', "UTF8", ""])
def test_characters_of_a_utf_8_file_are_what_they_are_whatever_charset_says(charset: str) -> None:
    assert names(card(f"FN;CHARSET={charset}:Renée Ü")) == ["Renée Ü"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_text_that_was_decoded_already_is_not_decoded_again(encoding: str) -> None:
    assert names(card("FN;CHARSET=Windows-1252:Renée Ü").encode(encoding)) == ["Renée Ü"]


@pytest.mark.parametrize(
    ("charset", "codec", "name"),
    [
        ("windows-1250", "cp1250", "Łukasz Žižka"),
        ("windows-1251", "cp1251", "Наталья"),
        ("CP1251", "cp1251", "Наталья"),
        ("Windows-1252", "cp1252", "Renée Ü"),
        ("windows-1253", "cp1253", "Ελένη"),
        ("windows-1254", "cp1254", "Şükrü"),
        ("windows-1255", "cp1255", "שרה"),
        ("windows-1256", "cp1256", "سارة"),
        ("windows-1257", "cp1257", "Jūratė"),
        ("windows-1258", "cp1258", "Đan"),
        ("windows-874", "cp874", "สมชาย"),
        ("ISO-8859-1", "iso8859_1", "Renée Ü"),
        ("iso_8859-2", "iso8859_2", "Łukasz"),
        ("ISO8859-5", "iso8859_5", "Наталья"),
        ("latin1", "iso8859_1", "Zoë"),
        ("iso-8859-15", "iso8859_15", "Œuvrard"),
        ("KOI8-R", "koi8_r", "Наталья"),
        ("koi8-u", "koi8_u", "Їжак"),
        ("GB2312", "gb2312", "王小明"),
        ("gbk", "gbk", "王小明镕"),
        ("GB18030", "gb18030", "王小明"),
        ("Big5", "big5", "王小明許功蓋"),
        ("Shift_JIS", "cp932", "表十ソ太郎"),
        ("EUC-JP", "euc_jp", "山田太郎"),
        ("ISO-2022-JP", "iso2022_jp", "山田太郎"),
        ("EUC-KR", "euc_kr", "김철수"),
        ("ks_c_5601-1987", "cp949", "김철수"),
        ("UTF-8", "utf-8", "Renée Ü 王"),
    ],
)
def test_common_character_sets_are_read_as_bytes_as_quoted_printable_and_as_base64(
    charset: str, codec: str, name: str
) -> None:
    encoded = name.encode(codec)
    quoted = "".join(f"={byte:02X}" for byte in encoded)
    begin, end = card(f"FN;CHARSET={charset}@:#").encode().split(b"@:#")
    assert names(begin + b":" + encoded + end) == [name]
    assert names(begin + b";ENCODING=QUOTED-PRINTABLE:" + quoted.encode() + end) == [name]
    assert names(begin + b";ENCODING=b:" + base64.b64encode(encoded) + end) == [name]


def test_the_parts_of_a_name_are_split_after_decoding() -> None:
    """The second byte of these characters is the backslash of ASCII."""
    line = "N;CHARSET=SHIFT_JIS;ENCODING=QUOTED-PRINTABLE:=95=5C;=83=5C;;;"
    assert names(card(line, version="2.1")) == ["ソ 表"]


def test_a_property_that_is_not_used_may_be_in_any_character_set() -> None:
    content = card("FN:Alpha One", "NOTE;CHARSET=x-unknown:\udcff\udcfe", "X-Y:\udcff", "ADR;ENCODING=z:?")
    assert names(content) == ["Alpha One"]


def test_a_name_that_is_not_needed_may_be_in_any_character_set() -> None:
    assert names(card("N;CHARSET=x-unknown:\udcff", "FN:Alpha One")) == ["Alpha One"]


@pytest.mark.parametrize(
    "line",
    [
        "FN:Zo\udceb",  # no character set named
        "FN;CHARSET=x-unknown:Zo\udceb",
        "FN;CHARSET=utf-7:Zo+AOs-",
        "FN;CHARSET=windows-1252:Zo\udc81",  # no character there
        "FN;CHARSET=windows-1252;ENCODING=QUOTED-PRINTABLE:Zo=C3=AB",  # UTF-8, wrongly named
        "FN;CHARSET=GB2312;ENCODING=QUOTED-PRINTABLE:=E7=8E=8B=E5=B0=8F=E6=98=8E",  # the same
        "FN;CHARSET=utf-8;CHARSET=windows-1252:Zo\udceb",
        "FN;ENCODING=8BIT;ENCODING=b:QWxwaGE=",
        "FN;ENCODING=x-uuencode:QWxwaGE=",
        "FN;ENCODING=b:QWxwaGE*",
        "FN;ENCODING=QUOTED-PRINTABLE:Alpha=ZZ",
        "FN;ENCODING=QUOTED-PRINTABLE:Zo=EB",
        "FN:AC\\DC",
    ],
)
def test_a_name_that_cannot_be_read_for_certain_is_refused_with_its_line(line: str) -> None:
    assert refusal(card(line)).startswith("Line 4: ")


def test_bytes_that_are_utf_8_and_east_asian_text_are_refused() -> None:
    """`ﾃｨ` in Shift_JIS is, byte for byte, `è` in UTF-8."""
    assert refusal(card("FN;CHARSET=SHIFT_JIS:è")).startswith("Line 4: the text reads as UTF-8 and as SHIFT_JIS")


def test_the_refusal_of_a_character_set_says_what_to_do() -> None:
    assert refusal(card("FN;CHARSET=x-unknown:Zo\udceb")) == (
        "Line 4: the character set 'x-unknown' is not known (export the contacts as vCard 3.0 in UTF-8)."
    )


def test_base64_is_decoded_for_a_name_too() -> None:
    assert names(card("FN;ENCODING=b:Wm/DqyBMZWU=")) == ["Zoë Lee"]


def test_characters_between_quoted_printable_bytes_stay_as_they_are() -> None:
    assert names(card("FN;CHARSET=windows-1252;ENCODING=QUOTED-PRINTABLE:Ren=E9e Ü")) == ["Renée Ü"]


# --- folded and broken lines ---


@pytest.mark.parametrize("rest", [" One", " One ", "  One", "\tOne", "    One", " One\r\n"])
def test_a_soft_line_break_goes_before_white_space_that_would_fold(rest: str) -> None:
    assert names(card("FN;ENCODING=QUOTED-PRINTABLE:Alpha Two=", rest)) == ["Alpha Two One"]


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        (["FN;ENCODING=QUOTED-PRINTABLE:Alpha=20=", "Two"], "Alpha Two"),
        (["FN;ENCODING=QUOTED-PRINTABLE:Al= ", "pha=", "=20Two"], "Alpha Two"),
        (["FN;ENCODING=QUOTED-PRINTABLE:Alpha=", ""], "Alpha"),
        (['FN;ENCODING="quoted-printable":Al=', "pha"], "Alpha"),
        (["FN;CHARSET=UTF-8;", " ENCODING=QUOTED-PRINTABLE:Al=", "pha"], "Alpha"),
        (["FN;QUOTED-PRINTABLE;CHARSET=utf-8:Zo=C3=", "=AB"], "Zoë"),
    ],
)
def test_quoted_printable_goes_on_after_a_soft_line_break(lines: list[str], name: str) -> None:
    assert names(card(*lines, version="2.1")) == [name]
    assert names(card(*lines)) == [name]


@pytest.mark.parametrize(
    ("lines", "line"), [(["FN;ENCODING=QUOTED-PRINTABLE:Alpha="], 4), (["NOTE;QUOTED-PRINTABLE:x=", "FN:Alpha"], 5)]
)
def test_a_soft_line_break_that_nothing_follows_takes_no_other_line(lines: list[str], line: int) -> None:
    assert refusal(card(*lines)).startswith(f"Line {line}: the quoted-printable text")


def test_an_escape_that_folding_may_have_torn_is_refused() -> None:
    assert refusal(card("FN;ENCODING=QUOTED-PRINTABLE:Alpha =", " 41B")).startswith("Line 5: folded quoted-printable")


def test_a_note_that_breaks_off_takes_nothing_with_it() -> None:
    assert names(card("FN:Alpha", "NOTE;QUOTED-PRINTABLE:x=") + SECOND) == ["Alpha", "Beta Two"]


@pytest.mark.parametrize("version", ["3.0", "4.0"])
def test_folding_inserts_white_space(version: str) -> None:
    assert names(card("FN:Al", " pha", "\t Two", version=version)) == ["Alpha Two"]


def test_folding_in_version_2_1_keeps_white_space() -> None:
    assert names(card("FN:Alpha", " Two One", version="2.1")) == ["Alpha Two One"]


def test_the_version_may_come_after_what_is_folded() -> None:
    assert names(f"BEGIN:VCARD\nUID:{ALICE}\nFN:Alpha\n Two\nVERSION:2.1\nEND:VCARD\n") == ["Alpha Two"]


def test_a_folded_name_in_a_card_without_a_version_is_refused() -> None:
    assert refusal(f"BEGIN:VCARD\nUID:{ALICE}\nFN:Alpha\n Two\nEND:VCARD\n").startswith(
        "Line 3: the card has no VERSION"
    )


def test_a_name_that_is_not_folded_needs_no_version() -> None:
    assert names(f"BEGIN:VCARD\nUID:{ALICE}\nFN:Alpha\nEND:VCARD\n") == ["Alpha"]


@pytest.mark.parametrize("end", ["\r\n\r\n", "\n\n\n", "\r\r\n"])
def test_blank_lines_between_all_lines_are_passed_over(end: str) -> None:
    text = card("FN:Al", " pha", "NOTE:x", " y", f"KEY;ENCODING=b:{KEY_BASE64[:20]}", f" {KEY_BASE64[20:]}", end=end)
    assert contacts(text) == [ImportedContact(ALICE, "Alpha", KEY)]


@pytest.mark.parametrize("name", ["ADR", "NOTE", "item1.X-ABLabel", "X_PHONETIC", "X-SKYPE USERNAME"])
def test_a_line_that_is_no_property_is_skipped_behind_one_that_is_not_used(name: str) -> None:
    assert names(card(f"{name}:Main Street 1", "12345 Town", "", "third line", "FN:Alpha", "TEL:1")) == ["Alpha"]


@pytest.mark.parametrize("used", ["FN:Alpha", "N:Lee;Alpha;;;", "NICKNAME:Alpha", f"KEY:{KEY_BASE64}"])
@pytest.mark.parametrize("stray", ["Two One", "Two One: x", "Two=One", ":", "é: x"])
def test_a_line_that_is_no_property_is_refused_behind_one_that_is_used(used: str, stray: str) -> None:
    assert refusal(card("FN:A", used, stray)).startswith("Line 6: not a vCard property")


@pytest.mark.parametrize("line", ['FN;X="a:Alpha', "FN;CHARSET=utf-8", "item1.FN;X"])
def test_a_name_that_is_no_whole_property_is_refused(line: str) -> None:
    assert refusal(card("N:Lee", "NOTE:x", line)).startswith("Line 6: not a vCard property")


@pytest.mark.parametrize("odd", ["X_CUSTOM:1", "MY FIELD:2", "X-My Field;TYPE=home:3", "item1.X-A B:4", "X-Å:5"])
def test_a_property_with_an_odd_name_is_skipped(odd: str) -> None:
    assert names(card("FN:Alpha", odd, "TEL:1", odd)) == ["Alpha"]


@pytest.mark.parametrize(
    ("value", "version", "name"),
    [
        ("AC\\DC", "2.1", "AC\\DC"),
        ("Lee\\; Al", "2.1", "Lee; Al"),
        ("Dr\\: Al\\, \\\\", "3.0", "Dr: Al, \\"),
    ],
)
def test_escapes_are_those_of_the_version(value: str, version: str, name: str) -> None:
    assert names(card(f"FN:{value}", version=version)) == [name]


def test_a_head_of_very_many_folded_lines_is_looked_at_once() -> None:
    """Were a head read again for each of its folded lines, a file of them would take hours."""
    assert names(card("FN:Alpha", *["NOTE:x", "X;" + "\r\n a" * 50_000] * 2)) == ["Alpha"]
