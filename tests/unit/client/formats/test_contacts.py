from __future__ import annotations

import base64
import codecs
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obscura_backup_client.formats import contacts as contact_files
from obscura_backup_client.formats.contacts import FileFormat, ImportedContact, read_contacts
from obscura_backup_client.formats.errors import ContactFileError
from support.client.vcards import ALICE, BOB, KEY, KEY_BASE64, any_card, only, refusal
from support.table import table

BOTH = [ImportedContact(ALICE, "alice", KEY), ImportedContact(BOB, "bob", b"")]


# CSV


@table(
    "text",
    [
        f"user_id,username,identity_key\n{ALICE},alice,{KEY_BASE64}\n{BOB},bob,\n",
        f"Identity Key;Display Name;UUID\r\n{KEY.hex()};alice;{ALICE}\r\n;bob;{BOB}\r\n",
        f"handle\tpublicKey\tuid\n alice \t{KEY.hex().upper()}\turn:uuid:{ALICE}\n\nbob\t\t{BOB.hex}",
        f'"ID","Nickname","Key","phone"\n"{ALICE}","alice","{KEY_BASE64}","1"\n"{BOB}","bob"\n',
        f"{ALICE},alice,{KEY_BASE64}\n{BOB},bob\n",
        f"alice;{str(ALICE).upper()};{KEY_BASE64.rstrip('=')}\rbob;{BOB};\r",
    ],
)
def test_csv_is_read_in_every_common_shape(text: str) -> None:
    assert read_contacts(text.encode()) == BOTH


@table("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_is_read_in_every_common_encoding(encoding: str) -> None:
    assert only(f"uuid,name\n{ALICE},Zoë Ødegård\n".encode(encoding)).username == "Zoë Ødegård"


def test_big_endian_utf_16_is_read_by_its_byte_order_mark() -> None:
    assert only(codecs.BOM_UTF16_BE + f"{ALICE},alice".encode("utf-16-be")).username == "alice"


def test_a_csv_row_number_column_is_not_taken_for_the_user_id() -> None:
    assert only(f"id,uuid,name\n1,{ALICE},alice\n").user_id == ALICE


def test_a_quoted_csv_cell_may_hold_the_delimiter_and_quotes() -> None:
    assert only(f'uuid,name\n{ALICE},"Lee, ""Al"""\n').username == 'Lee, "Al"'


def test_a_key_in_url_safe_base64_is_the_same_key() -> None:
    key = b"\xfb\xff" * 16
    assert only(f"{ALICE},alice,{base64.urlsafe_b64encode(key).decode()}").identity_key == key


@table(
    ("text", "line", "reason"),
    [
        ("name,phone\nalice,1\n", 1, "no column holds user ids"),
        ("just some words\nand more", 1, "no column holds user ids"),
        (f"{ALICE}\n", 1, "two or three columns"),
        (f"{ALICE},a,b,c\n", 1, "two or three columns"),
        (f"uuid,name\n\n{ALICE},alice\nnot-one,bob\n", 4, "'not-one' is not a UUID"),
        (f"uuid,name\n{ALICE},\n", 2, "no username"),
        (f"uuid,name\n{ALICE},Lee, Al\n", 2, "more columns than the first row (2)"),
        (f"uuid,name,key\n{ALICE},alice,???\n", 2, "neither base64 nor hex"),
        (f'uuid,name\n{ALICE},"alice\n{BOB},bob\n', 2, "not valid CSV"),
        (f'uuid,name\n{ALICE},"al\nice"\n', 2, "control character"),
        (f"uuid,name\n{ALICE},{'x' * 257}\n", 2, "more than 256 characters"),
        (f"uuid,name\n{ALICE},alice\n{BOB},bob\n{ALICE},alicia\n", 4, "same user id as in line 2"),
    ],
)
def test_invalid_csv_is_refused_with_its_line(text: str, line: int, reason: str) -> None:
    error = refusal(text, "csv")
    assert error.line == line
    assert reason in str(error)
    assert str(error).startswith(f"Line {line}: ")


@table(
    "text",
    ["00112233-4455-6677-8899-aabbccddeef", "0011-22334455-6677-8899-aabbccddeeff", "\N{ARABIC-INDIC DIGIT ONE}" * 32],
)
def test_only_usual_forms_of_a_uuid_are_accepted(text: str) -> None:
    assert "is not a UUID" in str(refusal(f"uuid,name\n{text},alice\n"))


def test_a_username_of_256_code_points_is_accepted() -> None:
    assert only(f"{ALICE}," + "\U0001f600" * 256).username == "\U0001f600" * 256


# JSON


@table(
    "document",
    [
        [{"user_id": str(ALICE), "username": "alice", "identity_key": KEY_BASE64}, {"id": str(BOB), "name": "bob"}],
        {
            "contacts": [
                {"uuid": str(ALICE), "handle": "alice", "publicKey": KEY.hex()},
                {"uid": str(BOB), "name": "bob"},
            ]
        },
        {str(ALICE): {"username": "alice", "key": KEY_BASE64}, str(BOB): "bob"},
        {"contacts": {str(ALICE): {"displayName": "alice", "key": KEY_BASE64}, f"urn:uuid:{BOB}": "bob"}},
    ],
)
def test_json_is_read_in_every_common_shape(document: object) -> None:
    assert read_contacts(json.dumps(document).encode()) == BOTH


def test_a_single_json_object_is_one_contact() -> None:
    assert only(json.dumps({"userId": str(ALICE), "username": "alice", "key": None})).identity_key == b""


def test_the_name_in_a_json_mapping_is_the_user_id() -> None:
    assert only(json.dumps({str(ALICE): {"user_id": str(BOB), "username": "alice"}})).user_id == ALICE


@table(
    ("text", "start"),
    [
        ('[\n{"uuid": ]', "Line 2: not valid JSON"),
        ("[1]", "Entry 1: a JSON object"),
        ("7", "Entry 1: a JSON object"),
        ('{"contacts": null}', "Entry 1: a JSON object"),
        (json.dumps([{"uuid": str(ALICE), "name": "alice"}, {"name": "bob"}]), "Entry 2: '' is not a UUID"),
        (json.dumps([{"uuid": 7, "name": "alice"}]), "Entry 1: userid must be text"),
        (json.dumps({str(ALICE): 7}), "Entry 1: a username was expected"),
        (json.dumps([{"uuid": str(ALICE), "name": "\ud800"}]), "Entry 1: the username is not UTF-8 text"),
        (json.dumps([{"uuid": str(ALICE), "name": n} for n in ("a", "b")]), "Entry 2: the same user id as in entry 1"),
        (f'{{"{ALICE}": "a", "{ALICE}": "b"}}', "Entry 2: the user id is the same as in an earlier entry"),
        ("[" * 100_000, "The JSON is nested too deeply"),
        ("9" * 5000, "The JSON is nested too deeply or contains a number that is too long"),
        ("[]", "The file holds no contacts"),
        ("{}", "The file holds no contacts"),
    ],
)
def test_invalid_json_is_refused_with_its_entry(text: str, start: str) -> None:
    assert str(refusal(text, "json")).startswith(start)


# vCard


def test_vcard_4_is_read() -> None:
    text = any_card(
        f"UID:urn:uuid:{ALICE}",
        "FN:Alice Lee",
        "NICKNAME:alice",
        f"KEY:data:application/octet-stream;base64,{KEY_BASE64}",
    )
    text += any_card(f"UID;VALUE=text:{BOB}", "FN:bob")
    assert read_contacts(text.encode()) == BOTH


def test_vcard_3_is_read() -> None:
    text = any_card(f"item1.UID:{ALICE}", "N:Lee;Alice;;;", "FN:alice", f"KEY;ENCODING=b;TYPE=x:{KEY_BASE64}")
    assert only(text.replace("4.0", "3.0")) == BOTH[0]


def test_vcard_2_1_is_read_with_quoted_printable_and_bare_parameters() -> None:
    text = (
        f"begin:vcard\nversion:2.1\nFN;CHARSET=ISO-8859-1;QUOTED-PRINTABLE:Zo=EB =\n=D8de\n"
        f"KEY;BASE64:{KEY_BASE64[:20]}\n{KEY_BASE64[20:]}\n\nUID:{ALICE}\nend:vcard\n"
    )
    assert only(text) == ImportedContact(ALICE, "Zoë Øde", KEY)


def test_vcard_bytes_in_a_named_character_set_are_read() -> None:
    text = any_card(f"UID:{ALICE}", "FN;CHARSET=windows-1252:Zo\udceb")
    assert only(text.encode("utf-8", "surrogateescape")).username == "Zoë"


def test_folded_vcard_lines_are_joined_even_inside_a_character() -> None:
    text = any_card(f"UID:{str(ALICE)[:9]}\r\n {str(ALICE)[9:]}", "FN:Zo\udcc3\r\n \udcab")
    assert only(text.encode("utf-8", "surrogateescape")) == ImportedContact(ALICE, "Zoë", b"")


@table(
    ("line", "username"),
    [
        (r"FN:Lee\, Al\; \\ Co", "Lee, Al; \\ Co"),
        (r"NICKNAME:al\,ice,ally", "al,ice"),
        ("NICKNAME:\r\nFN:alice", "alice"),
        ("N:Lee;Alice;;;", "Alice Lee"),
        ("N:Lee", "Lee"),
        ('FN;X-P="a:b;c":alice', "alice"),
    ],
)
def test_the_username_of_a_vcard_is_unescaped(line: str, username: str) -> None:
    assert only(any_card(f"UID:{ALICE}", line)).username == username


@table(
    ("text", "start"),
    [
        ("hello", "Line 1: not a vCard"),
        (f"FN:alice\nUID:{ALICE}\n", "Line 1: not a vCard"),
        (any_card("FN:alice"), "Line 1: the card that begins here has no UID"),
        (any_card("FN:alice", "UID:4711"), "Line 4: '4711' is not a UUID"),
        (any_card(f"UID:{ALICE}"), "Line 3: the contact has no username"),
        (any_card(f"UID:{ALICE}", "no colon"), "Line 4: not a vCard property"),
        (any_card(f"UID:{ALICE}", r"FN:a\nb"), "Line 3: the username contains a control character"),
        (any_card(f"UID:{ALICE}", "FN;CHARSET=unicode_escape;QUOTED-PRINTABLE:=E9"), "Line 4: the character set"),
        (f"BEGIN:VCARD\nUID:{ALICE}\nFN:alice\n", "Line 1: the card that begins here has no END:VCARD"),
        (f"BEGIN:VCARD\nUID:{ALICE}\nBEGIN:VCARD\n", "Line 3: a card begins inside the card from line 1"),
    ],
)
def test_an_invalid_vcard_is_refused_with_its_line(text: str, start: str) -> None:
    assert str(refusal(text, "vcard")).startswith(start)


def test_a_vcard_that_is_not_utf_8_is_refused_with_its_line() -> None:
    assert str(refusal(any_card(f"UID:{ALICE}", "FN:Zo").encode()[:-13] + b"\xeb\r\nEND:VCARD")).startswith("Line 4: ")


# Any format


@table("name", ["friends.csv", "FRIENDS.CSV", "", "friends"])
def test_the_format_follows_from_the_name_else_the_content(name: str) -> None:
    assert read_contacts(f"{ALICE},alice".encode(), name=name)[0].username == "alice"


def test_the_name_takes_precedence_over_the_content() -> None:
    with pytest.raises(ContactFileError, match="not a vCard"):
        read_contacts(b"[]", name="friends.vcf")


def test_a_given_format_takes_precedence_over_the_name() -> None:
    with pytest.raises(ContactFileError, match="not valid JSON"):
        read_contacts(f"{ALICE},alice".encode(), file_format="json", name="friends.csv")


@table("data", [b"", b"  \r\n", codecs.BOM_UTF8, codecs.BOM_UTF16_LE])
def test_an_empty_file_is_refused(data: bytes) -> None:
    assert str(refusal(data)) == "The file is empty."


@table(
    ("data", "reason"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "The file is not text."),
        (b"\xff\xfe\0", "The file is not valid UTF-16 text."),
        (f"uuid,name\n{ALICE},Zo\xeb\n".encode("latin-1"), "Line 2: the text is neither UTF-8 nor UTF-16"),
        (bytes(8 * 1024 * 1024 + 1), "The file has more than 8388608 bytes."),
    ],
)
def test_bytes_that_are_not_text_are_refused(data: bytes, reason: str) -> None:
    assert str(refusal(data)).startswith(reason)


def test_a_repeated_contact_is_read_once() -> None:
    assert read_contacts(f"{ALICE},alice\n{BOB},bob\n{ALICE.hex},alice\n".encode()) == [
        ImportedContact(ALICE, "alice", b""),
        ImportedContact(BOB, "bob", b""),
    ]


def test_more_contacts_than_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_files, "MAX_IMPORTED_CONTACTS", 3)
    lines = [f"{number:032x},n" for number in range(4)]
    assert len(read_contacts("\n".join([*lines[:3], lines[0]]).encode())) == 3
    assert str(refusal("\n".join(lines))).startswith("Line 4: the file has more than 3 contacts")


@table("key", [KEY.hex()[:-1], KEY.hex()[:20], KEY_BASE64[:-2] + "9=", "00" * 4097])
def test_an_identity_key_that_may_be_miscopied_is_refused(key: str) -> None:
    assert "the identity key" in str(refusal(f"{ALICE},alice,{key}"))


FORMATS = st.sampled_from([None, "csv", "vcard", "json"])
WORDS = "BEGIN:VCARD END:VCARD UID: FN;ENCODING=QUOTED-PRINTABLE: KEY;B: CHARSET=x uuid name alice é"
MARKS = '\n\r\t ",;=[]{}:\\\udcff\0'
SNIPPETS = st.lists(st.sampled_from([str(ALICE), *WORDS.split(), *MARKS]), max_size=30)


def is_read_or_refused(data: bytes, file_format: FileFormat | None) -> bool:
    try:
        return bool(read_contacts(data, file_format=file_format))
    except ContactFileError as error:
        return bool(str(error).encode())


@given(st.binary(max_size=300), FORMATS)
def test_arbitrary_bytes_are_contacts_or_a_contact_file_error(data: bytes, file_format: FileFormat | None) -> None:
    assert is_read_or_refused(data, file_format)


@given(SNIPPETS, FORMATS)
def test_arbitrary_pieces_of_files_are_contacts_or_a_contact_file_error(
    pieces: list[str], file_format: FileFormat | None
) -> None:
    assert is_read_or_refused("".join(pieces).encode("utf-8", "surrogateescape"), file_format)
