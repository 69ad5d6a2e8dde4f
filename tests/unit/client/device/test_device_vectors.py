"""The published vectors of edits and devices, run with the client and a scripted server."""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from obscura_backup_client.content.codec import decode, encode
from obscura_backup_client.content.editing import NewContact, put_contacts, remove_contact, set_profile
from obscura_backup_client.content.merge import Keep
from obscura_backup_client.content.model import DEVICE_ID_BYTES, Backup
from obscura_backup_client.device.directory import LockedState, StateDirectory
from obscura_backup_client.device.last_seen import LastSeen
from obscura_backup_client.device.state import State
from obscura_backup_client.errors import ClientError
from obscura_backup_client.operations.delete import delete
from obscura_backup_client.operations.errors import RollbackSuspected
from obscura_backup_client.operations.keys import Unlocker
from obscura_backup_client.operations.push import BackupSession, PushOptions
from obscura_backup_client.operations.restore import restore
from obscura_backup_client.sealing.kdf import refuse_memory
from obscura_backup_client.sealing.sealed import DEFAULT_MAX_BLOB_BYTES, SealingKey, open_sealed, seal_plaintext
from obscura_backup_client.transport.errors import NotFound, OutcomeUnknown, VersionMismatch
from obscura_backup_client.transport.interface import BackupMetadata, FetchedBackup
from support.client.devices import ACCOUNT, KEY, LOW_MEMORY, USER, yes
from support.client.vectors import named, vectors
from support.table import table

EDITS = vectors("edits")["edits"]
SEQUENCES = vectors("devices")["sequences"]
NEW_PASSWORD = "another horse battery"


def edited(content: Backup, edit: dict[str, str], now_ms: int) -> Backup:
    if edit["do"] == "put":
        contact = NewContact(UUID(edit["user_id"]), edit["username"], bytes.fromhex(edit["identity_key"]))
        return put_contacts(content, [contact], now_ms)
    if edit["do"] == "remove":
        return remove_contact(content, UUID(edit["user_id"]), now_ms)
    return set_profile(content, edit["attachment_id"], bytes.fromhex(edit["decryption_key"]), now_ms)


@table("row", named(EDITS))
def test_an_edit_gives_the_payload_of_the_vector(row: dict[str, Any]) -> None:
    content = decode(bytes.fromhex(row["payload"]))
    try:
        found = encode(edited(content, row["edit"], row["now_ms"])).hex()
    except ClientError as error:
        found = error.code
    assert found == (row["error"] or row["edited"])


@dataclass
class ScriptedServer:
    """In each step it has the backup of the vector and sends the vector's response."""

    step: dict[str, Any] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    sent: bytes | None = None

    def at(self, step: dict[str, Any]) -> None:
        self.step, self.sent = step, None

    def fetch(self, if_none_match: int | None = None) -> FetchedBackup | None:
        assert if_none_match is None
        return FetchedBackup(self._held(), 1)

    def head(self) -> BackupMetadata:
        return BackupMetadata(1, len(self._held()), hashlib.sha256(self._held()).digest())

    def push(self, blob: bytes, expected_version: int) -> int:
        assert expected_version == (self.step["server"] is not None)
        self.sent = blob
        # From now on, the name in the file means these bytes, even if the response is an error.
        self.blobs[self.step["sealed"]["bytes"] if self.step["sealed"] else "unexpected"] = blob
        return self._answered(2)

    def delete(self, expected_version: int) -> None:
        assert expected_version == 1
        self._answered(0)

    def _answered(self, version: int) -> int:
        if self.step["answer"] == "refused":
            raise VersionMismatch(2)
        if self.step["answer"] == "lost":
            raise OutcomeUnknown("the answer is lost")
        return version

    def _held(self) -> bytes:
        held = self.step["server"]
        if held is None:
            raise NotFound
        if held["bytes"] not in self.blobs:
            payload, nonce = bytes.fromhex(held["payload"]), hashlib.sha256(held["bytes"].encode()).digest()[:12]
            plaintext = len(payload).to_bytes(4, "big") + payload
            self.blobs[held["bytes"]] = seal_plaintext(plaintext, KEY, USER, nonce=nonce)
        return self.blobs[held["bytes"]]


class ScriptedDevice:
    """The client on one device of a sequence."""

    def __init__(self, folder: Path, sequence: dict[str, Any]) -> None:
        self.server = ScriptedServer()
        self.name, drawn = sequence["device_name"], bytes.fromhex(sequence["drawn"])
        numbers = itertools.count(1)
        # Only device ids have this length here; nonces and salts may be any new bytes.
        self.random = lambda size: (
            drawn if size == DEVICE_ID_BYTES else hashlib.shake_256(next(numbers).to_bytes(4, "big")).digest(size)
        )
        self.sealing_key: SealingKey = KEY
        directory = StateDirectory(folder)
        folder.mkdir()
        self.held = LockedState(directory, None)
        if sequence["payload"] is not None:
            content = decode(bytes.fromhex(sequence["payload"]))
            self.held.write(State(bytes.fromhex(sequence["device_id"]), self.name, sequence["seq"], content))

    def run(self, step: dict[str, Any]) -> tuple[str | None, list[str]]:
        """Do a step: the code of the error, without what is the server's own answer, and the reasons of an alarm."""
        self.server.at(step)
        try:
            self._do(step)
        except RollbackSuspected as suspected:
            return suspected.code, [str(reason) for reason in suspected.reasons]
        except (VersionMismatch, OutcomeUnknown):
            return None, []
        except ClientError as error:
            return error.code, []
        return None, []

    def _do(self, step: dict[str, Any]) -> None:
        session = BackupSession(
            self.server, ACCOUNT, self.random, lambda: step["now_ms"], lambda _: None, DEFAULT_MAX_BLOB_BYTES
        )
        if step["do"] == "put":
            state = self.held.require()
            content = edited(state.content, step["edit"], step["now_ms"])
            self.held.write(State(state.device_id, state.device_name, state.seq, content, state.last_seen))
            return
        if step["do"] == "delete":
            delete(session, self.held, lambda _: True)
            return
        keep = None if step["keep"] is None else Keep(step["keep"])
        unlocker = Unlocker(KEY, USER, self.random, lambda _: None, refuse_memory, lambda: LOW_MEMORY)
        if step["new_password"]:
            unlocker.new_secret = NEW_PASSWORD
        if step["do"] == "restore":
            restore(
                session,
                self.held,
                unlocker,
                confirm=yes,
                device_name=None,
                new_device_name=self.name,
                keep=keep,
                accept_rollback=step["accept"],
            )
            return
        try:
            session.push(self.held, unlocker, PushOptions(keep=keep, accept_rollback=step["accept"]))
        finally:
            if self.server.sent is not None:
                self.sealing_key = unlocker.sealing_key(KEY, None)

    def sealed(self) -> str | None:
        """The payload of what was sent in this step."""
        sent = self.server.sent
        return None if sent is None else open_sealed(sent, self.sealing_key, USER).payload.hex()

    def last_seen(self) -> dict[str, Any] | None:
        known: LastSeen | None = None if self.held.state is None else self.held.state.last_seen.get(ACCOUNT)
        if known is None:
            return None
        digests = {hashlib.sha256(blob).digest(): name for name, blob in self.server.blobs.items()}
        return {
            "vector": {device_id.hex(): seq for device_id, seq in sorted(known.vector.items())},
            "bytes": digests[known.sha256],
            "key_epoch": known.key_epoch,
            "format": known.format,
            "may_be_gone": known.may_be_gone,
        }


@pytest.mark.usefixtures("cheap_kdf")
@table("row", named(SEQUENCES))
def test_a_device_seals_records_and_reports_as_in_the_vector(row: dict[str, Any], tmp_path: Path) -> None:
    device = ScriptedDevice(Path(tempfile.mkdtemp(dir=tmp_path)) / "state", row)
    for number, step in enumerate(row["steps"]):
        error, reasons = device.run(step)
        state = device.held.state
        found = {
            "error": error,
            "reasons": reasons,
            "sealed": device.sealed(),
            "after": {
                "device_id": None if state is None else state.device_id.hex(),
                "seq": 0 if state is None else state.seq,
                "remembered": device.last_seen(),
            },
        }
        wanted = {
            "error": step.get("error"),
            "reasons": step.get("reasons", []),
            "sealed": step["sealed"]["payload"] if step.get("sealed") else None,
            "after": step["after"],
        }
        assert found == wanted, f"step {number + 1}"
