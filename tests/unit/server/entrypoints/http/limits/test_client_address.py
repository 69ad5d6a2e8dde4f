from __future__ import annotations

import itertools
from typing import Any

import pytest

from obscura_backup.entrypoints.http.limits.client_address import HOPS_MAX, UNKNOWN, ClientAddress
from support.table import table


def address(peer: str | None, *forwarded: str, trusted: tuple[str, ...] = ()) -> str:
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    scope: Any = {"client": None if peer is None else (peer, 1234), "method": "GET", "headers": headers, "state": {}}
    return ClientAddress(trusted).of(scope)


def test_peer_itself_if_no_proxy_is_trusted() -> None:
    assert address("192.0.2.1", "203.0.113.7") == "192.0.2.1"


def test_peer_itself_where_it_is_not_the_trusted_one() -> None:
    """A made-up field neither bypasses the limit, nor charges another client."""
    assert address("192.0.2.1", "203.0.113.7", trusted=("10.0.0.0/8",)) == "192.0.2.1"


def test_client_behind_a_trusted_proxy() -> None:
    assert address("10.0.0.1", "203.0.113.7", trusted=("10.0.0.0/8",)) == "203.0.113.7"


@table("made_up", ["198.51.100.9", "10.0.0.5", "10.0.0.5, 10.0.0.6", "x", ",,,", " " * 1000])
def test_what_stands_left_of_the_trusted_proxies_word_is_not_believed(made_up: str) -> None:
    assert address("10.0.0.1", f"{made_up}, 203.0.113.7", trusted=("10.0.0.0/8",)) == "203.0.113.7"
    assert address("10.0.0.1", made_up, "203.0.113.7", trusted=("10.0.0.0/8",)) == "203.0.113.7"


def test_chain_of_trusted_proxies() -> None:
    hops = "198.51.100.9, 203.0.113.7, 10.0.0.2, 10.0.0.3"
    assert address("10.0.0.1", hops, trusted=("10.0.0.0/8",)) == "203.0.113.7"


def test_requests_of_the_proxies_themselves() -> None:
    assert address("10.0.0.1", "10.0.0.2", trusted=("10.0.0.0/8",)) == "10.0.0.2"
    assert address("10.0.0.1", trusted=("10.0.0.0/8",)) == "10.0.0.1"


def test_proxy_that_writes_nonsense_answers_for_it() -> None:
    cases: list[str] = ["", "unknown", "_hidden", "203.0.113", "203.0.113.7.8", "[", "é", "1" * 9000]
    for nonsense in cases:
        assert address("10.0.0.1", nonsense, trusted=("10.0.0.1",)) == "10.0.0.1"


UNREADABLE = [
    "unknown", "_hidden", "", " ", "203.0.113", "proxy.example", "é", "::1::", "[::1", "[::1]x", "[::1]:x", "[::1]:",
    "192.0.2.1:x", "192.0.2.1:", "[]", "[]:80", ":80",
]  # fmt: skip
LEFT_OF_IT = ["203.0.113.9", "203.0.113.9, 10.0.0.2", "10.0.0.3", "[2001:db8::9]:80"]


def test_hop_that_cannot_be_read_ends_the_walk() -> None:
    """The client wrote what stands left of it, so that the proxy's own address counts."""
    for nonsense, left in itertools.product(UNREADABLE, LEFT_OF_IT):
        for fields in [(f"{left}, {nonsense}",), (left, nonsense)]:
            assert address("10.0.0.1", *fields, trusted=("10.0.0.0/8",)) == "10.0.0.1", fields


@table("nonsense", ["unknown", "", "1" * 65])
def test_hop_that_cannot_be_read_ends_the_walk_at_the_last_proxy_before_it(nonsense: str) -> None:
    fields = f"203.0.113.9, {nonsense}, 10.0.0.2"
    assert address("10.0.0.1", fields, trusted=("10.0.0.0/8",)) == "10.0.0.2"


def test_exactly_as_many_hops_are_walked_as_may_be() -> None:
    def behind(proxies: int) -> str:
        hops = ["203.0.113.7", *(f"10.0.0.{number}" for number in range(proxies, 1, -1))]
        return address("10.0.0.1", ", ".join(hops), trusted=("10.0.0.0/8",))

    assert behind(HOPS_MAX + 1) == "203.0.113.7", "as many named ones, and the one that is the peer"
    assert behind(HOPS_MAX + 2) == f"10.0.0.{HOPS_MAX + 1}", "the last that was walked to is a proxy, and answers"


def test_hop_of_exactly_the_greatest_length() -> None:
    """An IPv6 address with a scope may have any length."""
    longest = "fe80::1%" + "x" * (64 - 8)
    assert address("10.0.0.1", longest, trusted=("10.0.0.0/8",)) == "fe80::/56"
    assert address("10.0.0.1", longest + "x", trusted=("10.0.0.0/8",)) == "10.0.0.1"


@table(
    ("entry", "meant"),
    [
        ("203.0.113.7:4711", "203.0.113.7"),
        ("[2001:db8::1]:4711", "2001:db8::/56"),
        ("[2001:db8::1]", "2001:db8::/56"),
        ("2001:db8::1", "2001:db8::/56"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
    ],
)
def test_forms_of_an_address(entry: str, meant: str) -> None:
    assert address("10.0.0.1", entry, trusted=("10.0.0.1",)) == meant


def test_one_site_of_ipv6_is_one_client() -> None:
    """Else it would have 256 accounts."""
    assert address("2001:db8:1:203:3:4:5:6") == address("2001:db8:1:2ff::") == "2001:db8:1:200::/56"
    assert address("2001:db8:1:300::") != address("2001:db8:1:200::")


def test_clients_behind_nat64_do_not_share_an_account() -> None:
    assert address("64:ff9b::192.0.2.1") == "192.0.2.1"
    assert address("64:ff9b::192.0.2.2") == "192.0.2.2"


def test_translated_address_is_no_trusted_proxy() -> None:
    assert address("64:ff9b::10.0.0.1", "203.0.113.7", trusted=("10.0.0.0/8",)) == "10.0.0.1"


def test_ipv4_is_the_same_by_an_ipv6_socket() -> None:
    assert address("::ffff:192.0.2.1") == address("192.0.2.1")
    assert address("::ffff:10.0.0.1", "203.0.113.7", trusted=("10.0.0.0/8",)) == "203.0.113.7"


def test_no_peer() -> None:
    assert address(None) == UNKNOWN


def test_chain_without_end_is_walked_only_so_far() -> None:
    assert address("10.0.0.1", "10.0.0.1," * 3000 + "10.0.0.2", trusted=("10.0.0.0/8",)) == "10.0.0.1"


@table("proxy", ["", "proxy.example", "10.0.0.0/33", "10.0.0.1/8"])
def test_what_is_neither_address_nor_network(proxy: str) -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0|appear"):
        ClientAddress([proxy])


@table(
    ("peer", "account"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2ff::7", "2001:db8:1:200::/56"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("10.0.0.5", None),
        ("::ffff:10.0.0.5", None),
    ],
)
def test_connections_are_counted_by_address_but_not_those_of_trusted_proxies(peer: str, account: str | None) -> None:
    assert ClientAddress(["10.0.0.0/8"]).of_peer((peer, 1)) == account


def test_connection_without_an_address_is_not_counted() -> None:
    assert ClientAddress().of_peer(None) is None
