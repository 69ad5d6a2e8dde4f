"""Contents of backups: a few by hand, and all kinds of them for property tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from obscura_backup_client.model import Backup, Contact, Identity, Profile, Writer

NOW_MS = 1_790_000_000_000
IDENTITY = Identity(public_key=b"P" * 32, private_key=b"S" * 32, epoch=1)
ALICE = UUID("00112233-4455-6677-8899-aabbccddeeff")
BOB = UUID("0b0b0b0b-0000-4000-8000-000000000b0b")
PHONE, LAPTOP = b"phone-----------", b"laptop----------"


def contact(user_id: UUID = ALICE, username: str = "alice", stamp_ms: int = NOW_MS, **others: Any) -> Contact:
    return Contact(user_id, username, others.pop("identity_key", b"K" * 32), stamp_ms, **others)


def tombstone(user_id: UUID = ALICE, stamp_ms: int = NOW_MS) -> Contact:
    return Contact(user_id, "", b"", stamp_ms, removed=True)


def backup(*contacts: Contact, **others: Any) -> Backup:
    return Backup(identity=others.pop("identity", IDENTITY), contacts=contacts, **others)


# Few ids and few stamps, so that the interesting thing, a tie, happens all the time.
_stamps = st.integers(1, 3)
_users = st.sampled_from([ALICE, BOB, UUID(int=1), UUID(int=2)])


def _unknown(first: int) -> st.SearchStrategy[tuple[tuple[int, bytes], ...]]:
    """Unknown varint fields with small values; numbers below 16 have tags of one byte."""
    fields = st.dictionaries(st.integers(first, 15), st.integers(0, 3), max_size=2)
    return fields.map(lambda found: tuple((number, bytes([number << 3, found[number]])) for number in sorted(found)))


_live = st.builds(
    Contact,
    _users,
    st.sampled_from(["a", "b", "ü"]),
    st.sampled_from([b"", b"K" * 32, b"\x05" + b"L" * 32]),
    _stamps,
    st.just(value=False),
    _unknown(6),
)
_removed = st.builds(tombstone, _users, _stamps)
_profiles = st.none() | st.builds(Profile, st.sampled_from(["x", "y"]), st.just(b"D" * 32), _stamps, _unknown(4))
_writers = st.builds(Writer, st.sampled_from([PHONE, LAPTOP]), st.integers(1, 3), _unknown(3))


def backups() -> st.SearchStrategy[Backup]:
    """Any content of one identity, in which entries of other versions' making occur, too."""
    return st.builds(
        Backup,
        identity=st.builds(replace, st.just(IDENTITY), unknown=_unknown(4)),
        contacts=st.lists(_live | _removed, unique_by=lambda entry: entry.user_id).map(
            lambda entries: tuple(sorted(entries, key=lambda entry: entry.user_id.bytes))
        ),
        profile=_profiles,
        writers=st.lists(_writers, unique_by=lambda writer: writer.device_id).map(
            lambda writers: tuple(sorted(writers, key=lambda writer: writer.device_id))
        ),
        key_epoch=st.integers(0, 3),
        sealed_at_ms=st.integers(0, 3),
        device_name=st.sampled_from(["", "phone", "laptop"]),
        unknown=_unknown(8),
    )
