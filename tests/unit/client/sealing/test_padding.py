from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obscura_backup_client.sealing.padding import (
    largest_payload_bytes,
    pad,
    padded_bytes,
    padme,
    payload_size_range,
    unpad,
)
from support.table import table


@given(st.integers(0, 2**33))
def test_padme_never_shrinks_and_adds_at_most_an_eighth(length: int) -> None:
    assert length <= padme(length) <= length + length // 8


@given(st.integers(0, 2**33))
def test_padme_leaves_its_own_results_alone(length: int) -> None:
    assert padme(padme(length)) == padme(length)


def test_padme_refuses_a_negative_length() -> None:
    with pytest.raises(ValueError, match="negative"):
        padme(-1)


@table(("payload_bytes", "expected"), [(0, 16384), (1024, 16384), (16380, 16384), (16381, 17408), (17404, 17408)])
def test_padded_size_has_a_floor_and_then_steps(payload_bytes: int, expected: int) -> None:
    assert len(pad(bytes(payload_bytes))) == padded_bytes(payload_bytes) == expected


@given(st.binary(max_size=20000))
def test_unpad_undoes_pad(payload: bytes) -> None:
    assert unpad(pad(payload)) == payload


@given(st.integers(16384, 2**33))
def test_largest_payload_fits_and_one_byte_more_does_not(max_padded_bytes: int) -> None:
    largest = largest_payload_bytes(max_padded_bytes)
    assert padded_bytes(largest) <= max_padded_bytes
    assert padded_bytes(largest + 1) > max_padded_bytes or largest == 2**32 - 1


def test_no_payload_fits_below_the_floor() -> None:
    assert largest_payload_bytes(16383) == -1


def test_unpad_accepts_any_padded_size() -> None:
    """A writer may pad more, or not at all."""
    assert unpad(b"\0\0\0\x02hi") == b"hi"
    assert unpad(b"\0\0\0\x02hi" + bytes(5)) == b"hi"


@table(
    "plaintext",
    [
        b"",
        b"\0\0\0",
        b"\0\0\0\x01",
        b"\0\0\0\x03hi",
        b"\xff\xff\xff\xffhi",
        b"\0\0\0\x02hi\0\x01",
        b"\0\0\0\x02hi\x01\0",
    ],
)
def test_unpad_refuses_invalid_padding(plaintext: bytes) -> None:
    with pytest.raises(ValueError, match=r"length|zeros"):
        unpad(plaintext)


@given(st.binary(max_size=64))
def test_unpad_gives_a_payload_or_a_value_error_for_any_bytes(plaintext: bytes) -> None:
    try:
        payload = unpad(plaintext)
    except ValueError:
        return
    assert plaintext == (len(payload).to_bytes(4, "big") + payload).ljust(len(plaintext), b"\0")


@given(st.integers(0, 3_000_000))
def test_a_padded_size_gives_the_range_of_payload_sizes(length: int) -> None:
    sizes = payload_size_range(padded_bytes(length))
    assert sizes is not None
    smallest, largest = sizes
    assert smallest <= length <= largest
    assert {padded_bytes(each) for each in (smallest, largest)} == {padded_bytes(length)}
    assert padded_bytes(largest + 1) > padded_bytes(length)
    assert smallest == 0 or padded_bytes(smallest - 1) < padded_bytes(length)


@table("padded", [-1, 0, 4, 16383, 16385, 17409])
def test_a_size_that_padding_never_gives_has_no_payload(padded: int) -> None:
    assert payload_size_range(padded) is None
