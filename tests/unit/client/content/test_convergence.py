"""In any order of edits and pushes, and with lost responses, no edit is lost and all devices converge."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from obscura_backup_client.client import BackupClient
from obscura_backup_client.content.editing import NewContact
from obscura_backup_client.content.errors import UnknownContact
from obscura_backup_client.device.directory import StateDirectory
from obscura_backup_client.device.state import Account
from obscura_backup_client.sealing.kdf_parameters import PROFILES
from obscura_backup_client.sealing.sealed import SealingKey
from obscura_backup_client.transport.errors import OutcomeUnknown
from support.client.contents import NOW_MS
from support.client.server_in_memory import ServerInMemory

ACCOUNT = Account("https://backup.example", UUID(int=9))
KEY = SealingKey(PROFILES["low-memory"], b"s" * 16, b"r" * 32)
DEVICES = 3


@dataclass(frozen=True)
class Put:
    device: int
    contact: int
    name: str


@dataclass(frozen=True)
class Remove:
    device: int
    contact: int


@dataclass(frozen=True)
class Push:
    device: int
    answer_is_lost: bool
    overtaken_by: int


_devices = st.integers(0, DEVICES - 1)
_contacts = st.integers(1, 3)
_events = st.lists(
    st.builds(Put, _devices, _contacts, st.sampled_from("abc"))
    | st.builds(Remove, _devices, _contacts)
    | st.builds(Push, _devices, st.booleans(), _devices),
    max_size=16,
)


def make_devices(home: Path, server: ServerInMemory) -> list[BackupClient]:
    numbers, clock = itertools.count(), itertools.count(NOW_MS, 1000)
    devices = [
        BackupClient(
            StateDirectory(home / str(number)),
            transport=server,
            account=ACCOUNT,
            random=lambda count: hashlib.shake_256(next(numbers).to_bytes(8, "big")).digest(count),
            now_ms=lambda: next(clock),
            sleep=lambda _: None,
            jitter=lambda: 0.0,
        )
        for number in range(DEVICES)
    ]
    devices[0].create()
    devices[0].push(KEY)
    for device in devices[1:]:
        device.restore(KEY, confirm=lambda _: True)
    return devices


@settings(max_examples=25)
@given(_events)
def test_devices_converge_to_the_result_of_all_edits_in_order(events: list[Put | Remove | Push]) -> None:
    with tempfile.TemporaryDirectory() as home:
        server, expected = ServerInMemory(), dict[UUID, str]()
        devices = make_devices(Path(home), server)
        for event in events:
            device = devices[event.device]
            match event:
                case Put():
                    held = {contact.user_id: contact.username for contact in device.contacts()}
                    device.put_contacts([NewContact(UUID(int=event.contact), event.name)])
                    if held.get(UUID(int=event.contact)) != event.name:
                        expected[UUID(int=event.contact)] = event.name
                case Remove():
                    # A device that does not know a contact cannot remove it.
                    with contextlib.suppress(UnknownContact):
                        device.remove_contact(UUID(int=event.contact))
                        expected.pop(UUID(int=event.contact), None)
                case Push():
                    if event.overtaken_by != event.device:
                        server.meanwhile = [partial(devices[event.overtaken_by].push, KEY)]
                    server.lose_next_answers = int(event.answer_is_lost)
                    with contextlib.suppress(OutcomeUnknown):
                        device.push(KEY)
                    server.meanwhile, server.lose_next_answers = [], 0
        for device in devices * 2:
            device.push(KEY)
        for device in devices:
            assert {contact.user_id: contact.username for contact in device.contacts()} == expected
        assert len({device.directory.read().content.contacts for device in devices}) == 1
