"""Encodes a backup's content as Protobuf, and decodes it: deterministic, strict, and without losing unknown fields.

Merging breaks ties by encoded bytes. `docs/format.md` therefore specifies the encoding, instead of leaving it to a
Protobuf runtime.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from google.protobuf.message import DecodeError, Message

from obscura_backup_client.content import model
from obscura_backup_client.content.errors import PayloadError
from obscura_backup_client.content.generated.obscura.backup.v1 import backup_pb2 as pb
from obscura_backup_client.content.protobuf_wire import (
    CONTINUATION,
    MalformedWireError,
    WireType,
    split_fields,
    unknown_fields,
    varint,
)
from obscura_backup_client.content.rules import (
    are_ascending,
    check,
    check_contact,
    check_counts,
    contact_order,
    require,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

M = TypeVar("M", bound=Message)

_VARINT, _LENGTH = WireType.VARINT, WireType.LENGTH
_BACKUP = {1: _LENGTH, 2: _LENGTH, 3: _LENGTH, 4: _LENGTH, 5: _VARINT, 6: _VARINT, 7: _LENGTH}
_IDENTITY = {1: _LENGTH, 2: _LENGTH, 3: _VARINT}
_CONTACT = {1: _LENGTH, 2: _LENGTH, 3: _LENGTH, 4: _VARINT, 5: _VARINT}
_PROFILE = {1: _LENGTH, 2: _LENGTH, 3: _VARINT}
_WRITER = {1: _LENGTH, 2: _VARINT}
# The first byte of a contact's tag, and of a writer's: in the shortest encoding, and in longer ones.
_ENTRY_TAGS = ((b"\x12", b"\x92"), (b"\x22", b"\xa2"))


def encode(backup: model.Backup) -> bytes:
    """The canonical encoding: the same content gives the same bytes, in every implementation.

    Computed once per value, and once per contact that several values share.

    Raises:
        PayloadError: the content breaks a rule of the format. Nothing is sealed that cannot be opened.
    """
    if backup.encoded is None:
        check(backup)
        _keep(backup, "encoded", _encode(backup))
    return backup.encoded or b""


def content_sha256(backup: model.Backup) -> bytes:
    """SHA-256 over everything but the fields that each sealing changes: writers, time and device name.

    Raises:
        PayloadError: as `encode`.
    """
    if backup.digest is None:
        encode(backup)
        lasting = backup.with_same_contacts(writers=(), sealed_at_ms=0, device_name="")
        _keep(backup, "digest", hashlib.sha256(_encode(lasting)).digest())
    return backup.digest or b""


def _encode(backup: model.Backup) -> bytes:
    if backup.encoded_contacts is None:
        for contact in backup.contacts:
            _keep(contact, "encoded", encode_contact(contact))
        _keep(backup, "encoded_contacts", length_delimited(2, map(encode_contact, backup.contacts)))
    identity = length_delimited(1, [encode_identity(backup.identity)])
    profile = length_delimited(3, [] if backup.profile is None else [encode_profile(backup.profile)])
    writers = length_delimited(4, map(encode_writer, backup.writers))
    scalars = pb.Backup(
        key_epoch=backup.key_epoch, sealed_at_ms=backup.sealed_at_ms, device_name=backup.device_name
    ).SerializeToString(deterministic=True)
    return b"".join((identity, backup.encoded_contacts or b"", profile, writers, scalars, _tail(backup.unknown)))


def _keep(value: model.Backup | model.Contact, name: str, computed: bytes) -> None:
    """Keep a computed value in an immutable object."""
    object.__setattr__(value, name, computed)


def encode_identity(identity: model.Identity) -> bytes:
    """The canonical encoding of the key pair, private key included."""
    message = pb.IdentityKeyPair(public_key=identity.public_key, private_key=identity.private_key, epoch=identity.epoch)
    return message.SerializeToString(deterministic=True) + _tail(identity.unknown)


def encode_contact(contact: model.Contact) -> bytes:
    """The canonical encoding of one entry, which breaks ties between entries."""
    if contact.encoded is not None:
        return contact.encoded
    message = pb.Contact(
        user_id=contact.user_id.bytes,
        username=contact.username,
        identity_key=contact.identity_key,
        stamp_ms=contact.stamp_ms,
        removed=contact.removed,
    )
    return message.SerializeToString(deterministic=True) + _tail(contact.unknown)


def encode_profile(profile: model.Profile) -> bytes:
    """The canonical encoding of the profile reference, which breaks ties."""
    message = pb.ProfileReference(
        attachment_id=profile.attachment_id, decryption_key=profile.decryption_key, stamp_ms=profile.stamp_ms
    )
    return message.SerializeToString(deterministic=True) + _tail(profile.unknown)


def encode_writer(writer: model.Writer) -> bytes:
    """The canonical encoding of one component of the version vector."""
    message = pb.Writer(device_id=writer.device_id, seq=writer.seq)
    return message.SerializeToString(deterministic=True) + _tail(writer.unknown)


def decode(payload: bytes) -> model.Backup:
    """Decode and check a payload. Contacts and writers are returned sorted.

    Raises:
        PayloadError: not a payload, or it breaks a rule of the format. The message does not quote the content.
    """
    backup = _decode_canonical(payload)
    return _decode_any(payload) if backup is None else backup


def _decode_canonical(payload: bytes) -> model.Backup | None:
    """Decode a payload in canonical encoding and without unknown fields; returns None for any other payload.

    Clients of the same version write such payloads. Decoding them is several times as fast.
    """
    # Each entry begins with such a tag. The runtime's objects take a hundred times the size of an empty entry.
    if any(sum(map(payload.count, tags)) > model.MAX_ENTRIES for tags in _ENTRY_TAGS):
        return None
    try:
        message = _parse(pb.Backup, payload)
    except DecodeError:
        return None
    message.DiscardUnknownFields()
    contacts, profile = message.contacts, message.profile
    if not message.HasField("identity") or message.SerializeToString(deterministic=True) != payload:
        return None
    check_counts(len(contacts), len(message.writers))
    if not are_ascending([contact.user_id for contact in contacts]):
        return None
    if not are_ascending([writer.device_id for writer in message.writers]):
        return None
    backup = model.Backup(
        identity=model.Identity(message.identity.public_key, message.identity.private_key, message.identity.epoch),
        profile=model.Profile(profile.attachment_id, profile.decryption_key, profile.stamp_ms)
        if message.HasField("profile")
        else None,
        writers=tuple(model.Writer(writer.device_id, writer.seq) for writer in message.writers),
        key_epoch=message.key_epoch,
        sealed_at_ms=message.sealed_at_ms,
        device_name=message.device_name,
    )
    removed_count = highest_stamp_ms = 0
    for contact in contacts:
        require(len(contact.user_id) == model.USER_ID_BYTES, "a user id is not 16 bytes long")
        check_contact(contact.username, contact.identity_key, contact.stamp_ms, removed=contact.removed)
        removed_count += contact.removed
        highest_stamp_ms = max(highest_stamp_ms, contact.stamp_ms)
    check(backup)
    others = _encode(backup)
    start = len(length_delimited(1, [encode_identity(backup.identity)]))
    encoded_contacts = payload[start : start + len(payload) - len(others)]
    backup.defer_contacts(
        lambda: tuple(map(_canonical_contact, contacts, contents(encoded_contacts))),
        model.ContactTotals(len(contacts) - removed_count, removed_count, highest_stamp_ms),
        encoded_contacts,
    )
    _keep(backup, "encoded", payload)
    return backup


def _canonical_contact(message: pb.Contact, encoded: bytes) -> model.Contact:
    contact = model.Contact(
        UUID(bytes=message.user_id), message.username, message.identity_key, message.stamp_ms, message.removed
    )
    _keep(contact, "encoded", encoded)
    return contact


def kept_contact(encoded: bytes) -> model.Contact:
    """Decode a contact's canonical encoding, which has been checked before."""
    contact = _contact(encoded)
    _keep(contact, "encoded", encoded)
    return contact


def contents(encoded: bytes) -> Iterator[bytes]:
    """The contents of canonical length-delimited fields with tags of one byte."""
    at, size = 0, len(encoded)
    while at < size:
        length, start = encoded[at + 1], at + 2
        if length >= CONTINUATION:
            length, start = varint(encoded, at + 1)
        at = start + length
        yield encoded[start:at]


def _decode_any(payload: bytes) -> model.Backup:
    """Decode any payload, field by field."""
    try:
        parts, unknown = split_fields(payload, _BACKUP)
        identities, contacts, profiles, writers = parts[1], parts[2], parts[3], parts[4]
        # Counted before the runtime makes objects of a hundred times their size.
        check_counts(len(contacts), len(writers))
        message = _parse(pb.Backup, payload)
        if not identities:
            raise PayloadError("it has no identity")
        backup = model.Backup(
            # Protobuf merges the parts of a message field that occurs twice, as if they were concatenated.
            identity=_identity(b"".join(identities)),
            contacts=tuple(sorted(map(_contact, contacts), key=contact_order)),
            profile=_profile(b"".join(profiles)) if profiles else None,
            writers=tuple(sorted(map(_writer, writers), key=lambda writer: writer.device_id)),
            key_epoch=message.key_epoch,
            sealed_at_ms=message.sealed_at_ms,
            device_name=message.device_name,
            unknown=unknown,
        )
    except (DecodeError, MalformedWireError) as error:
        # The runtime's message may quote the content, so it is neither repeated nor chained.
        raise PayloadError(f"it is not a Protobuf message of this kind ({type(error).__name__})") from None
    check(backup)
    return backup


def _identity(encoded: bytes) -> model.Identity:
    message = _parse(pb.IdentityKeyPair, encoded)
    unknown = unknown_fields(encoded, _IDENTITY)
    return model.Identity(message.public_key, message.private_key, message.epoch, unknown)


def _contact(encoded: bytes) -> model.Contact:
    message = _parse(pb.Contact, encoded)
    require(len(message.user_id) == model.USER_ID_BYTES, "a user id is not 16 bytes long")
    contact = model.Contact(
        user_id=UUID(bytes=message.user_id),
        username=message.username,
        identity_key=message.identity_key,
        stamp_ms=message.stamp_ms,
        removed=message.removed,
    )
    # Usually nothing is left, or fields of a later version. Parsing all fields takes four times as long.
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


def length_delimited(number: int, contents: Iterable[bytes]) -> bytes:
    """Encode each content as a length-delimited field with this number."""
    parts: list[bytes] = []
    for content in contents:
        parts.append(_tag_and_length(number, len(content)))
        parts.append(content)
    return b"".join(parts)


@lru_cache(maxsize=1024)
def _tag_and_length(number: int, length: int) -> bytes:
    encoded = bytearray([number << 3 | _LENGTH])
    while length > 0x7F:  # noqa: PLR2004 - a varint carries seven bits in a byte
        encoded.append(length & 0x7F | 0x80)
        length >>= 7
    encoded.append(length)
    return bytes(encoded)


def _tail(unknown: Iterable[tuple[int, bytes]]) -> bytes:
    return b"".join(encoded for _, encoded in unknown)
