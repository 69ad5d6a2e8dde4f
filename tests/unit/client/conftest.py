from __future__ import annotations

import os
from collections.abc import Iterator
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


@pytest.fixture(scope="session", autouse=True)
def files_need_not_survive_a_power_cut() -> Iterator[None]:
    """Sync no file: half of the time of these tests would be waiting for the disk. Tests of syncs count the calls."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: None)
        yield


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
