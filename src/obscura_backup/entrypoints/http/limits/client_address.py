"""The client address of a request: the peer, or the address that trusted proxies name."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

from obscura_backup.entrypoints.http.request_state import RequestState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Network

    from litestar.types import Scope

HOPS_MAX = 16
"""There are never more proxies in a row."""
UNKNOWN = "unknown"
_ADDRESS_MAX_CHARS = 64
"""Longer values are no addresses, and are not kept in a cache."""
_HEADER = b"x-forwarded-for"
_WITH_PORT = re.compile(r"\[([^\[\]]+)\](?::[0-9]+)?|([^:\[\]]+):[0-9]+")
_SITE_PREFIX_BITS = 56
_NAT64 = IPv6Network("64:ff9b::/96")
"""Clients behind it have IPv4; their address is in the last 32 bits (RFC 6052, 2.1)."""


class ClientAddress:
    """Finds the client address of a request.

    `X-Forwarded-For` is believed from trusted proxies only, and read from its right end, where they write. The first
    hop that is no trusted proxy is the client; what stands further left was sent by that client.

    Args:
        trusted_proxies: addresses and networks (CIDR).

    Raises:
        ValueError: a trusted proxy is neither.
    """

    def __init__(self, trusted_proxies: Iterable[str] = ()) -> None:
        self._trusted: list[IPv4Network | IPv6Network] = [ip_network(proxy) for proxy in trusted_proxies]

    def of(self, scope: Scope) -> str:
        """The client's address; for IPv6 its /56, since one site is given more than a /64 (RFC 6177)."""
        peer = scope["client"]
        if peer is None:
            return UNKNOWN
        if not self._trusted:
            return _account_of(peer[0])
        return _account_of(self._behind_proxies(peer[0], scope))

    def of_peer(self, peer: tuple[str, int] | None) -> str | None:
        """The address at the other end of a connection, IPv6 as in `of`; None for a trusted proxy."""
        return None if peer is None or self._is_trusted(peer[0]) else _account_of(peer[0])

    def _behind_proxies(self, peer: str, scope: Scope) -> str:
        hop = peer
        fields = RequestState.of(scope).values(_HEADER)
        for entry in reversed(",".join(fields).rsplit(",", HOPS_MAX)):
            if not self._is_trusted(hop):
                break
            earlier = _host(entry.strip())
            if len(earlier) > _ADDRESS_MAX_CHARS or _parsed(earlier) is None:
                break  # the proxy named no valid address: its clients share its own
            hop = earlier
        return hop

    def _is_trusted(self, host: str) -> bool:
        address = _parsed(host)
        return address is not None and any(address in network for network in self._trusted)


def _host(entry: str) -> str:
    """An entry without the port that some proxies add: `192.0.2.1:80`, `[2001:db8::1]:80`, `2001:db8::1`."""
    with_port = _WITH_PORT.fullmatch(entry)
    return entry if with_port is None else with_port[1] or with_port[2]


# Most requests come from addresses that were seen shortly before.
@lru_cache(maxsize=4096)
def _parsed(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


@lru_cache(maxsize=4096)
def _account_of(host: str) -> str:
    address = _parsed(host)
    if address is None:
        return UNKNOWN
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return str(IPv4Address(int(address) & 0xFFFF_FFFF))
        return str(IPv6Network((int(address), _SITE_PREFIX_BITS), strict=False))
    return str(address)
