"""`rollback.json` and `stamps.json`: when a fetched backup is older than what was seen, and what an edit is stamped."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from format_vectors.contents import ALICE, BOB, LAPTOP, NOW_MS, PHONE, backup, contact, tombstone
from format_vectors.examples import code_of
from obscura_backup_client.content.codec import encode
from obscura_backup_client.content.editing import next_stamp_ms
from obscura_backup_client.content.model import MAX_INTEGER, Profile, Writer
from obscura_backup_client.operations.errors import RollbackSuspected
from obscura_backup_client.operations.rollback import last_seen_of, require_absence_expected, suspicions

if TYPE_CHECKING:
    from obscura_backup_client.content.model import Backup
    from obscura_backup_client.device.last_seen import LastSeen

TABLET: Final = b"\x02" * 16
SAME, OTHER = b"the sealed bytes that were seen", b"others"


@dataclass(frozen=True)
class Fetched:
    """What came from the server, after opening."""

    vector: dict[bytes, int]
    blob: bytes = OTHER
    key_epoch: int = 2
    format: int = 1

    @property
    def content(self) -> Backup:
        """A content with this vector."""
        writers = tuple(Writer(each, seq) for each, seq in sorted(self.vector.items()))
        return backup(writers=writers, key_epoch=self.key_epoch)


SEEN: Final = {PHONE: 5, LAPTOP: 2}
KNOWN: Final = last_seen_of(Fetched(SEEN).content, SAME, sealed_format=1, version=3)

# What the reasons must be stands here by hand, in the order in which they are told.
CASES: Final[list[tuple[str, LastSeen | None, Fetched | None, list[str]]]] = [
    ("the very bytes that were seen", KNOWN, Fetched(SEEN, SAME), []),
    ("one component above", KNOWN, Fetched({PHONE: 6, LAPTOP: 2}), []),
    ("a writer never heard of", KNOWN, Fetched({**SEEN, TABLET: 1}), []),
    ("a higher key epoch, and above", KNOWN, Fetched({PHONE: 6, LAPTOP: 2}, key_epoch=3), []),
    ("one component below", KNOWN, Fetched({PHONE: 4, LAPTOP: 2}), ["older-writers"]),
    ("one component below, another above", KNOWN, Fetched({PHONE: 4, LAPTOP: 9}), ["older-writers"]),
    ("a component missing, another above", KNOWN, Fetched({LAPTOP: 9}), ["older-writers"]),
    ("no writers at all", KNOWN, Fetched({}), ["older-writers"]),
    ("the bytes that were seen, with an older vector", KNOWN, Fetched({LAPTOP: 2}, SAME), ["older-writers"]),
    ("the same vector with other bytes", KNOWN, Fetched(SEEN), ["same-writers-other-bytes"]),
    ("a lower key epoch, although above", KNOWN, Fetched({PHONE: 6, LAPTOP: 2}, key_epoch=1), ["older-password"]),
    (
        "an older format, although above",
        replace(KNOWN, format=2),
        Fetched({PHONE: 6, LAPTOP: 2}),
        ["older-format"],
    ),
    (
        "below in everything",
        replace(KNOWN, format=2),
        Fetched({PHONE: 4}, key_epoch=1),
        ["older-writers", "older-password", "older-format"],
    ),
    (
        "the same vector with other bytes, a lower key epoch and an older format",
        replace(KNOWN, format=2),
        Fetched(SEEN, key_epoch=1),
        ["same-writers-other-bytes", "older-password", "older-format"],
    ),
    ("nothing remembered, anything fetched", None, Fetched({}), []),
    ("nothing remembered, nothing there", None, None, []),
    ("nothing there any more", KNOWN, None, ["gone"]),
    ("nothing there any more, after a deletion by this device", replace(KNOWN, may_be_gone=True), None, []),
    (
        "older than before a deletion by this device",
        replace(KNOWN, may_be_gone=True),
        Fetched({PHONE: 4, LAPTOP: 2}),
        ["older-writers"],
    ),
]

# (name, content, clock, stamp or the error)
STAMPS: Final[list[tuple[str, Backup, int, int | str]]] = [
    ("nothing stamped yet", backup(), NOW_MS, NOW_MS),
    ("a clock that is ahead of every stamp", backup(contact(stamp_ms=NOW_MS - 1)), NOW_MS, NOW_MS),
    ("a clock that says the highest stamp", backup(contact(stamp_ms=NOW_MS)), NOW_MS, NOW_MS + 1),
    ("a clock that is behind", backup(contact(ALICE, stamp_ms=NOW_MS + 5000), contact(BOB)), NOW_MS, NOW_MS + 5001),
    ("removed contacts count", backup(tombstone(stamp_ms=NOW_MS + 7)), NOW_MS, NOW_MS + 8),
    ("the profile counts", backup(contact(), profile=Profile("a", b"", NOW_MS + 9)), NOW_MS, NOW_MS + 10),
    ("a clock before 1970", backup(), -5, 1),
    ("nothing stamped yet, and a clock in the first millisecond", backup(), 0, 1),
    ("a clock that says the last stamp", backup(contact()), MAX_INTEGER, MAX_INTEGER),
    ("a clock beyond the last stamp", backup(contact()), MAX_INTEGER + 1, "malformed-payload"),
    ("the last stamp", backup(contact(stamp_ms=MAX_INTEGER - 1)), NOW_MS, MAX_INTEGER),
    ("no stamp is left", backup(contact(stamp_ms=MAX_INTEGER)), NOW_MS, "malformed-payload"),
]


def rollback() -> dict[str, Any]:
    """Work `rollback.json` out."""
    for name, known, fetched, expected in CASES:
        if reasons(known, fetched) != expected:
            raise AssertionError(f"{name}: the code says {reasons(known, fetched)}")
    return {
        "rollback": [
            {
                "name": name,
                "remembered": None
                if known is None
                else {
                    "vector": shown(known.vector),
                    "sha256": known.sha256.hex(),
                    "key_epoch": known.key_epoch,
                    "format": known.format,
                    "may_be_gone": known.may_be_gone,
                },
                "fetched": None
                if fetched is None
                else {
                    "vector": shown(fetched.vector),
                    "sha256": sha256(fetched.blob).hexdigest(),
                    "key_epoch": fetched.key_epoch,
                    "format": fetched.format,
                },
                "reasons": expected,
            }
            for name, known, fetched, expected in CASES
        ]
    }


def stamps() -> dict[str, Any]:
    """Work `stamps.json` out."""
    return {"stamps": [stamp(*case) for case in STAMPS]}


def stamp(name: str, content: Backup, now_ms: int, expected: int | str) -> dict[str, Any]:
    """Give one edit: the content, the clock, and the stamp or the error."""
    error = code_of(lambda: next_stamp_ms(content, now_ms))
    found = next_stamp_ms(content, now_ms) if error is None else error
    if found != expected:
        raise AssertionError(f"{name}: the code says {found}")
    row = {"name": name, "payload": encode(content).hex(), "now_ms": now_ms}
    return {**row, "stamp_ms": None if error else found, "error": error}


def reasons(known: LastSeen | None, fetched: Fetched | None) -> list[str]:
    """Give the reasons that the code finds."""
    if fetched is None:
        try:
            require_absence_expected(known)
        except RollbackSuspected as suspected:
            return [str(reason) for reason in suspected.reasons]
        return []
    if known is None:
        return []
    return [str(reason) for reason in suspicions(known, fetched.content, sha256(fetched.blob).digest(), fetched.format)]


def shown(vector: Any) -> dict[str, int]:
    """Give a version vector as the file writes it."""
    return {device_id.hex(): seq for device_id, seq in sorted(vector.items())}
