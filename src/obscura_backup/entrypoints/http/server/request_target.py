"""What a request is for, judged before anything takes it apart: programs differ in what they make of the odd ones."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_VERSIONS = ("1.1", "1.0")
_PORT_MAX = 65_535
# uri-host and port (RFC 9110, 7.2; RFC 3986, 3.2.2) without the comma, at which some take it for a list.
_HOST = re.compile(rb"(?:\[([0-9A-Fa-f:.]+)\]|[A-Za-z0-9._~%!$&'()*+;=-]*)(?::([0-9]{0,5}))?")
# origin-form, absolute-form with a path, or asterisk-form (RFC 9112, 3.2). A `#` and all behind it is cut off by some.
_TARGET = re.compile(rb"(?:https?://([^/?#@]+))?/[!-\"$-~]*|\*", re.IGNORECASE)


def find_head_fault(
    url: bytes, headers: Iterable[tuple[bytes, bytes]], version: str, *, has_strict_line: bool
) -> tuple[int, str] | None:
    """A status and a sentence for a head that no request should have; None for the others.

    Args:
        url: the target, as it was sent.
        headers: their names in lower case.
        version: of HTTP, without its name.
        has_strict_line: whether the request line has one space between its parts and none elsewhere.
    """
    hosts = [value for name, value in headers if name == b"host"]
    if not has_strict_line:
        return 400, "A request line is a method, a target and a version, with one space between them."
    if not is_target(url):
        return 400, "A request names a path, alone or behind http:// or https:// and a host."
    if version not in _VERSIONS:
        return 505, "This is a service of HTTP/1.1."
    if (len(hosts) != 1 and version == "1.1") or not all(map(is_host, hosts)):
        return 400, "A request names one host, in one Host header."
    return None


def is_host(value: bytes) -> bool:
    """Whether this is a host with or without a port, and nothing else. The empty one is."""
    match = _HOST.fullmatch(value)
    if match is None or int(match[2] or 0) > _PORT_MAX:
        return False
    return match[1] is None or _is_ipv6(match[1])


def is_target(value: bytes) -> bool:
    """Whether a request can be for this: a path, or an absolute http or https URL of one, without a fragment."""
    match = _TARGET.fullmatch(value)
    return match is not None and (match[1] is None or is_host(match[1]))


def _is_ipv6(literal: bytes) -> bool:
    try:
        ipaddress.IPv6Address(literal.decode())
    except ValueError:
        return False
    return True
