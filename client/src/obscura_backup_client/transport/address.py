"""Where the server is, and whether a token may be sent there."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import Final
from urllib.parse import quote, urlsplit

from obscura_backup_client.transport.errors import ServerRefused

_HOST_NAME: Final = re.compile(r"[a-z0-9._-]+")
# No resolver takes more (RFC 1035, 2.3.4), and what IDNA does with a name grows with the square of its length.
_MAX_HOST_CHARACTERS: Final = 253
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_REFUSED_CATEGORIES: Final = {"Cc", "Cf", "Cs", "Cn", "Zs", "Zl", "Zp"}


def normalize_address(url: str, *, allow_insecure_http: bool = False) -> str:
    """The address in one form, so that two spellings of one server share what is remembered of it.

    Plain http is for this machine only, unless it is explicitly allowed: anybody on the way could read the token, and
    with it delete or replace the backup. "This machine" is `localhost` or a loopback IP address; a name below
    `localhost` is whatever a resolver makes of it.

    Raises:
        ServerRefused: not http(s), without a host, with credentials, query or fragment, insecure, or spelled so that
            two programs may read two hosts in it.
    """
    if any(character == "\\" or unicodedata.category(character) in _REFUSED_CATEGORIES for character in url):
        # Where a host ends is a matter of opinion with these, and the standard library drops some of them unseen.
        raise ServerRefused("this address", "it contains a backslash, a space or a character that does not print")
    try:
        parts = urlsplit(url)
        port, named = parts.port, parts.hostname or ""
    except ValueError:
        raise ServerRefused("this address", "it is not a URL") from None
    if parts.username is not None or parts.password is not None:
        # The address would end up in error messages, and the credentials with it.
        raise ServerRefused("this address", "it contains a user name or a password")
    if parts.scheme not in _DEFAULT_PORTS or not named:
        raise ServerRefused(url, "it is not an http:// or https:// address")
    if parts.query or parts.fragment:
        raise ServerRefused(url, "an address has no query and no fragment")
    host = _host(named, bracketed="[" in parts.netloc)
    if host is None:
        raise ServerRefused(url, "its host is neither an IP address nor a plain name (write others as xn--…)")
    if parts.scheme == "http" and not allow_insecure_http and not _is_loopback(host):
        raise ServerRefused(url, "http:// would show the token to anybody on the way; use https://")
    shown_port = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    # The path as it stands in a request, whichever way it was written.
    path = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~")
    return f"{parts.scheme}://{host}{shown_port}{path}"


def _host(named: str, *, bracketed: bool) -> str | None:
    """The host in ASCII, an IPv6 address in brackets; None for what is not a host."""
    if bracketed:
        try:
            # A zone (`%eth0`) names an interface of this machine, which is nothing to share or remember.
            return None if "%" in named else f"[{ipaddress.IPv6Address(named)}]"
        except ValueError:
            return None
    name = named.rstrip(".")
    if len(name) > _MAX_HOST_CHARACTERS:
        return None
    if not name.isascii():
        try:
            encoded = name.encode("idna").decode("ascii")
            # Where IDNA's two editions differ (ß) this round trip fails: one name must not lead to two hosts.
            name = encoded if encoded.encode("ascii").decode("idna") == unicodedata.normalize("NFC", name) else ""
        except UnicodeError:
            return None
    return name if len(name) <= _MAX_HOST_CHARACTERS and _HOST_NAME.fullmatch(name) else None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
