"""The content of a backup as plain values. `rules` checks them, `codec` encodes them and `merge` merges them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    # (field number, encoding with tags) of what this version does not know, in ascending order of number.
    UnknownFields = tuple[tuple[int, bytes], ...]

IDENTITY_KEY_BYTES = 32
# libsignal puts one type byte before a public key. Both forms are in use and are kept as they are.
PUBLIC_KEY_LENGTHS = (32, 33)
DEVICE_ID_BYTES = 16
USER_ID_BYTES = 16
MAX_NAME_BYTES = 256
MAX_USERNAME_BYTES = 1024
# The messenger defines the format of a contact's key. This leaves room for post-quantum keys.
MAX_CONTACT_KEY_BYTES = 4096
MAX_DECRYPTION_KEY_BYTES = 128
# Contacts that were not removed, in a backup that is being written.
MAX_LIVE_CONTACTS = 20_000
# Entries, including removed ones, in a backup that is read. Devices within the limit may exceed it together, and
# removed entries are never purged. More than any server accepts; it bounds work and memory.
MAX_ENTRIES = 200_000
MAX_WRITERS = 4096
# Clients whose numbers are IEEE doubles can represent every integer up to this one.
MAX_INTEGER = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Identity:
    """The user's identity key pair; `epoch` counts how often it was replaced."""

    public_key: bytes
    private_key: bytes = field(repr=False)
    epoch: int
    unknown: UnknownFields = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Contact:
    """One contact. A removed one keeps only its user id and the time of its removal.

    Attributes:
        user_id: of the contact.
        username: 1 to 1024 bytes of UTF-8; empty if removed.
        identity_key: public key, at most 4096 bytes; empty if unknown or removed.
        stamp_ms: time of the last edit, milliseconds since 1970.
        removed: whether the contact was removed.
        unknown: fields of later versions.
        encoded: the canonical encoding, kept by `codec` once the entry was checked. `replace` does not copy it.
    """

    user_id: UUID
    username: str
    identity_key: bytes
    stamp_ms: int
    removed: bool = False
    unknown: UnknownFields = field(default=(), repr=False)
    encoded: bytes | None = field(default=None, init=False, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Profile:
    """Reference to the current avatar and its decryption key; an empty `attachment_id` means that it was cleared."""

    attachment_id: str
    decryption_key: bytes = field(repr=False)
    stamp_ms: int
    unknown: UnknownFields = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Writer:
    """One component of the version vector: the number of a device's latest sealing that is merged here."""

    device_id: bytes
    seq: int
    unknown: UnknownFields = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class ContactTotals:
    """Facts about all contacts: how many are live, how many were removed, and the highest stamp (0 for none)."""

    live: int
    removed: int
    highest_stamp_ms: int


@dataclass(frozen=True, slots=True)
class Backup:
    """The whole content. `contacts` and `writers` are sorted by id, with one entry per id.

    Computed values are kept in the object, because it is immutable. `replace` does not copy them.
    """

    identity: Identity
    contacts: tuple[Contact, ...] = ()
    profile: Profile | None = None
    writers: tuple[Writer, ...] = ()
    key_epoch: int = 0
    sealed_at_ms: int = 0
    device_name: str = ""
    unknown: UnknownFields = field(default=(), repr=False)
    encoded: bytes | None = field(default=None, init=False, compare=False, repr=False)
    """The canonical encoding, kept by `codec` once the content was checked."""
    digest: bytes | None = field(default=None, init=False, compare=False, repr=False)
    """What `codec.content_sha256` returned."""
    encoded_contacts: bytes | None = field(default=None, init=False, compare=False, repr=False)
    """The contacts' part of the encoding, kept by `codec` once they were checked."""
    encoded_by_id: Mapping[bytes, bytes] | None = field(default=None, init=False, compare=False, repr=False)
    """Each contact's encoding by the bytes of its user id, kept by `entries`: one scan serves an edit's look-ups."""
    totals: ContactTotals | None = field(default=None, init=False, compare=False, repr=False)
    """What `contact_totals` returned."""
    build_contacts: Callable[[], tuple[Contact, ...]] | None = field(
        default=None, init=False, compare=False, repr=False
    )
    """Set by `defer_contacts`."""

    def defer_contacts(
        self, build: Callable[[], tuple[Contact, ...]], totals: ContactTotals, encoded_contacts: bytes
    ) -> None:
        """Build the contacts when they are first read: many operations only count, compare and copy them.

        Only for the code that has just created this object. `build` returns the contacts.
        """
        object.__setattr__(self, "build_contacts", build)
        object.__setattr__(self, "totals", totals)
        object.__setattr__(self, "encoded_contacts", encoded_contacts)
        object.__delattr__(self, "contacts")

    def without_contacts(self, **changes: Any) -> Backup:
        """A copy without contacts, and with these fields changed."""
        return Backup(**{name: getattr(self, name) for name in _BESIDE_CONTACTS} | changes)

    def with_same_contacts(self, **changes: Any) -> Backup:
        """A copy with these fields changed. Unlike `replace`, it neither builds nor encodes the contacts again."""
        copy = self.without_contacts(**changes)
        if self.build_contacts is None or self.totals is None or self.encoded_contacts is None:
            object.__setattr__(copy, "contacts", self.contacts)
            object.__setattr__(copy, "totals", self.totals)
            object.__setattr__(copy, "encoded_contacts", self.encoded_contacts)
        else:
            copy.defer_contacts(lambda: self.contacts, self.totals, self.encoded_contacts)
        return copy

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> tuple[Contact, ...]:
            """Build the deferred contacts. Python calls this only for an attribute that is not set."""
            if name != "contacts" or self.build_contacts is None:
                raise AttributeError(name)
            contacts = self.build_contacts()
            object.__setattr__(self, "contacts", contacts)
            object.__setattr__(self, "build_contacts", None)
            return contacts

    @property
    def live_contacts(self) -> tuple[Contact, ...]:
        """The contacts that were not removed, in order of their user ids."""
        return tuple(contact for contact in self.contacts if not contact.removed)

    @property
    def contact_totals(self) -> ContactTotals:
        """Counts of the contacts, and their highest stamp."""
        if self.totals is None:
            removed = sum(contact.removed for contact in self.contacts)
            highest = max((contact.stamp_ms for contact in self.contacts), default=0)
            object.__setattr__(self, "totals", ContactTotals(len(self.contacts) - removed, removed, highest))
        return self.totals or ContactTotals(0, 0, 0)

    @property
    def contact_count(self) -> int:
        """The number of contacts that were not removed."""
        return self.contact_totals.live

    @property
    def vector(self) -> Mapping[bytes, int]:
        """The version vector: device id to seq."""
        return {writer.device_id: writer.seq for writer in self.writers}


_BESIDE_CONTACTS = tuple(each.name for each in fields(Backup) if each.init and each.name != "contacts")
