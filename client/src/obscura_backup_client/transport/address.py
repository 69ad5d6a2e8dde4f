"""The server's address, and whether the token may be sent there."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import Final
from urllib.parse import quote, urlsplit

from obscura_backup_client.transport.errors import ServerRefused

_HOST_NAME: Final = re.compile(r"[a-z0-9._-]+")
# The limit of resolvers (RFC 1035, 2.3.4). IDNA takes time that grows with the square of the length.
_MAX_HOST_CHARACTERS: Final = 253
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_REFUSED_CATEGORIES: Final = {"Cc", "Cf", "Cs", "Cn", "Zs", "Zl", "Zp"}


def normalize_address(url: str, *, allow_insecure_http: bool = False) -> str:
    """Normalize the address, so that two spellings of one server share one account.

    Plain http is accepted for this machine only, unless explicitly allowed: others on the network path could read the
    token, and then delete or replace the backup. "This machine" is `localhost` or a loopback IP address; a name below
    `localhost` may resolve to any address.

    Raises:
        ServerRefused: not http(s), without a host, with credentials, query or fragment, insecure, or ambiguous about
            the host.
    """
    if any(character == "\\" or unicodedata.category(character) in _REFUSED_CATEGORIES for character in url):
        # Programs disagree about where a host ends with these, and the standard library drops some of them.
        raise ServerRefused("this address", "it contains a backslash, a space or a character that does not print")
    try:
        parts = urlsplit(url)
        port, named = parts.port, parts.hostname or ""
    except ValueError:
        raise ServerRefused("this address", "it is not a URL") from None
    if parts.username is not None or parts.password is not None:
        # The address appears in error messages, and the credentials would too.
        raise ServerRefused("this address", "it contains a user name or a password")
    if parts.scheme not in _DEFAULT_PORTS or not named:
        raise ServerRefused(url, "it is not an http:// or https:// address")
    if parts.query or parts.fragment:
        raise ServerRefused(url, "an address has no query and no fragment")
    host = _host(named, bracketed="[" in parts.netloc)
    if host is None:
        raise ServerRefused(url, "its host is neither an IP address nor a plain name (write others as xn--…)")
    if parts.scheme == "http" and not allow_insecure_http and not _is_loopback(host):
        raise ServerRefused(url, "http:// would expose the token on the network; use https://")
    shown_port = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    # The path as it is sent in requests.
    path = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~")
    return f"{parts.scheme}://{host}{shown_port}{path}"


def _host(named: str, *, bracketed: bool) -> str | None:
    """The host in ASCII, an IPv6 address in brackets; None if it is invalid."""
    if bracketed:
        try:
            # A zone (`%eth0`) names an interface of this machine only.
            return None if "%" in named else f"[{ipaddress.IPv6Address(named)}]"
        except ValueError:
            return None
    name = named.rstrip(".")
    if len(name) > _MAX_HOST_CHARACTERS:
        return None
    if not name.isascii():
        try:
            encoded = name.encode("idna").decode("ascii")
            # This round trip fails where the two IDNA standards differ (ß): one name must not mean two hosts.
            name = encoded if encoded.encode("ascii").decode("idna") == unicodedata.normalize("NFC", name) else ""
        except UnicodeError:
            return None
    return name if len(name) <= _MAX_HOST_CHARACTERS and _HOST_NAME.fullmatch(name) else None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
