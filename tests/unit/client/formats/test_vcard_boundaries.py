"""Boundaries of cards in concatenated, indented, nested or truncated files: no card is lost or mixed up."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from obscura_backup_client.formats.contacts import read_contacts
from support.client import vcards
from support.client.vcards import ALICE, BOB, KEY, KEY_BASE64, card
from support.table import table

refusal = partial(vcards.refusal, file_format="vcard")
BOTH = [(ALICE, "Alpha One", b""), (BOB, "Beta Two", KEY)]

FIRST = f"BEGIN:VCARD\nVERSION:3.0\nUID:{ALICE}\nFN:Alpha One\nEND:VCARD"
SECOND = f"BEGIN:VCARD\nVERSION:3.0\nUID:{BOB}\nFN:Beta Two\nKEY;ENCODING=b:{KEY_BASE64}\nEND:VCARD\n"


def contacts(text: str) -> list[tuple[UUID, str, bytes]]:
    found = read_contacts(text.encode(), file_format="vcard")
    return [(each.user_id, each.username, each.identity_key) for each in found]


@table("between", ["", " ", "\t", "\ufeff", " \ufeff ", "\n\n\n", "\r", "\r\n", "\n\ufeff", "\n \n\ufeff\n\ufeff"])
def test_concatenated_cards_are_two_contacts(between: str) -> None:
    assert contacts(FIRST + between + SECOND) == BOTH


@table("line_end", ["\n", "\r\n", "\r", "\n\n", "\r\r\n", "\n \n\n"])
def test_joined_cards_are_two_contacts_with_any_line_ends(line_end: str) -> None:
    assert contacts((FIRST + SECOND).replace("\n", line_end)) == BOTH


@table("boundary", ["end:vcardbegin:vcard", "End : vCard Begin : vCard", "END:VCARD\tBEGIN:VCARD  "])
def test_joined_cards_are_two_contacts_in_any_case_and_spacing(boundary: str) -> None:
    assert contacts((FIRST + SECOND).replace("END:VCARDBEGIN:VCARD", boundary)) == BOTH


def test_three_joined_cards_are_three_contacts() -> None:
    third = SECOND.replace(str(BOB), str(UUID(int=3))).replace("Beta Two", "Gamma")
    assert [name for _, name, _ in contacts(FIRST + SECOND.rstrip() + third)] == ["Alpha One", "Beta Two", "Gamma"]


@table(
    ("text", "line"),
    [
        (FIRST + "VERSION:3.0\n" + SECOND, 5),
        (FIRST.replace("\nEND", "END") + "BEGIN:VCARD\nNICKNAME:Beta\nEND:VCARD", 4),
        (FIRST + "END:VCARD\n", 5),
        (FIRST.replace("\nEND", "END") + SECOND, 4),
        ((FIRST + SECOND).replace("END:VCARDBEGIN:VCARD", "END:VCARDBEGIN\n :VCARD"), 5),
        ((FIRST + SECOND).replace("\nEND:VCARDBEGIN:VCARD", "\n END:VCARDBEGIN:VCARD"), 5),
        ((FIRST + SECOND).replace("END:VCARDBEGIN:VCARD\n", "END:VCARDBEGIN:VCARD"), 5),
        (FIRST + ";\n" + SECOND, 5),
        (FIRST.replace("END:VCARD", "") + SECOND, 5),
        (FIRST.replace("\nEND:VCARD", "\nNOTE:x\n") + SECOND, 6),
        (FIRST + "\n" + SECOND.replace("BEGIN:VCARD\n", ""), 6),
        (FIRST + "\nhello\n" + SECOND, 6),
        ("hello\n" + FIRST, 1),
        (FIRST.replace("VERSION", " VERSION"), 2),
        ("BEGIN:VCARD\nhello\n" + SECOND, 2),
        (FIRST.replace("\nVERSION", "\n\nVERSION").replace("END:VCARD", "END:VCALENDAR"), 6),
    ],
)
def test_an_ambiguous_boundary_is_refused_with_its_line(text: str, line: int) -> None:
    assert refusal(text).line == line


def test_the_key_of_a_card_whose_beginning_is_lost_is_not_given_to_the_card_before() -> None:
    error = refusal(FIRST.replace("END:VCARD", "") + SECOND.replace("BEGIN:VCARD\n", ""))
    assert (error.line, error.reason[:16]) == (5, "a second VERSION")


def test_a_card_with_two_user_ids_is_refused_at_the_second() -> None:
    assert refusal(card("FN:Alpha", f"UID:{BOB}")).line == 5
    assert contacts(card("FN:Alpha", f"UID:urn:uuid:{ALICE}")) == [(ALICE, "Alpha", b"")]


@table("version", ["2.1", "3.0"])
def test_a_card_with_two_names_or_keys_is_refused_at_the_second(version: str) -> None:
    assert refusal(card("FN:Alpha", "FN:Beta", version=version)).line == 5
    assert refusal(card(f"KEY:{KEY_BASE64}", "FN:Alpha", f"KEY:{KEY.hex()[::-1]}", version=version)).line == 6


def test_a_card_of_version_4_may_have_its_name_in_several_languages() -> None:
    assert contacts(card("FN;LANGUAGE=en:Alpha", "FN;LANGUAGE=el:Άλφα", version="4.0")) == [(ALICE, "Alpha", b"")]


@table(
    "line",
    [
        "NOTE:how to write END:VCARD",
        "NOTE:END:VCARD\\nBEGIN:VCARD",
        "NOTE:this one is folded\n  END:VCARD\n  and goes on",
        "NOTE:END:VCARDBEGIN:VCARD",
        "AGENT:BEGIN:VCARD\\nVERSION:3.0\\nFN:Agent\\nEND:VCARD\\n",
    ],
)
def test_a_boundary_inside_a_value_is_part_of_the_value(line: str) -> None:
    assert contacts(card("FN:Alpha", line)) == [(ALICE, "Alpha", b"")]


@table("name", ["END:VCARD", "Write BEGIN:VCARD", "Mr. END:VCARD Jr."])
def test_a_name_may_read_like_a_boundary(name: str) -> None:
    assert contacts(card(f"FN:{name}")) == [(ALICE, name, b"")]


def test_a_name_that_is_folded_before_a_boundary_is_refused() -> None:
    assert refusal(card("FN:Alpha", " END:VCARD")).line == 5


@table(
    "agent",
    [
        f"AGENT:\nBEGIN:VCARD\nVERSION:2.1\nUID:{BOB}\nFN:Agent\nNICKNAME:x\nKEY:{KEY_BASE64}\nEND:VCARD",
        "AGENT:BEGIN:VCARD\nVERSION:2.1\nFN:Agent\nEND:VCARD",
        "AGENT;X=1:\n\nBEGIN:VCARD\nAGENT:\nBEGIN:VCARD\nN:x\nEND:VCARD\nFN:Agent\nEND:VCARD\n\nX:y",
        "AGENT:\nBEGIN:VCARD\nNOTE:a\nstray line\nEND:VCARD\nanother stray line",
    ],
)
def test_an_agents_card_is_not_the_contacts(agent: str) -> None:
    text = card("FN:Alpha", agent, version="2.1") + card(f"UID:{BOB}", "FN:Beta").replace(f"UID:{ALICE}\n", "")
    assert contacts(text) == [(ALICE, "Alpha", b""), (BOB, "Beta", b"")]


def test_an_agents_card_without_an_end_does_not_hide_the_next_contact() -> None:
    agent = "AGENT:\nBEGIN:VCARD\nFN:Agent"
    assert refusal(card("FN:Alpha", agent, version="2.1") + SECOND).line == 9
    assert refusal(card("FN:Alpha", agent, version="2.1")).line == 1


@table("group", ["item1.", "ITEM-1.", "item_1.", "0."])
def test_a_group_before_a_name_is_not_part_of_it(group: str) -> None:
    text = f"BEGIN:VCARD\nVERSION:3.0\n{group}UID:{ALICE}\n{group}FN:Alpha\n{group}KEY;B:{KEY_BASE64}\nEND:VCARD"
    assert contacts(text) == [(ALICE, "Alpha", KEY)]
