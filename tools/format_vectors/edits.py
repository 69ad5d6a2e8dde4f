"""`edits.json`: what an edit makes of a content. The outcome is stated here by hand, not taken from the code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from format_vectors.contents import ALICE, BOB, NOW_MS, backup, contact, number, tombstone
from obscura_backup_client.content.codec import encode
from obscura_backup_client.content.editing import NewContact, put_contacts, remove_contact, set_profile
from obscura_backup_client.content.model import MAX_INTEGER, Profile, Writer
from obscura_backup_client.errors import ClientError

if TYPE_CHECKING:
    from obscura_backup_client.content.model import Backup


@dataclass(frozen=True)
class Case:
    """A content, what a person does to it, and what is left or the error."""

    name: str
    before: Backup
    edit: dict[str, str]
    after: Backup | str
    now_ms: int = NOW_MS


def _put(user_id: UUID = ALICE, username: str = "alice", identity_key: bytes = b"") -> dict[str, str]:
    return {"do": "put", "user_id": str(user_id), "username": username, "identity_key": identity_key.hex()}


def _remove(user_id: UUID = ALICE) -> dict[str, str]:
    return {"do": "remove", "user_id": str(user_id)}


def _profile(attachment_id: str = "", decryption_key: bytes = b"") -> dict[str, str]:
    return {"do": "profile", "attachment_id": attachment_id, "decryption_key": decryption_key.hex()}


_UNKNOWN: Final = ((6, number(6, 1)),)
_LATER: Final = ((4, number(4, 1)),)
_REST: Final[dict[str, Any]] = {
    "writers": (Writer(b"\x01" * 16, 3, ((3, number(3, 1)),)),),
    "key_epoch": 2,
    "sealed_at_ms": 5,
    "device_name": "phone",
    "unknown": ((8, number(8, 1)),),
}

CASES: Final = [
    Case("a new contact", backup(), _put(identity_key=b"KKKK"), backup(contact())),
    Case("a new contact without a key", backup(), _put(), backup(contact(identity_key=b""))),
    Case(
        "a new contact in the order of the ids, above every stamp",
        backup(contact(BOB, "bob", NOW_MS + 5)),
        _put(identity_key=b"KKKK"),
        backup(contact(stamp_ms=NOW_MS + 6), contact(BOB, "bob", NOW_MS + 5)),
    ),
    Case(
        "another username: an unknown field stays, and so does a key that the edit does not say",
        backup(contact(stamp_ms=1, unknown=_UNKNOWN)),
        _put(username="Alice"),
        backup(contact(username="Alice", unknown=_UNKNOWN)),
    ),
    Case(
        "another key",
        backup(contact(stamp_ms=1, unknown=_UNKNOWN)),
        _put(identity_key=b"LLLL"),
        backup(contact(identity_key=b"LLLL", unknown=_UNKNOWN)),
    ),
    Case(
        "a username in another normal form is another one",
        backup(contact(username="caf\u00e9", stamp_ms=1)),
        _put(username="cafe\u0301"),
        backup(contact(username="cafe\u0301")),
    ),
    Case(
        "the same username and key: the stamp stays",
        backup(contact(stamp_ms=1, unknown=_UNKNOWN)),
        _put(identity_key=b"KKKK"),
        backup(contact(stamp_ms=1, unknown=_UNKNOWN)),
    ),
    Case(
        "the same username and no key said: the stamp stays",
        backup(contact(stamp_ms=1)),
        _put(),
        backup(contact(stamp_ms=1)),
    ),
    Case(
        "a removed contact is added again, without the unknown fields of its removal",
        backup(tombstone(stamp_ms=NOW_MS + 1, unknown=_UNKNOWN)),
        _put(identity_key=b"KKKK"),
        backup(contact(stamp_ms=NOW_MS + 2)),
    ),
    Case(
        "a contact is removed, with its unknown fields",
        backup(contact(stamp_ms=NOW_MS, unknown=_UNKNOWN), contact(BOB, "bob", 1)),
        _remove(),
        backup(tombstone(stamp_ms=NOW_MS + 1), contact(BOB, "bob", 1)),
    ),
    Case("a contact that is not there is removed", backup(contact()), _remove(BOB), "unknown-contact"),
    Case("a removed contact is removed", backup(tombstone()), _remove(), "unknown-contact"),
    Case("the first profile", backup(), _profile("a", b"D"), backup(profile=Profile("a", b"D", NOW_MS))),
    Case(
        "another profile: an unknown field stays, and a key that the edit does not say goes",
        backup(profile=Profile("a", b"D", NOW_MS, _LATER)),
        _profile("b"),
        backup(profile=Profile("b", b"", NOW_MS + 1, _LATER)),
    ),
    Case(
        "the same profile is stamped anew",
        backup(profile=Profile("a", b"D", 1)),
        _profile("a", b"D"),
        backup(profile=Profile("a", b"D", NOW_MS)),
    ),
    Case(
        "the profile is cleared: an unknown field stays",
        backup(profile=Profile("a", b"D", 1, _LATER)),
        _profile(),
        backup(profile=Profile("", b"", NOW_MS, _LATER)),
    ),
    Case("a profile that never was is cleared", backup(), _profile(), backup(profile=Profile("", b"", NOW_MS))),
    Case("a key of no attachment", backup(), _profile("", b"D"), "malformed-payload"),
    Case("an identity key of 4097 bytes", backup(), _put(identity_key=b"K" * 4097), "malformed-payload"),
    Case("no edit changes the rest", backup(**_REST), _put(identity_key=b"KKKK"), backup(contact(), **_REST)),
    Case("no stamp is left to add", backup(tombstone(BOB, MAX_INTEGER)), _put(), "malformed-payload"),
    Case("no stamp is left to remove", backup(contact(stamp_ms=MAX_INTEGER)), _remove(), "malformed-payload"),
    Case("no stamp is left for a profile", backup(contact(stamp_ms=MAX_INTEGER)), _profile("a"), "malformed-payload"),
]


def build() -> dict[str, Any]:
    """Work the file out."""
    for case in CASES:
        if outcome(case) != case.after:
            raise AssertionError(f"{case.name}: the code says {outcome(case)}")
    return {
        "edits": [
            {
                "name": case.name,
                "payload": encode(case.before).hex(),
                "now_ms": case.now_ms,
                "edit": case.edit,
                "edited": None if isinstance(case.after, str) else encode(case.after).hex(),
                "error": case.after if isinstance(case.after, str) else None,
            }
            for case in CASES
        ]
    }


def outcome(case: Case) -> Backup | str:
    """Give what the code makes of a case."""
    try:
        return edited(case.before, case.edit, case.now_ms)
    except ClientError as error:
        return error.code


def edited(content: Backup, edit: dict[str, str], now_ms: int) -> Backup:
    """Do what an edit says. Raises what `editing` raises."""
    if edit["do"] == "put":
        user_id, key = UUID(edit["user_id"]), bytes.fromhex(edit["identity_key"])
        return put_contacts(content, [NewContact(user_id, edit["username"], key)], now_ms)
    if edit["do"] == "remove":
        return remove_contact(content, UUID(edit["user_id"]), now_ms)
    return set_profile(content, edit["attachment_id"], bytes.fromhex(edit["decryption_key"]), now_ms)
