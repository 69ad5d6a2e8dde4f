"""Where the server is, and whether a token may be sent there."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from obscura_backup_client.transport_errors import ServerRefused


def normal_address(url: str, *, allow_insecure_http: bool = False) -> str:
    """The address in one form, so that two spellings of one server share what is remembered of it.

    Plain http is for this machine only, unless it is explicitly allowed: anybody on the way could read the token, and
    with it delete or replace the backup.

    Raises:
        ServerRefused: not http(s), without a host, with credentials, query or fragment, or insecure.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise ServerRefused("this address", "it is not a URL") from None
    if parts.username is not None or parts.password is not None:
        # The address would end up in error messages, and the credentials with it.
        raise ServerRefused("this address", "it contains a user name or a password")
    if parts.scheme not in ("http", "https") or not host:
        raise ServerRefused(url, "it is not an http:// or https:// address")
    if parts.query or parts.fragment:
        raise ServerRefused(url, "an address has no query and no fragment")
    if parts.scheme == "http" and not allow_insecure_http and not _is_loopback(host):
        raise ServerRefused(url, "http:// would show the token to anybody on the way; use https://")
    shown_host = f"[{host}]" if ":" in host else host
    default_port = 443 if parts.scheme == "https" else 80
    shown_port = "" if port in (None, default_port) else f":{port}"
    return f"{parts.scheme}://{shown_host}{shown_port}{parts.path.rstrip('/')}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        # RFC 6761: names below localhost never leave the machine.
        return host == "localhost" or host.endswith(".localhost")
