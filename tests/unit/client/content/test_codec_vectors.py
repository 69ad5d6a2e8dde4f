"""The published vectors of the payload: what a reader returns and what a writer writes."""

from __future__ import annotations

from typing import Any

import pytest

from obscura_backup_client.content.codec import decode, encode
from obscura_backup_client.content.errors import PayloadError
from support.client.vectors import content_of, counted, named, vectors
from support.table import table

PAYLOAD = vectors("payload")


# More of them take seconds; tests/integration/client/test_second_payload.py has those.
SHORT = [row for row in PAYLOAD["counted"] if row["count"] <= 5000]


@table("row", named(PAYLOAD["canonical"]))
def test_a_content_has_one_encoding(row: dict[str, Any]) -> None:
    assert encode(content_of(row["content"])).hex() == row["payload"]


@table("row", named(PAYLOAD["canonical"]))
def test_an_encoding_is_read_as_its_content(row: dict[str, Any]) -> None:
    assert decode(bytes.fromhex(row["payload"])) == content_of(row["content"])


@table("row", named(PAYLOAD["accepted"]))
def test_an_unusual_encoding_is_read_and_written_back_in_canonical_form(row: dict[str, Any]) -> None:
    content = decode(bytes.fromhex(row["payload"]))
    assert content == content_of(row["content"])
    assert encode(content).hex() == row["rewritten"]


@table("row", named(PAYLOAD["malformed"]))
def test_a_malformed_payload_is_refused(row: dict[str, Any]) -> None:
    assert row["error"] == PayloadError.code
    with pytest.raises(PayloadError):
        decode(bytes.fromhex(row["payload"]))


@table("row", named([row for row in SHORT if row["error"] is None]))
def test_the_maximum_number_of_entries_is_read_and_written_back(row: dict[str, Any]) -> None:
    assert encode(decode(counted(row))) == counted(row)


@table("row", named([row for row in SHORT if row["error"] is not None]))
def test_one_entry_over_the_maximum_is_refused(row: dict[str, Any]) -> None:
    assert row["error"] == PayloadError.code
    with pytest.raises(PayloadError):
        decode(counted(row))


def test_every_malformed_payload_is_refused_for_the_reason_in_its_name() -> None:
    """All but those about the identity contain a valid identity."""
    identity = bytes.fromhex(PAYLOAD["canonical"][0]["payload"])
    odd = {row["name"] for row in PAYLOAD["malformed"] if identity not in bytes.fromhex(row["payload"])}
    assert all("identity" in name or "key of" in name or name == "no bytes" for name in odd), odd
