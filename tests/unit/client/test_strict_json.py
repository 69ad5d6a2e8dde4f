from __future__ import annotations

import pytest

from obscura_backup_client.strict_json import JsonError, JsonObject, parse
from support.table import table


@table(
    ("encoded", "message"),
    [
        (b"", "line 1 is not JSON"),
        (b'{\n"a": tru}', "line 2 is not JSON"),
        (b"{}{}", "line 1 is not JSON"),
        (b"\xff", "it is not JSON"),
        (b"[" * 1_000_000, "it is not JSON"),
        (b"9" * 10_000, "it is not JSON"),
        (b'[{"a": 1, "b": 2, "a": 1}]', "it has two members of the same name in one object"),
        (b"[NaN]", "it has a number that is not finite"),
        (b"[-Infinity]", "it has a number that is not finite"),
    ],
    ids=range(9),
)
def test_invalid_documents_are_refused(encoded: bytes, message: str) -> None:
    with pytest.raises(JsonError) as refused:
        parse(encoded)
    assert str(refused.value) == message


@table("value", [True, -1, 2**53, 1.0, float("inf"), "1", None])
def test_a_count_is_a_whole_number_that_json_represents_exactly(value: object) -> None:
    with pytest.raises(JsonError, match=r"^seq is not a count$"):
        JsonObject({"seq": value}).count("seq")


def test_an_error_names_the_location_within_lists_and_objects() -> None:
    document = JsonObject(parse(b'{"writers": [{}, {"device": {"id": "AAB="}}]}'))
    device = document.objects("writers")[1].inner("device")
    with pytest.raises(JsonError) as refused:
        device.base64("id")
    assert (refused.value.problem, refused.value.location) == (
        "is Base64 that was cut off or altered",
        "writers[1].device.id",
    )


def test_a_member_is_missing_only_without_a_default() -> None:
    assert JsonObject({}).count("seq", default=0) == 0
    with pytest.raises(JsonError, match=r"^seq is missing$"):
        JsonObject({}).count("seq")


def test_a_default_does_not_replace_null() -> None:
    with pytest.raises(JsonError, match=r"^seq is not a count$"):
        JsonObject({"seq": None}).count("seq", default=0)


def test_a_member_that_was_not_taken_is_unknown_at_the_end() -> None:
    document = JsonObject({"seq": 1, "sequence" * 100: 2})
    document.count("seq")
    with pytest.raises(JsonError, match=r"^(sequence){5} is an unknown member$"):
        document.end()


@table("text", ["", "0", "zz", "00 11", "0011 ", "001122"])
def test_hex_has_the_expected_length_and_nothing_else(text: str) -> None:
    with pytest.raises(JsonError, match=r"^id is not 2 bytes in hex$"):
        JsonObject({"id": text}).hex("id", 2)
    assert JsonObject({"id": "aA11"}).hex("id", 2) == b"\xaa\x11"
