"""Made-up users, drafts and revisions for the contract suites."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

from obscura_backup.domain.blob import Blob
from obscura_backup.domain.model import NO_VERSION, Draft, Kind, Revision, Sha256, Tag, UploadId, UserId, Version

MOMENT = datetime(2026, 3, 14, 15, 9, 26, 535897, tzinfo=UTC)


def user(number: int | None = None) -> UserId:
    """The user with this number, or a new one. All ids begin with two zeros."""
    return UserId(UUID(int=uuid4().int >> 8 if number is None else number << 64))


def blob(text: str = "sealed") -> Blob:
    """A blob of at least 32 bytes that holds the text."""
    return Blob.of(text.encode().ljust(32, b"."))


def draft(of: Blob, version: int = 1, base: int | None = None, kind: Kind = Kind.LIVE) -> Draft:
    """A draft for a blob, as the service would write it."""
    return Draft(
        version=Version(version),
        base=Version(version - 1) if base is None else Version(base),
        kind=kind,
        sha256=of.sha256,
        size=of.size,
        upload_id=UploadId(secrets.token_hex(16)),
        updated_at=MOMENT,
    )


def revision(version: int = 1, kind: Kind = Kind.LIVE, tag: str | None = None) -> Revision:
    """A revision as a blob store would have answered with."""
    content = f"content of {version}".encode().ljust(32, b".")
    upload_id = UploadId(secrets.token_hex(16))
    return Revision(
        version=Version(version),
        base=Version(version - 1) if version else NO_VERSION,
        kind=kind,
        sha256=Sha256(hashlib.sha256(content).digest()),
        size=len(content),
        upload_id=upload_id,
        updated_at=MOMENT,
        tag=Tag(tag or upload_id),
    )


def retagged(of: Revision, tag: str) -> Revision:
    """The same revision under another tag, as after a bucket was copied."""
    return replace(of, tag=Tag(tag))
