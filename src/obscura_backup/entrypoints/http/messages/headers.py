"""Request headers: conditions, ranges and digests. Pure functions over header values."""

from __future__ import annotations

import base64
import binascii
import re
from email.utils import format_datetime
from typing import TYPE_CHECKING

from obscura_backup.domain.model import NO_VERSION, ByteRange, Version
from obscura_backup.entrypoints.http.messages.errors import MalformedHeader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from obscura_backup.domain.model import Revision

# At most 18 digits: every version fits in 64 bits, here and in every store.
_VERSION = re.compile(r'(")?(0|[1-9][0-9]{0,17})(?(1)")')
# No two adjacent repetitions can match the same character, so that hostile values take linear time.
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)
_DIGEST = re.compile(r"sha-256=(:[^:;]*:)(;.*)?")
FIELD_MAX_CHARS = 1024
_SHA256_BYTES = 32


def etag(version: Version) -> str:
    """The strong entity tag of a version: its number in quotes."""
    return f'"{version}"'


def expected_version(if_match: Sequence[str], if_none_match: Sequence[str]) -> Version | None:
    """The version that a request wants to replace: 0 for "there is none yet", None if there is neither header.

    `If-Match` takes `3` and `"3"`; `0` and `If-None-Match: *` mean "first upload". `*`, weak tags and lists are
    refused, since the version is there to prevent blind overwrites.

    Raises:
        MalformedHeader: a header has any other value, or the two contradict each other.
    """
    expected: Version | None = None
    if if_match:
        match = _VERSION.fullmatch(if_match[0].strip()) if len(if_match) == 1 else None
        if match is None:
            raise MalformedHeader("If-Match", 'expected one version, as "3" or 3; no list, no weak tag, no *')
        expected = Version(int(match[2]))
    if if_none_match:
        if [value.strip() for value in if_none_match] != ["*"]:
            raise MalformedHeader("If-None-Match", "on an upload only * is accepted, for the first one")
        if expected not in (None, NO_VERSION):
            raise MalformedHeader("If-None-Match", "it contradicts If-Match")
        expected = NO_VERSION
    return expected


def none_match(if_none_match: Sequence[str], version: Version) -> bool:
    """Whether `If-None-Match` on a read already names this version (RFC 9110, 13.1.2: weak comparison)."""
    for entry in ",".join(if_none_match)[:FIELD_MAX_CHARS].split(","):
        tag = entry.strip().removeprefix("W/")
        if tag in ("*", etag(version), str(version)):
            return True
    return False


def byte_range(header: str | None) -> ByteRange | None:
    """The one requested range; None (the whole) if there is none, or several, or an unknown form.

    RFC 9110, 14.2: a server may ignore the Range header, and must ignore a unit that it does not know.
    """
    match = _RANGE.fullmatch(header.strip()) if header and len(header) <= FIELD_MAX_CHARS else None
    if match is None:
        return None
    first, last = match.groups()
    if first:
        return ByteRange(int(first), int(last) if last else None) if not last or int(last) >= int(first) else None
    return ByteRange(None, int(last)) if last else None


def range_applies(if_range: str | None, revision: Revision) -> bool:
    """Whether `If-Range` allows a range of this revision (RFC 9110, 13.1.5: strong comparison)."""
    return if_range is None or if_range.strip() in (etag(revision.version), http_date(revision.updated_at))


def http_date(moment: datetime) -> str:
    """An HTTP date (RFC 9110, 5.6.7)."""
    return format_datetime(moment, usegmt=True)


def digest_field(sha256: bytes) -> str:
    """A Content-Digest or Repr-Digest value (RFC 9530)."""
    return f"sha-256=:{base64.b64encode(sha256).decode()}:"


def declared_sha256(values: Sequence[str]) -> bytes | None:
    """The SHA-256 in a Content-Digest (RFC 9530), None if there is none; other algorithms are ignored.

    Raises:
        MalformedHeader: it is not 32 bytes in base64 between colons, or there are two that differ.
    """
    whole = ",".join(values)
    if len(whole) > FIELD_MAX_CHARS:
        raise MalformedHeader("Content-Digest", "it is too long")
    found = set()
    for member in whole.split(","):
        name, _, _ = member.strip().partition("=")
        if name.strip() == "sha-256":
            match = _DIGEST.fullmatch(member.strip())
            found.add(_byte_sequence(match[1] if match else ""))
    if len(found) > 1:
        raise MalformedHeader("Content-Digest", "it names two different sha-256 digests")
    return found.pop() if found else None


def _byte_sequence(item: str) -> bytes:
    if len(item) > 1 and item[0] == item[-1] == ":":
        try:
            value = base64.b64decode(item[1:-1], validate=True)
        except binascii.Error:
            value = b""
        if len(value) == _SHA256_BYTES:
            return value
    raise MalformedHeader("Content-Digest", "sha-256 must be 32 bytes in base64 between colons")
