"""Reading an exported payload strictly: an error names its place, and nothing is imported."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from obscura_backup_client.content.errors import PayloadError
from obscura_backup_client.content.generated.obscura.backup.v1 import backup_pb2 as pb
from obscura_backup_client.content.model import (
    DEVICE_ID_BYTES,
    IDENTITY_KEY_BYTES,
    MAX_ENTRIES,
    Backup,
    Contact,
    Identity,
    Profile,
    Writer,
)
from obscura_backup_client.content.protobuf_wire import MalformedWireError, split_fields
from obscura_backup_client.content.rules import check
from obscura_backup_client.formats.errors import ExportRefused
from obscura_backup_client.formats.export_writing import FORMAT, VERSION
from obscura_backup_client.strict_json import REQUIRED, JsonError, JsonObject, parse

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from google.protobuf.message import Message

    from obscura_backup_client.content.model import UnknownFields

# Several times the size of the largest backup. These limits bound the memory that a malicious file can take: empty
# objects take 25 times their bytes in memory. An entry has at most two objects; names hold few brackets.
MAX_EXPORT_BYTES: Final = 64 * 1024 * 1024
MAX_BRACKETS: Final = 3 * MAX_ENTRIES
# Members and list items also take many times their bytes. An entry has six members, and unknown fields.
MAX_MEMBERS: Final = 8 * MAX_ENTRIES

# Merging never lowers a counter or a stamp, on any device: counters only grow, and each edit is stamped above all
# others. The format allows values below 2^53. From a file, only values that a device can reach in use are accepted.
MAX_IMPORTED_COUNTER: Final = 2**31
MAX_AHEAD_MS: Final = 10 * 365 * 24 * 60 * 60 * 1000

_NO_IDENTITY: Final = Identity(bytes(IDENTITY_KEY_BYTES), bytes(IDENTITY_KEY_BYTES), 0)


@dataclass(frozen=True, slots=True)
class ParsedExport:
    """The content of an export. Entries without the time of their edit are separate, with stamp 0."""

    dated: Backup
    has_identity: bool
    undated_contacts: tuple[Contact, ...] = ()
    undated_profile: Profile | None = field(default=None)


def decode_payload(encoded: bytes, *, now_ms: int | None = None) -> ParsedExport:
    """Decode and check an export.

    Args:
        encoded: JSON text, at most 64 MiB.
        now_ms: the time, where the content is to be merged: stamps over ten years later and counters over 2^31 are
            refused then, because no edit, sealing or change of the password could ever count on from the highest.

    Raises:
        ExportRefused: it is not an export, or breaks a rule of the payload format.
    """
    if len(encoded) > MAX_EXPORT_BYTES:
        raise ExportRefused(f"it has more than {MAX_EXPORT_BYTES} bytes")
    members = max(encoded.count(b":"), encoded.count(b","))
    if encoded.count(b"{") + encoded.count(b"[") > MAX_BRACKETS or members > MAX_MEMBERS:
        raise ExportRefused("it has more members than a backup can hold")
    try:
        return _read(JsonObject(parse(encoded)), now_ms)
    except JsonError as error:
        raise ExportRefused(f"it {error.problem}", error.location) from None


def _read(document: JsonObject, now_ms: int | None) -> ParsedExport:
    if document.take("format") != FORMAT:
        raise ExportRefused("it is not an exported payload", "format")
    if document.count("version") != VERSION:
        raise ExportRefused("this version of the client does not know it", "version")
    identity = document.inner_or_none("identity")
    contacts = [_contact(each, now_ms) for each in document.objects("contacts")]
    _require_once([contact.user_id for contact, _ in contacts])
    profile = document.inner_or_none("profile")
    read_profile, profile_is_dated = (None, True) if profile is None else _profile(profile, now_ms)
    writers = [_writer(each, now_ms) for each in document.objects("writers")]
    dated = _checked(
        "",
        identity=_NO_IDENTITY if identity is None else _identity(identity, now_ms),
        contacts=_sorted_by_id(contact for contact, is_dated in contacts if is_dated),
        profile=read_profile if profile_is_dated else None,
        writers=tuple(sorted(writers, key=lambda writer: writer.device_id)),
        key_epoch=_counter(document, "key_epoch", now_ms),
        sealed_at_ms=_stamp(document, "sealed_at_ms", now_ms),
        device_name=document.text("device_name"),
        unknown=_unknown(document, pb.Backup),
    )
    document.end()
    return ParsedExport(
        dated=dated,
        has_identity=identity is not None,
        undated_contacts=_sorted_by_id(contact for contact, is_dated in contacts if not is_dated),
        undated_profile=None if profile_is_dated else read_profile,
    )


def _identity(found: JsonObject, now_ms: int | None) -> Identity:
    identity = Identity(
        found.base64("public_key"),
        found.base64("private_key"),
        _counter(found, "epoch", now_ms),
        _unknown(found, pb.IdentityKeyPair),
    )
    found.end()
    return _checked(found.location, identity=identity).identity


def _contact(found: JsonObject, now_ms: int | None) -> tuple[Contact, bool]:
    removed = found.flag("removed", default=False)
    is_dated = "edited_at_ms" in found.names()
    contact = Contact(
        user_id=found.user_id("user_id"),
        username=found.text("username", default="" if removed else REQUIRED),
        identity_key=found.base64("identity_key", default=""),
        stamp_ms=_stamp(found, "edited_at_ms", now_ms, default=0),
        removed=removed,
        unknown=_unknown(found, pb.Contact),
    )
    found.end()
    return _checked(found.location, contacts=(contact,)).contacts[0], is_dated


def _profile(found: JsonObject, now_ms: int | None) -> tuple[Profile, bool]:
    is_dated = "edited_at_ms" in found.names()
    profile = Profile(
        found.text("attachment_id"),
        found.base64("decryption_key"),
        _stamp(found, "edited_at_ms", now_ms, default=0),
        _unknown(found, pb.ProfileReference),
    )
    found.end()
    _checked(found.location, profile=profile)
    return profile, is_dated


def _writer(found: JsonObject, now_ms: int | None) -> Writer:
    writer = Writer(found.hex("device_id", DEVICE_ID_BYTES), _counter(found, "seq", now_ms), _unknown(found, pb.Writer))
    found.end()
    return _checked(found.location, writers=(writer,)).writers[0]


def _counter(found: JsonObject, name: str, now_ms: int | None) -> int:
    value = found.count(name)
    if now_ms is not None and value > MAX_IMPORTED_COUNTER:
        raise JsonError(f"is over {MAX_IMPORTED_COUNTER}, more than a device can count up to", found.at(name))
    return value


def _stamp(found: JsonObject, name: str, now_ms: int | None, default: object = REQUIRED) -> int:
    value = found.count(name, default)
    if now_ms is not None and value > now_ms + MAX_AHEAD_MS:
        raise JsonError("is more than ten years ahead of this device's clock", found.at(name))
    return value


def _unknown(found: JsonObject, known: type[Message]) -> UnknownFields:
    """The fields that are not in this version's schema; each must be the encoding of the field that names it."""
    members = found.inner("unknown_fields", default={})
    fields = []
    for name in members.names():
        encoded, place = members.base64(name), members.at(name)
        try:
            _, ((number, _), *others) = split_fields(encoded, {})
        except (MalformedWireError, ValueError):
            raise JsonError("is not the encoding of a field", place) from None
        if others or str(number) != name:
            raise JsonError("is the encoding of another field", place)
        if number in known.DESCRIPTOR.fields_by_number:
            raise JsonError("is a known field, which has a member of its own", place)
        fields.append((number, encoded))
    return tuple(sorted(fields))


def _checked(location: str, **parts: Any) -> Backup:
    """A backup of these parts alone, after the payload format's own checks: there is one set of rules."""
    backup = Backup(**{"identity": _NO_IDENTITY, **parts})
    try:
        check(backup)
    except PayloadError as error:
        raise ExportRefused(error.reason, location) from None
    return backup


def _sorted_by_id(contacts: Iterable[Contact]) -> tuple[Contact, ...]:
    return tuple(sorted(contacts, key=lambda contact: contact.user_id.bytes))


def _require_once(user_ids: list[UUID]) -> None:
    seen: dict[UUID, int] = {}
    for index, user_id in enumerate(user_ids):
        first = seen.setdefault(user_id, index)
        if first != index:
            raise ExportRefused(f"contacts[{first}] has the same one", f"contacts[{index}].user_id")
