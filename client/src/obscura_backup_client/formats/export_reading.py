"""Reading an exported payload strictly: an error names its place, and nothing is imported."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from obscura_backup_client.content.errors import PayloadError
from obscura_backup_client.content.generated.obscura.backup.v1 import backup_pb2 as pb
from obscura_backup_client.content.model import (
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
from obscura_backup_client.content.user_ids import parse_user_id
from obscura_backup_client.formats.errors import ExportRefused
from obscura_backup_client.formats.export_writing import FORMAT, VERSION, base64_text, parse

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from google.protobuf.message import Message

    from obscura_backup_client.content.model import UnknownFields

# Several times what the largest backup comes to. Both bound the memory that another's file can take: empty objects
# alone would come to 25 times their bytes. An entry has two objects at most; brackets in names do not get near that.
MAX_EXPORT_BYTES: Final = 64 * 1024 * 1024
MAX_BRACKETS: Final = 3 * MAX_ENTRIES
# Members and list items, too, come to many times their bytes. An entry has six, and another version's fields.
MAX_MEMBERS: Final = 8 * MAX_ENTRIES

# What is merged can never be lowered again, on any device: every counter only grows, and each edit is stamped above all
# that there are. The format leaves them room up to 2^53; a file is believed as far as a person could get in a lifetime.
MAX_IMPORTED_COUNTER: Final = 2**31
MAX_AHEAD_MS: Final = 10 * 365 * 24 * 60 * 60 * 1000

_MISSING: Final = object()
_NOBODY: Final = Identity(bytes(IDENTITY_KEY_BYTES), bytes(IDENTITY_KEY_BYTES), 0)
# A name that a file brings along is shown in the error, as far as a person needs it to find the place.
_SHOWN_NAME: Final = 40


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
        raise ExportRefused("it has more in it than a backup can hold")
    document = _Object(parse(encoded), "", now_ms)
    if document.take("format") != FORMAT:
        raise ExportRefused("it is not an exported payload", "format")
    if document.count("version") != VERSION:
        raise ExportRefused("this version of the client does not know it", "version")
    identity = document.inner("identity")
    contacts = [_contact(each) for each in document.items("contacts")]
    _require_once([contact.user_id for contact, _ in contacts])
    profile = document.inner("profile")
    read_profile, profile_is_dated = (None, True) if profile is None else _profile(profile)
    dated = _checked(
        "",
        identity=_NOBODY if identity is None else _identity(identity),
        contacts=_sorted_by_id(contact for contact, is_dated in contacts if is_dated),
        profile=read_profile if profile_is_dated else None,
        writers=tuple(sorted(map(_writer, document.items("writers")), key=lambda writer: writer.device_id)),
        key_epoch=document.counter("key_epoch"),
        sealed_at_ms=document.stamp("sealed_at_ms"),
        device_name=document.text("device_name"),
        unknown=document.unknown(pb.Backup),
    )
    document.end()
    return ParsedExport(
        dated=dated,
        has_identity=identity is not None,
        undated_contacts=_sorted_by_id(contact for contact, is_dated in contacts if not is_dated),
        undated_profile=None if profile_is_dated else read_profile,
    )


def _identity(found: _Object) -> Identity:
    identity = Identity(
        found.data("public_key"),
        found.data("private_key"),
        found.counter("epoch"),
        found.unknown(pb.IdentityKeyPair),
    )
    found.end()
    return _checked(found.place, identity=identity).identity


def _contact(found: _Object) -> tuple[Contact, bool]:
    removed = found.take("removed", default=False)
    if not isinstance(removed, bool):
        raise ExportRefused("it is not true or false", found.at("removed"))
    is_dated = found.has("edited_at_ms")
    contact = Contact(
        user_id=_user_id(found.text("user_id"), found.at("user_id")),
        username=found.text("username", default="" if removed else _MISSING),
        identity_key=found.data("identity_key", default=""),
        stamp_ms=found.stamp("edited_at_ms", default=0),
        removed=removed,
        unknown=found.unknown(pb.Contact),
    )
    found.end()
    return _checked(found.place, contacts=(contact,)).contacts[0], is_dated


def _profile(found: _Object) -> tuple[Profile, bool]:
    is_dated = found.has("edited_at_ms")
    profile = Profile(
        found.text("attachment_id"),
        found.data("decryption_key"),
        found.stamp("edited_at_ms", default=0),
        found.unknown(pb.ProfileReference),
    )
    found.end()
    _checked(found.place, profile=profile)
    return profile, is_dated


def _writer(found: _Object) -> Writer:
    text = found.text("device_id")
    try:
        device_id = bytes.fromhex(text)
    except ValueError:
        device_id = b""
    if device_id.hex() != text.lower():
        raise ExportRefused("it is not hex", found.at("device_id"))
    writer = Writer(device_id, found.counter("seq"), found.unknown(pb.Writer))
    found.end()
    return _checked(found.place, writers=(writer,)).writers[0]


def _checked(place: str, **parts: Any) -> Backup:
    """A backup of these parts alone, after the payload format's own checks: there is one set of rules."""
    backup = Backup(**{"identity": _NOBODY, **parts})
    try:
        check(backup)
    except PayloadError as error:
        raise ExportRefused(error.reason, place) from None
    return backup


def _sorted_by_id(contacts: Iterable[Contact]) -> tuple[Contact, ...]:
    return tuple(sorted(contacts, key=lambda contact: contact.user_id.bytes))


def _require_once(user_ids: list[UUID]) -> None:
    seen: dict[UUID, int] = {}
    for index, user_id in enumerate(user_ids):
        first = seen.setdefault(user_id, index)
        if first != index:
            raise ExportRefused(f"it is the one of contacts[{first}], too", f"contacts[{index}].user_id")


def _user_id(text: str, place: str) -> UUID:
    user_id = parse_user_id(text)
    if user_id is None:
        raise ExportRefused("it is not a UUID in its usual form", place)
    return user_id


class _Object:
    """A JSON object at a place of the document. Its members are taken one by one; at the end none may be left."""

    def __init__(self, value: object, place: str, now_ms: int | None) -> None:
        if not isinstance(value, dict):
            raise ExportRefused("it is not an object", place)
        self.place = place
        self._now_ms = now_ms
        self._members = value

    def at(self, name: str) -> str:
        """The place of a member."""
        return f"{self.place}.{name}" if self.place else name

    def has(self, name: str) -> bool:
        """Whether it is there and was not taken yet."""
        return name in self._members

    def take(self, name: str, default: object = _MISSING) -> object:
        """A member of whatever type."""
        value = self._members.pop(name, default)
        if value is _MISSING:
            raise ExportRefused("it is missing", self.at(name))
        return value

    def count(self, name: str, default: object = _MISSING) -> int:
        """A whole number; its range is for the format's own checks."""
        value = self.take(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ExportRefused("it is not a whole number", self.at(name))
        return value

    def counter(self, name: str) -> int:
        """A whole number that a device counts up."""
        value = self.count(name)
        if self._now_ms is not None and value > MAX_IMPORTED_COUNTER:
            raise ExportRefused("it is higher than anybody could have counted", self.at(name))
        return value

    def stamp(self, name: str, default: object = _MISSING) -> int:
        """A time in milliseconds since 1970."""
        value = self.count(name, default)
        if self._now_ms is not None and value > self._now_ms + MAX_AHEAD_MS:
            raise ExportRefused("it is more than ten years ahead of this device's clock", self.at(name))
        return value

    def text(self, name: str, default: object = _MISSING) -> str:
        """A string."""
        value = self.take(name, default)
        if not isinstance(value, str):
            raise ExportRefused("it is not a string", self.at(name))
        return value

    def data(self, name: str, default: object = _MISSING) -> bytes:
        """Bytes in Base64: standard alphabet, padded, with no other bits set than those of the bytes."""
        return _bytes(self.text(name, default), self.at(name))

    def inner(self, name: str) -> _Object | None:
        """An object, or None where it is null or missing."""
        value = self.take(name, default=None)
        return None if value is None else _Object(value, self.at(name), self._now_ms)

    def items(self, name: str) -> list[_Object]:
        """A list of objects."""
        value = self.take(name)
        if not isinstance(value, list):
            raise ExportRefused("it is not a list", self.at(name))
        return [_Object(each, f"{self.at(name)}[{index}]", self._now_ms) for index, each in enumerate(value)]

    def unknown(self, known: type[Message]) -> UnknownFields:
        """The fields that are not of this version's schema: each must be exactly what it says it is."""
        found = _Object(self.take("unknown_fields", default={}), self.at("unknown_fields"), None)
        fields = []
        for name in list(found._members):
            encoded, place = found.data(name), found.at(name[:_SHOWN_NAME])
            try:
                _, ((number, _), *others) = split_fields(encoded, {})
            except (MalformedWireError, ValueError):
                raise ExportRefused("it is not the encoding of a field", place) from None
            if others or str(number) != name:
                raise ExportRefused("it is the encoding of another field", place)
            if number in known.DESCRIPTOR.fields_by_number:
                raise ExportRefused("this field is known and has a member of its own", place)
            fields.append((number, encoded))
        return tuple(sorted(fields))

    def end(self) -> None:
        """Check that nothing is left: a misspelt name must not be a member that is silently missing."""
        for name in self._members:
            raise ExportRefused("there is no such member", self.at(name[:_SHOWN_NAME]))


def _bytes(text: str, place: str) -> bytes:
    try:
        value = base64.b64decode(text, validate=True)
    except ValueError:
        raise ExportRefused("it is not Base64", place) from None
    if base64_text(value) != text:
        raise ExportRefused("it is Base64 that was cut off or altered", place)
    return value
