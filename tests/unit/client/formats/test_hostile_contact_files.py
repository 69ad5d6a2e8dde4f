"""Small contact files that are made to take hours or gigabytes."""

from __future__ import annotations

from obscura_backup_client.formats.contact_entries import MAX_COLUMNS
from obscura_backup_client.formats.contacts import read_contacts
from obscura_backup_client.formats.vcard.reader import MAX_PROPERTIES
from support.client.vcards import ALICE, refusal


def wide(columns: int) -> bytes:
    return f"user_id{',name' * (columns - 1)}\n{ALICE},Alice\n".encode()


def long_card(properties: int) -> bytes:
    others = "X:\n" * (properties - 2)
    return f"BEGIN:VCARD\nUID:{ALICE}\nFN:Alice\n{others}END:VCARD\n".encode()


def test_a_table_of_a_thousand_columns_is_read() -> None:
    assert [each.username for each in read_contacts(wide(MAX_COLUMNS))] == ["Alice"]


def test_a_table_of_more_columns_is_refused_at_its_first_row() -> None:
    """Each column that may hold a name is read in each row."""
    refused = refusal(wide(MAX_COLUMNS + 1))
    assert (refused.line, refused.reason) == (1, "the first row has more than 1000 columns")


def test_a_card_of_ten_thousand_properties_is_read() -> None:
    assert [each.username for each in read_contacts(long_card(MAX_PROPERTIES))] == ["Alice"]


def test_a_card_of_more_properties_is_refused_at_the_first_one_over_the_limit() -> None:
    """All properties of a card are in memory until it ends."""
    refused = refusal(long_card(MAX_PROPERTIES + 1))
    assert (refused.line, refused.reason) == (MAX_PROPERTIES + 2, "a card has more than 10000 properties")
