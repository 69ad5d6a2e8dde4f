"""Files after a killed process, on a full disk, and on a read-only disk."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from obscura_backup_client.client import BackupClient
from obscura_backup_client.content.editing import NewContact
from obscura_backup_client.device import calibrated_parameters
from obscura_backup_client.device.calibrated_parameters import DeviceProfile
from obscura_backup_client.device.directory import StateDirectory
from obscura_backup_client.device.errors import StateUnusable
from obscura_backup_client.formats.errors import ExportUnwritable
from obscura_backup_client.operations.export import write_export
from obscura_backup_client.sealing.kdf_parameters import PROFILES
from support.client.contents import ALICE, BOB

TESTS = Path(__file__).parents[2]
PROFILE = DeviceProfile(PROFILES["desktop"], 700)


@pytest.mark.parametrize(("kind", "kills"), [("state", 40), ("profile", 30), ("export", 30)])
def test_a_kill_at_any_moment_leaves_the_old_file_or_the_new_one(tmp_path: Path, kind: str, kills: int) -> None:
    """After a kill the file is the old or the new one, private to this user, and usable."""
    ended = subprocess.run(
        [sys.executable, "-m", "support.client.killed_writer", kind, str(tmp_path), str(kills)],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert ended.returncode == 0, ended.stderr
    deaths = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(deaths) >= kills
    assert [each for each in deaths if each["read"] not in (each["done"], each["done"] + 1)] == []
    assert {tuple(each["modes"]) for each in deaths} == {(0o600,)}
    assert any(each["in"] for each in deaths), "no kill came in the middle of a write"


def made(folder: Path) -> BackupClient:
    """A state with Alice, a calibration, and an export in the same directory."""
    client = BackupClient(StateDirectory(folder / "state"))
    client.create("phone")
    client.put_contacts([NewContact(ALICE, "alice", b"K" * 4096)])
    calibrated_parameters.save(client.directory, PROFILE)
    write_export(folder / "export.json", client.export_payload(), overwrite=False)
    return client


def contents(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.rglob("*") if each.is_file()}


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_only_this_user_can_access_files_with_any_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        made(tmp_path)
    finally:
        os.umask(before)
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.rglob("*")}
    assert modes == {"state": 0o700, "state.json": 0o600, "profile.json": 0o600, "lock": 0o600, "export.json": 0o600}


FULL = """
import resource, sys
from pathlib import Path
from uuid import UUID
from obscura_backup_client.device import calibrated_parameters as parameters
from obscura_backup_client.content.editing import NewContact
from obscura_backup_client.errors import ClientError
from obscura_backup_client.operations.export import write_export
from obscura_backup_client.sealing.kdf_parameters import PROFILES
from obscura_backup_client.client import BackupClient

folder = Path(sys.argv[1])
client = BackupClient.open(folder / "state")
exported = client.export_payload()
resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))
for attempt in (
    lambda: client.put_contacts([NewContact(UUID(int=7), "bob")]),
    lambda: parameters.save(client.directory, parameters.DeviceProfile(PROFILES["low-memory"], 1)),
    lambda: write_export(folder / "export.json", exported, overwrite=True),
    lambda: write_export(folder / "other.json", exported, overwrite=False),
):
    try:
        attempt()
    except ClientError as error:
        print(error.code)
"""


def test_a_file_size_limit_changes_nothing(tmp_path: Path) -> None:
    """Simulates a full disk: the system allows at most 50 bytes per file."""
    client = made(tmp_path)
    before = contents(tmp_path)
    ended = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.stdout.split() == ["state-unusable", "state-unusable", "export-unwritable", "export-unwritable"]
    assert ended.stderr == ""
    assert contents(tmp_path) == before
    assert client.put_contacts([NewContact(BOB, "bob")]).added == 1


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 128 KiB that a test may fill or make read-only."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a disk to fill; as root (or with CAP_SYS_ADMIN) it is tested")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_changes_nothing(disk: Path) -> None:
    client = made(disk)
    (disk / "others").write_bytes(bytes(100 * 1024))
    before = contents(disk)
    # Each of these takes 16 KiB more than there is.
    with pytest.raises(StateUnusable, match="No space left"):
        client.put_contacts([NewContact(BOB, "bob", b"K" * 4096)] + [many(number) for number in range(5)])
    with pytest.raises(ExportUnwritable, match="No space left"):
        write_export(disk / "other.json", bytes(64 * 1024), overwrite=False)
    with pytest.raises(ExportUnwritable, match="No space left"):
        write_export(disk / "export.json", bytes(64 * 1024), overwrite=True)
    assert contents(disk) == before
    (disk / "others").unlink()
    assert client.put_contacts([NewContact(BOB, "bob")]).added == 1


def many(number: int) -> NewContact:
    return NewContact(UUID(int=100 + number), "somebody", b"K" * 4096)


def test_a_read_only_disk_is_a_typed_error_and_can_be_read(disk: Path) -> None:
    client = made(disk)
    before = contents(disk)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    for attempt in (
        lambda: client.put_contacts([NewContact(BOB, "bob")]),
        lambda: BackupClient(StateDirectory(disk / "other")).create(),
        lambda: calibrated_parameters.save(client.directory, PROFILE),
    ):
        with pytest.raises(StateUnusable, match="Read-only"):
            attempt()
    with pytest.raises(ExportUnwritable, match="Read-only"):
        write_export(disk / "other.json", b"{}", overwrite=False)
    assert [each.username for each in client.contacts()] == ["alice"]
    assert calibrated_parameters.read(client.directory) == PROFILE.parameters
    assert contents(disk) == before
