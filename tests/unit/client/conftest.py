from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from client_testing.contents import ALICE
from client_testing.devices import KEY, Device, devices, yes
from client_testing.server_in_memory import ServerInMemory
from obscura_backup_client.editing import NewContact

if TYPE_CHECKING:
    from pathlib import Path

    from obscura_backup_client.sync import BackupClient


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
    """A second device, restored from what the phone pushed."""
    phone.push(KEY)
    client = device("laptop")
    client.restore(KEY, confirm=yes, device_name="laptop")
    return client
