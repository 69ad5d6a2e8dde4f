"""What a backup holds. Plain values; `codec` checks them and `merge` joins them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    # (field number, encoding with tags) of what this version does not know, in ascending order of number.
    UnknownFields = tuple[tuple[int, bytes], ...]

IDENTITY_KEY_BYTES = 32
# libsignal writes a public key with one type byte in front; both forms are in use, and neither is rewritten.
PUBLIC_KEY_LENGTHS = (32, 33)
DEVICE_ID_BYTES = 16
USER_ID_BYTES = 16
MAX_NAME_BYTES = 256
MAX_USERNAME_BYTES = 1024
# The form of a contact's key is the messenger's business; this leaves room for post-quantum ones.
MAX_CONTACT_KEY_BYTES = 4096
MAX_DECRYPTION_KEY_BYTES = 128
# Live ones, in a backup that is being written.
MAX_LIVE_CONTACTS = 20_000
# Entries, live and removed, in one that is read: devices that were each within the limit may together be beyond it, and
# tombstones are never purged. Far more than fits into what a server takes; it bounds the work and the memory.
MAX_ENTRIES = 200_000
MAX_WRITERS = 4096
# Clients whose numbers are IEEE doubles must read every integer without loss.
MAX_INTEGER = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Identity:
    """The key pair that other users know this user by, and how many times it was replaced."""

    public_key: bytes
    private_key: bytes = field(repr=False)
    epoch: int
    unknown: UnknownFields = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Contact:
    """One entry of the contacts map; a removed one keeps its user id and its stamp and nothing else."""

    user_id: UUID
    username: str
    identity_key: bytes
    stamp_ms: int
    removed: bool = False
    unknown: UnknownFields = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Profile:
    """Where the current avatar is and what opens it; an empty `attachment_id` means that it was cleared."""

    attachment_id: str
    decryption_key: bytes = field(repr=False)
    stamp_ms: int
    unknown: UnknownFields = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Writer:
    """One component of the version vector: the latest sealing by a device that is merged in."""

    device_id: bytes
    seq: int
    unknown: UnknownFields = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Backup:
    """The whole content. `contacts` and `writers` are sorted by id, with one entry for each."""

    identity: Identity
    contacts: tuple[Contact, ...] = ()
    profile: Profile | None = None
    writers: tuple[Writer, ...] = ()
    key_epoch: int = 0
    sealed_at_ms: int = 0
    device_name: str = ""
    unknown: UnknownFields = field(default=(), repr=False)

    @property
    def live_contacts(self) -> tuple[Contact, ...]:
        """The contacts that were not removed, in order of their user ids."""
        return tuple(contact for contact in self.contacts if not contact.removed)

    @property
    def vector(self) -> Mapping[bytes, int]:
        """The version vector: device id to seq."""
        return {writer.device_id: writer.seq for writer in self.writers}
