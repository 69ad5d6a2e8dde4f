"""The unencrypted content of a backup as JSON, for other programs; `client/README.md` describes the members.

Export and import lose nothing, not even unknown fields. Import guesses nothing: a missing, extra or repeated member, or
one of the wrong type, is an error.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from obscura_backup_client.content.model import Backup, Contact, Identity, Profile, UnknownFields, Writer

FORMAT: Final = "obscura-backup-payload"
VERSION: Final = 1


def encode_payload(backup: Backup, *, with_identity: bool = True) -> bytes:
    """The content as JSON text in ASCII. With the identity it holds the private key in clear."""
    document: dict[str, Any] = {"format": FORMAT, "version": VERSION}
    if with_identity:
        document["identity"] = _identity(backup.identity)
    document |= {
        "contacts": [_contact(each) for each in backup.contacts],
        "profile": None if backup.profile is None else _profile(backup.profile),
        "writers": [_writer(each) for each in backup.writers],
        "key_epoch": backup.key_epoch,
        "sealed_at_ms": backup.sealed_at_ms,
        "device_name": backup.device_name,
        **_unknown(backup.unknown),
    }
    return json.dumps(document, indent=1).encode("ascii") + b"\n"


def _identity(identity: Identity) -> dict[str, Any]:
    return {
        "public_key": _base64(identity.public_key),
        "private_key": _base64(identity.private_key),
        "epoch": identity.epoch,
        **_unknown(identity.unknown),
    }


def _contact(contact: Contact) -> dict[str, Any]:
    return {
        "user_id": str(contact.user_id),
        "username": contact.username,
        "identity_key": _base64(contact.identity_key),
        "edited_at_ms": contact.stamp_ms,
        "removed": contact.removed,
        **_unknown(contact.unknown),
    }


def _profile(profile: Profile) -> dict[str, Any]:
    return {
        "attachment_id": profile.attachment_id,
        "decryption_key": _base64(profile.decryption_key),
        "edited_at_ms": profile.stamp_ms,
        **_unknown(profile.unknown),
    }


def _writer(writer: Writer) -> dict[str, Any]:
    return {"device_id": writer.device_id.hex(), "seq": writer.seq, **_unknown(writer.unknown)}


def _unknown(fields: UnknownFields) -> dict[str, dict[str, str]]:
    """By field number, the encoding with its tags; nothing where there is none, as almost always."""
    return {"unknown_fields": {str(number): _base64(encoded) for number, encoded in fields}} if fields else {}


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
