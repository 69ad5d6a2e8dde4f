from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from obscura_backup_client.client import BackupClient
from obscura_backup_client.content.editing import NewContact
from obscura_backup_client.sealing import sealed
from support.client.cheap_kdf import cheap_argon2id
from support.client.contents import ALICE
from support.client.devices import KEY, Device, devices, yes
from support.client.server_in_memory import ServerInMemory

# No example has a deadline, and drawing one may take long: both would fail where something else keeps the machine busy.
# Few examples each: the fuzzer and the comparison with the JavaScript program draw thousands from the same contents.
settings.register_profile(
    "unit",
    settings.default,
    deadline=None,
    max_examples=30,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("unit")


@pytest.fixture
def cheap_kdf(monkeypatch: pytest.MonkeyPatch) -> None:
    """Derive keys at almost no cost: for tests of what is done with a password."""
    monkeypatch.setattr(sealed, "argon2id", cheap_argon2id)


@pytest.fixture
def server() -> ServerInMemory:
    return ServerInMemory()


@pytest.fixture
def device(tmp_path: Path, server: ServerInMemory) -> Device:
    # Not the random bytes and times of the devices that were prepared.
    return devices(tmp_path, server, first=1001)


@pytest.fixture(scope="session")
def prepared_phone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state before `phone`, made once."""
    client = devices(tmp_path_factory.mktemp("prepared"), ServerInMemory())("phone")
    client.create("phone")
    client.put_contacts([NewContact(ALICE, "alice")])
    return client.directory.path


@pytest.fixture(scope="session")
def prepared_pair(prepared_phone: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ServerInMemory]:
    """The states before `laptop`, in one folder, and their server."""
    folder, server = tmp_path_factory.mktemp("pair"), ServerInMemory()
    shutil.copytree(prepared_phone, folder / "phone")
    make = devices(folder, server, first=501)
    make("phone").push(KEY)
    make("laptop").restore(KEY, confirm=yes, device_name="laptop")
    return folder, server


@pytest.fixture
def phone(prepared_phone: Path, device: Device) -> BackupClient:
    """A device with an identity and Alice."""
    client = device("phone")
    shutil.copytree(prepared_phone, client.directory.path)
    return client


@pytest.fixture
def laptop(
    prepared_pair: tuple[Path, ServerInMemory], phone: BackupClient, device: Device, server: ServerInMemory
) -> BackupClient:
    """A second device, restored from the phone's backup."""
    folder, prepared = prepared_pair
    client = device("laptop")
    for each in (phone, client):
        shutil.copytree(folder / each.directory.path.name, each.directory.path, dirs_exist_ok=True)
    server.slot, server.calls, server.pushed = prepared.slot, [*prepared.calls], [*prepared.pushed]
    return client
