"""Contents of backups: some fixed ones, and strategies for property tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, product
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from hypothesis import strategies as st

from obscura_backup_client.content.model import Backup, Contact, Identity, Profile, Writer

if TYPE_CHECKING:
    from obscura_backup_client.content.model import UnknownFields

E = TypeVar("E")

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


# Few ids, few stamps and few values, so that the interesting thing, a tie, happens all the time. Whole entries are
# sampled: building each from its fields takes ten times as long, and most of a property test's time.
_STAMPS = (1, 2, 3)


def _unknown(first: int) -> tuple[UnknownFields, ...]:
    """None, one or two unknown varint fields with small values; numbers below 16 have tags of one byte."""
    fields = [[(number, bytes([number << 3, value])) for value in range(3)] for number in (first, first + 1, 15)]
    single = [(field,) for each in fields for field in each]
    both = [pair for one, other in combinations(fields, 2) for pair in product(one, other)]
    return (*[()] * len(single), *single, *both)


def _one_of(*kinds: Sequence[E]) -> st.SearchStrategy[E]:
    """A value of each kind equally often, by a single draw: `|` needs three of them, which are most of its time."""
    most = max(map(len, kinds))
    return st.sampled_from([each for kind in kinds for each in list(kind) * (most // len(kind))])


def _entries(user_id: UUID) -> st.SearchStrategy[Contact | None]:
    """No entry, a tombstone, or a contact."""
    fields = product(("a", "b", "ü"), (b"", b"K" * 32, b"\x05" + b"L" * 32), _STAMPS, _unknown(6))
    live = [Contact(user_id, name, key, stamp, unknown=unknown) for name, key, stamp, unknown in fields]
    return _one_of([None], [tombstone(user_id, stamp) for stamp in _STAMPS], live)


def _component(device_id: bytes) -> st.SearchStrategy[Writer | None]:
    return _one_of([None], [Writer(device_id, seq, more) for seq, more in product((1, 2, 3), _unknown(3))])


def _present(entries: tuple[E | None, ...]) -> tuple[E, ...]:
    return tuple(entry for entry in entries if entry is not None)


_identities = st.sampled_from([replace(IDENTITY, unknown=unknown) for unknown in _unknown(4)])
_contacts = st.tuples(*map(_entries, (UUID(int=1), UUID(int=2), ALICE, BOB))).map(_present)
_profiles = _one_of(
    [None], [Profile(name, b"D" * 32, stamp, unknown) for name, stamp, unknown in product("xy", _STAMPS, _unknown(4))]
)
_writers = st.tuples(*map(_component, (LAPTOP, PHONE))).map(_present)
_backups = st.builds(
    Backup,
    identity=_identities,
    contacts=_contacts,
    profile=_profiles,
    writers=_writers,
    key_epoch=st.integers(0, 3),
    sealed_at_ms=st.integers(0, 3),
    device_name=st.sampled_from(["", "phone", "laptop"]),
    unknown=st.sampled_from(_unknown(8)),
)


def backups() -> st.SearchStrategy[Backup]:
    """Any content of one identity, also with entries that other versions wrote."""
    return _backups
