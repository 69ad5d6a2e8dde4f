from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from obscura_backup_client.content.editing import NewContact
from obscura_backup_client.sealing import sealed
from support.client.cheap_kdf import cheap_argon2id
from support.client.contents import ALICE
from support.client.devices import KEY, Device, devices, yes
from support.client.server_in_memory import ServerInMemory

if TYPE_CHECKING:
    from pathlib import Path

    from obscura_backup_client.client import BackupClient

# No example has a deadline, and drawing one may take long: both would fail where something else keeps the machine busy.
settings.register_profile("unhurried", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture
def cheap_kdf(monkeypatch: pytest.MonkeyPatch) -> None:
    """Derive keys at almost no cost: for tests of what is done with a password."""
    monkeypatch.setattr(sealed, "argon2id", cheap_argon2id)


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
