from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from obscura_backup_client.content.editing import NewContact
from obscura_backup_client.sealing import sealed
from support.client.contents import ALICE
from support.client.derived_once import cached_argon2id
from support.client.devices import KEY, Device, devices, yes
from support.client.server_in_memory import ServerInMemory

if TYPE_CHECKING:
    from pathlib import Path

    from obscura_backup_client.client import BackupClient

# No example has a deadline: it would fail where something else keeps the machine busy.
settings.register_profile("unhurried", settings.default, deadline=None)
settings.load_profile("unhurried")


@pytest.fixture
def derived_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Derive each key once, which saves time in tests that use the same passwords."""
    monkeypatch.setattr(sealed, "argon2id", cached_argon2id)


@pytest.fixture
def server() -> ServerInMemory:
    return ServerInMemory()


@pytest.fixture
def device(tmp_path: Path, server: ServerInMemory) -> Device:
    return devices(tmp_path, server)


@pytest.fixture
def phone(device: Device) -> BackupClient:
    """A device with an identity and Alice."""
    client = device("phone")
    client.create("phone")
    client.put_contacts([NewContact(ALICE, "alice")])
    return client


@pytest.fixture
def laptop(phone: BackupClient, device: Device) -> BackupClient:
    """A second device, restored from the phone's backup."""
    phone.push(KEY)
    client = device("laptop")
    client.restore(KEY, confirm=yes, device_name="laptop")
    return client
