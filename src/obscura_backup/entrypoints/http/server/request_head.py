"""Checks of a request's head before anything parses it further, since programs differ in how they read unusual ones."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_VERSIONS = ("1.1", "1.0")
_PORT_MAX = 65_535
# uri-host and port (RFC 9110, 7.2; RFC 3986, 3.2.2), without the comma: some programs read that as a list.
_HOST = re.compile(rb"(?:\[([0-9A-Fa-f:.]+)\]|[A-Za-z0-9._~%!$&'()*+;=-]*)(?::([0-9]{0,5}))?")
# origin-form, absolute-form with a path, or asterisk-form (RFC 9112, 3.2). Some programs cut off a `#` and the rest.
_TARGET = re.compile(rb"(?:https?://([^/?#@]+))?/[!-\"$-~]*|\*", re.IGNORECASE)


def _answer(status: bytes, text: bytes) -> bytes:
    fields = b"connection: close\r\nx-content-type-options: nosniff\r\ncontent-type: text/plain; charset=utf-8\r\n"
    return b"HTTP/1.1 %s\r\n%scontent-length: %d\r\n\r\n%s" % (status, fields, len(text), text)


TOO_LARGE = _answer(b"431 Request Header Fields Too Large", b"The request head exceeds the limit.")
UPGRADE_WITH_BODY = _answer(b"400 Bad Request", b"A request with a body must not ask for an Upgrade; send it without.")


def find_head_fault(
    url: bytes, headers: Iterable[tuple[bytes, bytes]], version: str, *, has_strict_line: bool
) -> tuple[int, str] | None:
    """Status and detail of the refusal if the head is malformed, else None.

    Args:
        url: the target, as it was sent.
        headers: with names in lower case.
        version: of HTTP, as in `1.1`.
        has_strict_line: whether the request line has one space between its parts and none elsewhere.
    """
    hosts = [value for name, value in headers if name == b"host"]
    if not has_strict_line:
        return 400, "Invalid request line: it must be method, target and version, with one space between them."
    if not is_target(url):
        return 400, "Invalid request target."
    if version not in _VERSIONS:
        return 505, "HTTP version not supported; use HTTP/1.1."
    if (len(hosts) != 1 and version == "1.1") or not all(map(is_host, hosts)):
        return 400, "Invalid Host: send one Host header with one host."
    return None


def body_length(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """In bytes; None for a chunked body. The parser has checked that there is at most one length."""
    names = dict(headers)
    return None if b"transfer-encoding" in names else int(names.get(b"content-length", b"0"))


def is_host(value: bytes) -> bool:
    """Whether this is a host, with or without a port. The empty value is valid."""
    match = _HOST.fullmatch(value)
    if match is None or int(match[2] or 0) > _PORT_MAX:
        return False
    return match[1] is None or _is_ipv6(match[1])


def is_target(value: bytes) -> bool:
    """Whether this is a path, or an absolute http(s) URL with a path; without a fragment."""
    match = _TARGET.fullmatch(value)
    return match is not None and (match[1] is None or is_host(match[1]))


def _is_ipv6(literal: bytes) -> bool:
    try:
        ipaddress.IPv6Address(literal.decode())
    except ValueError:
        return False
    return True
