from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from client_testing.contents import ALICE
from client_testing.derived_once import remembered_argon2id
from client_testing.devices import KEY, Device, devices, yes
from client_testing.server_in_memory import ServerInMemory
from obscura_backup_client import sealed
from obscura_backup_client.editing import NewContact

if TYPE_CHECKING:
    from pathlib import Path

    from obscura_backup_client.sync import BackupClient

# No example has a deadline: it would fail where something else keeps the machine busy.
settings.register_profile("unhurried", settings.default, deadline=None)
settings.load_profile("unhurried")


@pytest.fixture
def derived_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Derive no key twice: for tests of what is done with a password, which deriving again would only slow down."""
    monkeypatch.setattr(sealed, "argon2id", remembered_argon2id)


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
