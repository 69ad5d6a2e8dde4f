"""CSV and JSON as programs and people write them: the right cells, or an error with the place."""

from __future__ import annotations

from obscura_backup_client.formats.contacts import ImportedContact, read_contacts
from support.client.vcards import ALICE, BOB, KEY, only, refusal
from support.table import table

# --- CSV ---


@table("header", ["", "uuid,name\n", ' "uuid" , "name" \n'])
@table(
    ("cells", "name"),
    [
        (', "Beta"', "Beta"),
        (',"Beta" ', "Beta"),
        (' ,\t"Beta" ', "Beta"),
        (', "Lee, Al"', "Lee, Al"),
        (', "Lee ""Al"", x" ', 'Lee "Al", x'),
        (',Al "Bob" Lee', 'Al "Bob" Lee'),
        (',5" Al', '5" Al'),
        (", Beta ", "Beta"),
        (',"  Beta  "', "Beta"),
        (',"Beta",', "Beta"),
    ],
)
def test_blanks_around_the_quotes_of_a_cell_are_not_part_of_it(header: str, cells: str, name: str) -> None:
    row = f"{ALICE}{cells}"
    assert only(f"{header}{row if header else row.rstrip(',')}\n").username == name


def test_blanks_before_a_quoted_user_id_and_key_are_accepted() -> None:
    assert only(f' "{ALICE}" , "Beta" , "{KEY.hex()}" \n') == ImportedContact(ALICE, "Beta", KEY)


@table("delimiter", [",", ";", "\t"])
@table("line_end", ["\n", "\r\n", "\r"])
def test_quoted_cells_are_read_with_every_delimiter_and_line_end(delimiter: str, line_end: str) -> None:
    rows = [
        ["user_id", "name", "notes"],
        [f'"{ALICE}"', ' "a,b;c" ', '"one\ntwo\r\rthree ""x"""'],
        [str(BOB), "bob", ""],
    ]
    text = line_end.join(delimiter.join(row) for row in rows)
    assert [each.username for each in read_contacts(text.encode())] == ["a,b;c", "bob"]


@table(
    ("text", "line"),
    [
        (f'uuid,name\n{ALICE},"Beta\n', 2),
        (f'uuid,notes,name\n{ALICE},"a\nb",bob\n{BOB},"a\n\nb","carol\n', 6),
        (f'uuid,name\n{ALICE},"Beta" Two\n', 2),
        (f'uuid,name\n{ALICE}, "Beta" "Two"\n', 2),
        (f'uuid,notes,name\n{ALICE},"a\n\nb"c,bob\n', 4),
        (f'uuid,name\n{ALICE}, "Lee", Al\n', 2),
        (f"uuid,name\n{ALICE},Al\nice\n", 3),
    ],
)
def test_an_ambiguous_table_is_refused_with_its_line(text: str, line: int) -> None:
    assert refusal(text).line == line


def test_a_key_is_read_from_the_first_key_column_that_has_one() -> None:
    assert only(f"uuid,name,identity_key,public key\n{ALICE},alice,,{KEY.hex()}\n").identity_key == KEY


# --- JSON ---


@table(
    ("text", "place"),
    [
        (f'[{{"uuid":"{BOB}","name":"b"}},{{"uuid":"{ALICE}","name":"a","name":"b"}}]', 2),
        (f'[{{"uuid":"{ALICE}","username":"a","user_name":"b"}}]', 1),
        (f'[{{"uuid":"{ALICE}","name":"a","key":"{KEY.hex()}","Key":"{KEY[::-1].hex()}"}}]', 1),
        (f'{{"{BOB}":"b","{ALICE}":"a","{ALICE}":"b"}}', 3),
        (f'{{"contacts":{{"{ALICE}":{{"name":"a","name":"b"}}}}}}', 1),
        (f'[{{"uuid":"{ALICE}","name":"a"}},{{"uuid":"{ALICE.hex}","name":"b"}}]', 2),
    ],
)
def test_an_object_with_conflicting_members_is_refused_with_its_entry(text: str, place: int) -> None:
    error = refusal(text)
    assert (error.line, error.unit) == (place, "entry")


def test_an_object_with_two_lists_of_contacts_is_refused() -> None:
    lists = ",".join(f'"contacts":[{{"uuid":"{each}","name":"x"}}]' for each in (ALICE, BOB))
    assert "two members with the same name" in str(refusal(f"{{{lists}}}"))


def test_equal_or_empty_members_count_as_one() -> None:
    text = f'[{{"uuid":"{ALICE}","username":"a","user_name":"a","userName":null,"User Name":"","x":1,"X":2}}]'
    assert only(text).username == "a"
