"""A draft as the user metadata of an object, and back.

The names have hyphens, not underscores: proxies such as nginx silently drop headers with underscores.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from obscura_backup.domain.errors import BackupDamaged
from obscura_backup.domain.model import Draft, Kind, Revision, Sha256, Tag, UploadId, Version

if TYPE_CHECKING:
    from collections.abc import Mapping

_NUMBER = re.compile(r"[0-9]{1,18}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_UPLOAD_ID = re.compile(r"[0-9a-f]{32}")


_CHECKED = ("version", "base", "kind", "sha256", "upload-id", "updated-at")
NAMES = (*_CHECKED, "check")


def metadata_of(draft: Draft) -> dict[str, str]:
    """What goes out in the same request as the bytes: on S3, as `x-amz-meta-…` headers."""
    fields = {
        "version": str(draft.version),
        "base": str(draft.base),
        "kind": draft.kind.value,
        "sha256": draft.sha256.hex(),
        "upload-id": draft.upload_id,
        "updated-at": draft.updated_at.astimezone(UTC).isoformat(timespec="microseconds"),
    }
    return {**fields, "check": check_of(fields, draft.size)}


def check_of(fields: Mapping[str, str], size: int) -> str:
    """The check value: 16 hexadecimal digits over the other fields and the blob's size. It detects no forgery.

    Raises:
        KeyError: a field is missing.
    """
    text = "\n".join([*(fields[name] for name in _CHECKED), str(size)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def revision_of(metadata: Mapping[str, str], *, tag: Tag, size: int, is_whole: bool = False) -> Revision:
    """The revision that an object holds.

    Args:
        metadata: of the object, by `NAMES`.
        tag: of the object.
        size: of the blob in it, in bytes.
        is_whole: the response is known to be complete. Then the check value may be missing, as in objects that were
            written before it was introduced.

    Raises:
        BackupDamaged: this service did not write the object, its metadata was damaged, or the response was cut off.
    """
    fields = {name.lower(): value for name, value in metadata.items()}  # some stores answer with Capitals
    try:
        if ("check" in fields or not is_whole) and fields["check"] != check_of(fields, size):
            raise ValueError("wrong check value")
        return Revision(
            version=Version(_number(fields["version"], minimum=1)),
            base=Version(_number(fields["base"], minimum=0)),
            kind=Kind(fields["kind"]),
            sha256=Sha256(bytes.fromhex(_matched(_SHA256, fields["sha256"]))),
            size=size,
            upload_id=UploadId(_matched(_UPLOAD_ID, fields["upload-id"])),
            updated_at=_timestamp(fields["updated-at"]),
            tag=tag,
        )
    except (KeyError, ValueError) as error:
        raise BackupDamaged("The metadata of an object in the bucket is not ours, or is damaged.") from error


def _matched(pattern: re.Pattern[str], value: str) -> str:
    if not pattern.fullmatch(value):
        raise ValueError("malformed")
    return value


def _number(value: str, *, minimum: int) -> int:
    number = int(_matched(_NUMBER, value))
    if number < minimum:
        raise ValueError("out of range")
    return number


def _timestamp(value: str) -> datetime:
    timestamp = datetime.fromisoformat(value)
    if timestamp.tzinfo is None:
        raise ValueError("without a zone")
    return timestamp.astimezone(UTC)
