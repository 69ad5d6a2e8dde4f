"""Payload and merge in TypeScript, from docs/format.md without shared code, on random contents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interop.actors import in_node
from interop.languages import typescript_client
from obscura_backup_client.content.codec import decode, encode
from obscura_backup_client.content.errors import PayloadError
from obscura_backup_client.content.merge import merge
from obscura_backup_client.content.rules import require_writable
from obscura_backup_client.errors import ClientError
from obscura_backup_client.sealing.sealed import seal
from support.client.contents import backup, backups
from support.client.devices import KEY, USER
from support.client.vectors import counted, named, vectors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from obscura_backup_client.content.model import Backup

    TypeScript = Callable[..., str]

# Flipped or lost bytes seldom give these: whole fields, unusual numbers, groups, invalid texts.
NUMBERS = [
    *("2801", "2800", "288100", "28ffffffffffffff0f", "288080808080808010", "2881808080808080808002"),
    *("2881808080808080808000", "3000", "4001", "4001ff", "40ffffffffffffffffff01"),
]
TEXTS = ["3a00", "3a0164", "3a01ff", "3a03efbbbf", "3a03eda080", "38"]
LONG_TAGS_AND_LENGTHS = [
    "a88000",
    "a880808000",
    "a88080808000",
    "a8808080800001",
    "c00001",
    "428180808000",
    "42818080808000",
]
UNKNOWN = [
    "42026869",
    "4501020304",
    "410102030405060708",
    "7b7c",
    "7b08017c",
    "7b",
    "7c",
    "7b74",
    "0b0c",
    "46",
    "47",
    "0001",
]
ENTRIES = [
    *("0a00", "0a021802", "0a022001", "1200", "1a00", "1a021805", "1a050a03616263", "1a021001", "1a03120144", "2200"),
    *(f"{before}{'00' * 16}{after}" for before, after in (("12150a10", "120161"), ("12140a10", "2802"))),
    *(f"{before}{'00' * 16}{after}" for before, after in (("12180a10", "288080808020"), ("12170a10", "1201613001"))),
    *(f"{before}{'00' * 16}{after}" for before, after in (("22140a10", "1001"), ("22160a10", "10011801"))),
]
FRAGMENTS = [bytes.fromhex(text) for text in (*NUMBERS, *TEXTS, *LONG_TAGS_AND_LENGTHS, *UNKNOWN, *ENTRIES)]


@st.composite
def odd_payloads(draw: st.DrawFn) -> bytes:
    """Payloads with fields inserted anywhere, and sometimes a byte changed, removed or inserted."""
    fields = draw(st.lists(st.sampled_from(FRAGMENTS), max_size=5))
    fields.insert(draw(st.integers(0, len(fields))), encode(draw(st.just(backup()) | backups())))
    payload = bytearray(b"".join(fields))
    for at in draw(st.lists(st.integers(0, len(payload) - 1), max_size=2)):
        kept = payload[at : at + draw(st.integers(0, 1))]
        payload[at : at + 1] = draw(st.sampled_from([b"", b"\0", b"\x80", b"\xff"])) + kept
    return bytes(payload)


@pytest.fixture(scope="module")
def typescript() -> Iterator[TypeScript]:
    """Merges payloads; the result is the merged payload or an error code."""
    with in_node(typescript_client()) as actor:

        def merged(*payloads: bytes) -> str:
            answer = actor.answer("merge", payloads=[payload.hex() for payload in payloads])
            return str(answer.get("result") or answer["error"])

        yield merged


def rewritten(payload: bytes) -> str:
    try:
        return encode(decode(payload)).hex()
    except PayloadError as error:
        return error.code


@pytest.mark.parametrize("row", named(vectors("payload")["counted"]))
def test_a_long_payload_is_sealed_or_refused_as_in_the_vectors(row: dict[str, Any]) -> None:
    """The unit tests run the fast ones; the programs in TypeScript run all of them."""
    error, sealing_error = None, None
    try:
        content = decode(counted(row))
        assert encode(content) == counted(row)
        try:
            require_writable(content)
            seal(encode(content), KEY, USER)
        except ClientError as refused:
            sealing_error = refused.code
    except PayloadError as refused:
        error = refused.code
    assert (error, sealing_error) == (row["error"], row["sealing_error"])


many = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@many
@given(content=backups())
def test_a_content_has_the_same_encoding_in_both(typescript: TypeScript, content: Backup) -> None:
    assert typescript(encode(content)) == encode(content).hex()


@many
@given(one=backups(), other=backups())
def test_two_contents_merge_to_the_same_bytes_in_both(typescript: TypeScript, one: Backup, other: Backup) -> None:
    assert typescript(encode(one), encode(other)) == encode(merge(one, other)).hex()


@many
@given(payload=odd_payloads())
def test_unusual_bytes_are_read_alike_or_refused_in_both(typescript: TypeScript, payload: bytes) -> None:
    assert typescript(payload) == rewritten(payload)
