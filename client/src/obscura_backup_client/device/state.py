"""The state that this device keeps: its content, its device id, and the latest backup it saw on each server.

The file is JSON with one binary field, the payload as it is sealed. One codec and one set of rules therefore serve
both, and unknown fields survive. The rest is private to this device and readable for a person who has to repair it.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from obscura_backup_client.content.codec import decode, encode
from obscura_backup_client.content.errors import PayloadError
from obscura_backup_client.content.model import DEVICE_ID_BYTES, MAX_INTEGER, Backup
from obscura_backup_client.content.names import sanitized_device_name
from obscura_backup_client.device.errors import StateDamaged, StateNewer
from obscura_backup_client.device.last_seen import LastSeen
from obscura_backup_client.sealing.kdf_parameters import KdfParameters
from obscura_backup_client.strict_json import JsonError, JsonObject, is_count, parse, parse_hex

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from uuid import UUID

    from obscura_backup_client.sealing.sealed import RandomBytes

STATE_FORMAT = 1
SHA256_BYTES = 32
PARAMETER_COUNT = 3


@dataclass(frozen=True, slots=True)
class Account:
    """A user on a server; `server` is the normalized address."""

    server: str
    user_id: UUID


@dataclass(frozen=True, slots=True)
class UndoPoint:
    """What a device had before its last restore, merge or import.

    Attributes:
        payload: identity, contacts and profile, encoded as in a backup.
        device_name: may be empty.
        merged_at_ms: when they were replaced, milliseconds since 1970.
    """

    payload: bytes = field(repr=False)
    device_name: str
    merged_at_ms: int


@dataclass(frozen=True, slots=True)
class State:
    """The state of this device. It contains no password and no derived key, so it does not open later backups.

    Attributes:
        device_id: 16 bytes.
        device_name: may be empty.
        seq: the highest number that this device reserved for a sealing, sent or not.
        content: identity, contacts and profile.
        last_seen: the latest backup that this device saw, per account.
        undo: what `undo` brings back; None if nothing was merged since the last push.
    """

    device_id: bytes
    device_name: str
    seq: int
    content: Backup = field(repr=False)
    last_seen: Mapping[Account, LastSeen] = field(default_factory=dict)
    undo: UndoPoint | None = None


def with_new_id_if_copied(state: State, seen: Backup, random: RandomBytes) -> State:
    """The state with a new device id if the content `seen` shows that a copy of this state has sealed something.

    A state directory that was copied, or restored from a disk backup, would use the same seq for other bytes.
    """
    if seen.vector.get(state.device_id, 0) <= state.seq:
        return state
    return replace(state, device_id=random(DEVICE_ID_BYTES), seq=0)


def with_next_seq(state: State, random: RandomBytes) -> State:
    """The state with the next seq reserved. A device that has used all numbers gets a new device id."""
    if state.seq >= MAX_INTEGER:
        return replace(state, device_id=random(DEVICE_ID_BYTES), seq=1)
    return replace(state, seq=state.seq + 1)


def encode_state(state: State) -> bytes:
    """Encode a state file. It contains the unencrypted private key.

    Raises:
        PayloadError: the content breaks a rule of the payload format.
    """
    document = {
        "format": STATE_FORMAT,
        "device_id": state.device_id.hex(),
        "device_name": state.device_name,
        "seq": state.seq,
        "remembered": [_last_seen_to_json(account, known) for account, known in state.last_seen.items()],
        "content": _base64(encode(state.content)),
        "undo": state.undo
        and {
            "device_name": state.undo.device_name,
            "merged_at_ms": state.undo.merged_at_ms,
            "content": _base64(state.undo.payload),
        },
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def decode_state(encoded: bytes, path: Path) -> State:
    """Decode a state file; `path` is only for the error.

    Raises:
        StateNewer: a later version wrote it.
        StateDamaged: it is not a state, or a part is missing or out of range.
    """
    try:
        return _state_from_json(JsonObject(parse(encoded)), path)
    except JsonError as error:
        raise StateDamaged(path, str(error)) from None
    except PayloadError as error:
        raise StateDamaged(path, f"its content is invalid: {error.reason}") from None


def _state_from_json(document: JsonObject, path: Path) -> State:
    state_format = document.count("format")
    if state_format > STATE_FORMAT:
        raise StateNewer(path, state_format)
    if state_format < STATE_FORMAT:
        raise StateDamaged(path, f"unknown state format {state_format}")
    # Members that this version does not know are ignored: a later version may have written them in the same format.
    return State(
        device_id=document.hex("device_id", DEVICE_ID_BYTES),
        # A state with a name that can never be sealed must stay usable.
        device_name=sanitized_device_name(document.text("device_name")),
        seq=document.count("seq"),
        content=decode(document.base64("content")),
        last_seen=_all_last_seen(document.objects("remembered")),
        undo=_undo_point(document.inner_or_none("undo")),
    )


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _undo_point(document: JsonObject | None) -> UndoPoint | None:
    # The payload is decoded when it is needed, so that most operations need not wait for it.
    if document is None:
        return None
    name = sanitized_device_name(document.text("device_name"))
    return UndoPoint(document.base64("content"), name, document.count("merged_at_ms"))


def _last_seen_to_json(account: Account, known: LastSeen) -> dict[str, Any]:
    return {
        "server": account.server,
        "user_id": str(account.user_id),
        "vector": {device_id.hex(): seq for device_id, seq in known.vector.items()},
        "sha256": known.sha256.hex(),
        "key_epoch": known.key_epoch,
        "format": known.format,
        "version": known.version,
        "content_sha256": known.content_sha256.hex(),
        "sealed_at_ms": known.sealed_at_ms,
        "device_name": known.device_name,
        "contact_count": known.contact_count,
        "may_be_gone": known.may_be_gone,
        "parameters": known.parameters
        and [known.parameters.memory_kib, known.parameters.passes, known.parameters.lanes],
        "password_typed_at_ms": known.password_typed_at_ms,
        "deleted_at_ms": known.deleted_at_ms,
    }


def _all_last_seen(documents: list[JsonObject]) -> dict[Account, LastSeen]:
    last_seen = dict(map(_last_seen_from_json, documents))
    if len(last_seen) != len(documents):
        raise JsonError("has one account twice", "remembered")
    return last_seen


def _last_seen_from_json(document: JsonObject) -> tuple[Account, LastSeen]:
    vector = document.inner("vector")
    return Account(document.text("server"), document.user_id("user_id")), LastSeen(
        vector={parse_hex(name, DEVICE_ID_BYTES, vector.location): vector.count(name) for name in vector.names()},
        sha256=document.hex("sha256", SHA256_BYTES),
        key_epoch=document.count("key_epoch"),
        format=document.count("format"),
        version=document.count("version"),
        content_sha256=document.hex("content_sha256", SHA256_BYTES),
        sealed_at_ms=document.count("sealed_at_ms"),
        device_name=document.text("device_name"),
        contact_count=document.count("contact_count"),
        # Files of earlier versions lack these.
        may_be_gone=document.flag("may_be_gone", default=False),
        parameters=_parameters(document),
        password_typed_at_ms=_count_or_none(document, "password_typed_at_ms"),
        deleted_at_ms=_count_or_none(document, "deleted_at_ms"),
    )


def _count_or_none(document: JsonObject, name: str) -> int | None:
    found = document.take(name, default=None)
    if not (found is None or is_count(found)):
        raise JsonError("is neither null nor a count", document.at(name))
    return found


def _parameters(document: JsonObject) -> KdfParameters | None:
    found = document.take("parameters", default=None)
    if found is None:
        return None
    if not (isinstance(found, list) and len(found) == PARAMETER_COUNT and all(map(is_count, found))):
        raise JsonError(f"is not a list of {PARAMETER_COUNT} counts", document.at("parameters"))
    return KdfParameters(*found)
