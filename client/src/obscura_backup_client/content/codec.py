"""A backup's content to Protobuf bytes and back: deterministic, strict, and keeping what it does not know.

The encoding is part of the merge rules (ties fall by encoded bytes), so that it is spelled out in `docs/format.md` and
not left to whatever a Protobuf runtime happens to do.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from google.protobuf.message import DecodeError, Message

from obscura_backup_client.content import model
from obscura_backup_client.content.errors import PayloadError, TooManyContacts
from obscura_backup_client.content.generated.obscura.backup.v1 import backup_pb2 as pb
from obscura_backup_client.content.protobuf_wire import MalformedWireError, WireType, split_fields, unknown_fields

if TYPE_CHECKING:
    from collections.abc import Iterable

M = TypeVar("M", bound=Message)

_VARINT, _LENGTH = WireType.VARINT, WireType.LENGTH
_BACKUP = {1: _LENGTH, 2: _LENGTH, 3: _LENGTH, 4: _LENGTH, 5: _VARINT, 6: _VARINT, 7: _LENGTH}
_IDENTITY = {1: _LENGTH, 2: _LENGTH, 3: _VARINT}
_CONTACT = {1: _LENGTH, 2: _LENGTH, 3: _LENGTH, 4: _VARINT, 5: _VARINT}
_PROFILE = {1: _LENGTH, 2: _LENGTH, 3: _VARINT}
_WRITER = {1: _LENGTH, 2: _VARINT}


def encode(backup: model.Backup) -> bytes:
    """The canonical encoding: the same content gives the same bytes, in every implementation.

    Raises:
        PayloadError: when the content breaks a rule of the format, so that nothing is sealed that cannot be opened.
    """
    check(backup)
    head = pb.Backup(
        key_epoch=backup.key_epoch, sealed_at_ms=backup.sealed_at_ms, device_name=backup.device_name
    ).SerializeToString(deterministic=True)
    parts = [_field(1, encode_identity(backup.identity))]
    parts += [_field(2, encode_contact(contact)) for contact in backup.contacts]
    parts += [] if backup.profile is None else [_field(3, encode_profile(backup.profile))]
    parts += [_field(4, encode_writer(writer)) for writer in backup.writers]
    return b"".join([*parts, head, _tail(backup.unknown)])


def encode_identity(identity: model.Identity) -> bytes:
    """The canonical encoding of the key pair, private key included."""
    message = pb.IdentityKeyPair(public_key=identity.public_key, private_key=identity.private_key, epoch=identity.epoch)
    return message.SerializeToString(deterministic=True) + _tail(identity.unknown)


def encode_contact(contact: model.Contact) -> bytes:
    """The canonical encoding of one entry, by which ties are decided."""
    message = pb.Contact(
        user_id=contact.user_id.bytes,
        username=contact.username,
        identity_key=contact.identity_key,
        stamp_ms=contact.stamp_ms,
        removed=contact.removed,
    )
    return message.SerializeToString(deterministic=True) + _tail(contact.unknown)


def encode_profile(profile: model.Profile) -> bytes:
    """The canonical encoding of the profile reference, by which ties are decided."""
    message = pb.ProfileReference(
        attachment_id=profile.attachment_id, decryption_key=profile.decryption_key, stamp_ms=profile.stamp_ms
    )
    return message.SerializeToString(deterministic=True) + _tail(profile.unknown)


def encode_writer(writer: model.Writer) -> bytes:
    """The canonical encoding of one component of the version vector."""
    message = pb.Writer(device_id=writer.device_id, seq=writer.seq)
    return message.SerializeToString(deterministic=True) + _tail(writer.unknown)


def decode(payload: bytes) -> model.Backup:
    """The content of a payload, checked; contacts and writers come back sorted.

    Raises:
        PayloadError: not a payload, or one that breaks a rule of the format. Its text quotes nothing of the content.
    """
    try:
        parts, unknown = split_fields(payload, _BACKUP)
        identities, contacts, profiles, writers = parts[1], parts[2], parts[3], parts[4]
        # Counted before each is looked at, and before the runtime makes objects of a hundred times their size.
        _check_counts(len(contacts), len(writers))
        message = _parse(pb.Backup, payload)
        if not identities:
            raise PayloadError("there is no identity in it")
        backup = model.Backup(
            # Protobuf's own rule for a message field that occurs twice is that the parts merge, as if joined.
            identity=_identity(b"".join(identities)),
            contacts=tuple(sorted(map(_contact, contacts), key=lambda contact: contact.user_id.bytes)),
            profile=_profile(b"".join(profiles)) if profiles else None,
            writers=tuple(sorted(map(_writer, writers), key=lambda writer: writer.device_id)),
            key_epoch=message.key_epoch,
            sealed_at_ms=message.sealed_at_ms,
            device_name=message.device_name,
            unknown=unknown,
        )
    except (DecodeError, MalformedWireError) as error:
        # The runtime's own words may quote the content, so that they stay out of the message and of the chain.
        raise PayloadError(f"it is not a Protobuf message of this kind ({type(error).__name__})") from None
    check(backup)
    return backup


def require_writable(backup: model.Backup) -> None:
    """Check the one rule that holds for what is sealed and not for what is read or kept.

    Raises:
        TooManyContacts: over 20,000 live ones. Merging may lead here, and removing some of them leads out.
    """
    count = len(backup.live_contacts)
    if count > model.MAX_LIVE_CONTACTS:
        raise TooManyContacts(count, model.MAX_LIVE_CONTACTS)


def check(backup: model.Backup) -> None:
    """Check every rule of the format that a type cannot express, except `require_writable`'s.

    Raises:
        PayloadError: names the first rule that is broken.
    """
    _check_identity(backup.identity)
    _check_counts(len(backup.contacts), len(backup.writers))
    for contact in backup.contacts:
        _check_contact(contact)
    for writer in backup.writers:
        _require(len(writer.device_id) == model.DEVICE_ID_BYTES, "a device id is not 16 bytes long")
        _require(1 <= writer.seq <= model.MAX_INTEGER, "a writer's seq is out of range")
    _require(_ascending(contact.user_id.bytes for contact in backup.contacts), "a contact is in it twice")
    _require(_ascending(writer.device_id for writer in backup.writers), "a writer is in it twice")
    if backup.profile is not None:
        _check_profile(backup.profile)
    for name, value in (("key_epoch", backup.key_epoch), ("sealed_at_ms", backup.sealed_at_ms)):
        _require(0 <= value <= model.MAX_INTEGER, f"{name} is out of range")
    _require(_fits(backup.device_name), f"the device name is over {model.MAX_NAME_BYTES} bytes")


def _check_counts(entries: int, writers: int) -> None:
    _require(entries <= model.MAX_ENTRIES, f"it has more than {model.MAX_ENTRIES} entries")
    _require(writers <= model.MAX_WRITERS, f"it has more than {model.MAX_WRITERS} writers")


def _check_identity(identity: model.Identity) -> None:
    _require(len(identity.public_key) in model.PUBLIC_KEY_LENGTHS, "the public identity key has a wrong length")
    _require(len(identity.private_key) == model.IDENTITY_KEY_BYTES, "the private identity key has a wrong length")
    _require(0 <= identity.epoch <= model.MAX_INTEGER, "the identity's epoch is out of range")


def _check_contact(contact: model.Contact) -> None:
    _require(0 <= contact.stamp_ms <= model.MAX_INTEGER, "a contact's stamp is out of range")
    if contact.removed:
        _require(not contact.username and not contact.identity_key, "a removed contact still has a name or a key")
        return
    named = bool(contact.username) and _fits(contact.username, model.MAX_USERNAME_BYTES)
    _require(named, f"a username is empty or over {model.MAX_USERNAME_BYTES} bytes")
    _require(len(contact.identity_key) <= model.MAX_CONTACT_KEY_BYTES, "a contact's identity key is too long")


def _check_profile(profile: model.Profile) -> None:
    _require(0 <= profile.stamp_ms <= model.MAX_INTEGER, "the profile's stamp is out of range")
    _require(_fits(profile.attachment_id), f"the attachment id is over {model.MAX_NAME_BYTES} bytes")
    longest = model.MAX_DECRYPTION_KEY_BYTES if profile.attachment_id else 0
    _require(len(profile.decryption_key) <= longest, "the profile's decryption key has a wrong length")


def _require(rule: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as the sentence that it is
    if not rule:
        raise PayloadError(otherwise)


def _fits(text: str, most_bytes: int = model.MAX_NAME_BYTES) -> bool:
    try:
        return len(text.encode()) <= most_bytes
    except UnicodeEncodeError:
        raise PayloadError("a text in it cannot be written as UTF-8") from None


def _ascending(ids: Iterable[bytes]) -> bool:
    return all(before < after for before, after in itertools.pairwise(ids))


def _identity(encoded: bytes) -> model.Identity:
    message = _parse(pb.IdentityKeyPair, encoded)
    unknown = unknown_fields(encoded, _IDENTITY)
    return model.Identity(message.public_key, message.private_key, message.epoch, unknown)


def _contact(encoded: bytes) -> model.Contact:
    message = _parse(pb.Contact, encoded)
    _require(len(message.user_id) == model.USER_ID_BYTES, "a user id is not 16 bytes long")
    contact = model.Contact(
        user_id=UUID(bytes=message.user_id),
        username=message.username,
        identity_key=message.identity_key,
        stamp_ms=message.stamp_ms,
        removed=message.removed,
    )
    # Mostly nothing is left, or what a later version added; looking at the fields one by one takes four times as long.
    rest = encoded.removeprefix(encode_contact(contact))
    return replace(contact, unknown=unknown_fields(rest, _CONTACT)) if rest else contact


def _profile(encoded: bytes) -> model.Profile:
    message = _parse(pb.ProfileReference, encoded)
    unknown = unknown_fields(encoded, _PROFILE)
    return model.Profile(message.attachment_id, message.decryption_key, message.stamp_ms, unknown)


def _writer(encoded: bytes) -> model.Writer:
    message = _parse(pb.Writer, encoded)
    return model.Writer(message.device_id, message.seq, unknown_fields(encoded, _WRITER))


def _parse(kind: type[M], encoded: bytes) -> M:
    message = kind()
    message.ParseFromString(encoded)
    return message


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field."""
    length, encoded = len(content), bytearray([number << 3 | _LENGTH])
    while length > 0x7F:  # noqa: PLR2004 - a varint carries seven bits in a byte
        encoded.append(length & 0x7F | 0x80)
        length >>= 7
    encoded.append(length)
    return bytes(encoded) + content


def _tail(unknown: Iterable[tuple[int, bytes]]) -> bytes:
    return b"".join(encoded for _, encoded in unknown)
