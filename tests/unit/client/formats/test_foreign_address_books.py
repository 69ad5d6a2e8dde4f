"""Exports of real address books: half-empty columns, cards of groups, and keys of other programs."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from obscura_backup_client.formats.contacts import read_contacts
from obscura_backup_client.formats.errors import ContactFileError
from obscura_backup_client.formats.vcard.values import split_unescaped
from support.client.vcards import ALICE, BOB, KEY, KEY_BASE64, any_card, only
from support.table import table

GOOGLE_NEW = (
    "First Name,Middle Name,Last Name,Phonetic First Name,Phonetic Middle Name,Phonetic Last Name,Name Prefix,"
    "Name Suffix,Nickname,File As,Organization Name,Organization Title,Organization Department,Birthday,Notes,Photo,"
    "Labels,E-mail 1 - Label,E-mail 1 - Value,Phone 1 - Label,Phone 1 - Value,UUID\r\n"
    f'Alice,,Lee,,,,,,,,Acme,,,,"two\r\nlines",,* myContacts,,a@example.org,,,{ALICE}\r\n'
    f",,,,,,,,,,,,,,,,* myContacts ::: * starred,,,,,\r\n"
    f",,,,,,,,bobby,,,,,,,,* myContacts,,,,,{BOB}\r\n"
)
GOOGLE_OLD = (
    "Name,Given Name,Additional Name,Family Name,Yomi Name,Nickname,Initials,Short Name,Group Membership,"
    "E-mail 1 - Type,E-mail 1 - Value,UUID\n"
    f"Alice Lee,Alice,,Lee,,,,,* My Contacts,,a@example.org,{ALICE}\n"
    f",,,,,bobby,,,* My Contacts,,,{BOB}\n"
)
OUTLOOK = (
    '"Title","First Name","Middle Name","Last Name","Suffix","Company","E-mail Address","E-mail Display Name",'
    '"Notes","Web Page","UUID"\r\n'
    f'"","Alice","","Lee","","Acme","a@example.org","","","","{ALICE}"\r\n'
    f'"","","","bobby","","","","","","","{BOB}"\r\n'
)


def names(text: str) -> dict[UUID, str]:
    return {each.user_id: each.username for each in read_contacts(text.encode())}


# --- tables ---


@table("export", [GOOGLE_NEW.replace(",,,,,,,,,,,,,,,,* myContacts ::: * starred,,,,,\r\n", ""), GOOGLE_OLD, OUTLOOK])
def test_an_address_books_export_with_a_column_of_user_ids_is_read(export: str) -> None:
    assert names(export) == {ALICE: "Alice Lee", BOB: "bobby"}


def test_a_row_without_a_user_id_is_refused() -> None:
    with pytest.raises(ContactFileError, match="Line 4: '' is not a UUID"):
        names(GOOGLE_NEW)


@table(
    ("header", "cells", "name"),
    [
        ("username,name", ",Alice", "Alice"),
        ("Name,Nickname", "Alice,", "Alice"),
        ("display_name,full_name", " ,Alice Lee", "Alice Lee"),
        ("username,First Name,Last Name", ",Alice,Lee", "Alice Lee"),
        ("Family Name,Given Name", "Lee,Alice", "Alice Lee"),
        ("Last Name,Given Name", "Lee,", "Lee"),
        ("name,name", ",Alice", "Alice"),
        ("username,First Name,Last Name", "al,Alice,Lee", "al"),
    ],
)
def test_each_row_is_named_by_its_first_column_that_has_a_name(header: str, cells: str, name: str) -> None:
    assert only(f"uuid,{header}\n{ALICE},{cells}\n").username == name


@table(("said", "delimiter"), [("sep=;", ";"), ("SEP=,", ","), ("sep=\t", "\t"), ("sep=|", "|"), ("sep=; ", ";")])
def test_a_line_that_names_the_delimiter_for_excel_is_not_a_row(said: str, delimiter: str) -> None:
    text = f"{said}\r\n" + delimiter.join(["uuid", "name"]) + "\r\n" + delimiter.join([str(ALICE), "Lee, Alice; x"])
    quoted = text.replace("Lee, Alice; x", '"Lee, Alice; x"')
    assert only(quoted).username == "Lee, Alice; x"


@table(
    ("member", "name"),
    [
        ({"username": "", "name": "Alice"}, "Alice"),
        ({"username": None, "first_name": "Alice", "lastName": "Lee"}, "Alice Lee"),
        ({"nickname": " ", "familyName": "Lee"}, "Lee"),
    ],
)
def test_a_json_entry_is_named_by_its_first_member_that_has_a_name(member: dict[str, str | None], name: str) -> None:
    assert only(json.dumps([{"uuid": str(ALICE), **member}])).username == name


# --- cards ---


@table(
    ("lines", "name"),
    [
        (["NICKNAME:,", "FN:Alice"], "Alice"),
        (["FN: ", "N:Lee;Alice;;;"], "Alice Lee"),
        (["NICKNAME: ", "NICKNAME:al"], "al"),
        (["N:;;;;", "FN:Alice"], "Alice"),
        (["FN:\\n", "N:Lee"], "Lee"),
    ],
)
def test_a_card_is_named_by_its_first_property_that_has_a_name(lines: list[str], name: str) -> None:
    assert only(any_card(f"UID:{ALICE}", *lines)).username == name


@table(
    "kind",
    ["KIND:group", "KIND:org", "KIND:Location", "KIND;VALUE=text:device", "X-ADDRESSBOOKSERVER-KIND:group"],
)
def test_a_card_that_is_not_a_persons_is_skipped(kind: str) -> None:
    group = any_card(kind, f"UID:urn:uuid:{BOB}", "FN:Friends", f"MEMBER:urn:uuid:{ALICE}")
    assert names(group + any_card(f"UID:{ALICE}", "FN:alice", "KIND:individual")) == {ALICE: "alice"}


@table(
    "key",
    [
        f"KEY;TYPE=PGP:{KEY_BASE64}",
        f"KEY;ENCODING=b;TYPE=home;TYPE=X509:{KEY_BASE64}",
        f'KEY;TYPE="work,pgp";ENCODING=b:{KEY_BASE64}',
        f"KEY;PGP;BASE64:{KEY_BASE64}",
        "KEY;VALUE=uri:https://example.org/key",
        "KEY;VALUE=URI;TYPE=work:http://example.org/key.asc",
        "KEY:https://example.org/key",
        "KEY:openpgp4fpr:0123456789abcdef",
        f"KEY:data:application/pgp-keys;base64,{KEY_BASE64}",
        f"KEY;MEDIATYPE=application/pkix-cert:data:;base64,{KEY_BASE64}",
        f"KEY;TYPE=application/pgp-keys:{KEY_BASE64}",
        "KEY:data:text/plain,hello",
    ],
)
def test_a_key_of_another_program_is_skipped(key: str) -> None:
    assert only(any_card(f"UID:{ALICE}", "FN:alice", key)).identity_key == b""


@table(
    "key",
    [
        f"KEY:{KEY_BASE64}",
        f"KEY;ENCODING=b;TYPE=work:{KEY_BASE64}",
        f"KEY:data:application/octet-stream;base64,{KEY_BASE64}",
        f"KEY:data:;base64,{KEY_BASE64}",
        f"KEY;MEDIATYPE=application/octet-stream:data:application/octet-stream;base64\\,{KEY_BASE64}",
    ],
)
def test_the_identity_key_is_found_among_keys_of_other_programs(key: str) -> None:
    foreign = f"KEY;TYPE=PGP:{KEY_BASE64[::-1]}"
    assert only(any_card(f"UID:{ALICE}", "FN:alice", foreign, key)).identity_key == KEY


# --- separators ---


def test_a_value_is_split_at_each_separator_that_is_not_escaped() -> None:
    assert split_unescaped(r"a,b\,c,,\\,d", ",") == ["a", r"b\,c", "", r"\\", "d"]
