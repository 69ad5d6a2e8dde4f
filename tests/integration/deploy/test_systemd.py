"""The systemd unit, checked by systemd's own tools; neither needs a running systemd."""

from __future__ import annotations

import configparser
import ctypes
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from obscura_backup.entrypoints.timeouts import Timeouts
from support.servers.programs.native import free_port
from support.servers.proxies.reverse_proxies import DEPLOY, program
from support.servers.service import COMMAND, Service

if TYPE_CHECKING:
    from pathlib import Path

UNIT = DEPLOY / "systemd" / "obscura-backup.service"
USERS = DEPLOY / "systemd" / "obscura-backup.sysusers.conf"
INSTALLED = "/opt/obscura-backup/bin/obscura-backup"
EXPOSURE_MAX = 15
"""Of 100, by the weights of systemd 252 (it finds 11). A unit without any hardening has 96."""
PUT_SECONDS = 15
"""What an upload may need that began to store its blob at the end of the drain time."""
PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN, NOT_KNOWN = 65, 1, 77
FORBID_EXECUTABLE_MEMORY = f"""#!{sys.executable}
import ctypes, os, sys
if ctypes.CDLL(None).prctl({PR_SET_MDWE}, {MDWE_REFUSE_EXEC_GAIN}, 0, 0, 0) != 0:
    sys.exit({NOT_KNOWN})
os.execv({str(COMMAND)!r}, [{str(COMMAND)!r}, *sys.argv[1:]])
"""


def systemd(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [program(name, package="systemd"), *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with the path of this program, since systemd looks whether it is there."""
    text = UNIT.read_text()
    assert INSTALLED in text
    path = tmp_path / UNIT.name
    path.write_text(text.replace(INSTALLED, str(COMMAND)))
    return path


def test_unit_is_valid(unit: Path) -> None:
    done = systemd("systemd-analyze", "verify", "--man=no", unit)
    about_it = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert (done.returncode, about_it) == (0, [])


def test_misspelt_line_would_be_found(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("ProtectSystem=strict", "ProtectSistem=strict"))
    assert "ProtectSistem" in systemd("systemd-analyze", "verify", "--man=no", unit).stderr


def test_unit_is_hardened(unit: Path) -> None:
    done = systemd("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", unit)
    assert done.returncode == 0, done.stdout
    unit.write_text("\n".join(line for line in unit.read_text().splitlines() if not line.startswith("Protect")))
    assert systemd("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", unit).returncode == 1


def test_user_of_the_unit_is_created(tmp_path: Path) -> None:
    done = systemd("systemd-sysusers", "--dry-run", f"--root={tmp_path}", USERS)
    assert done.returncode == 0, done.stderr
    assert "Creating user 'obscura-backup'" in done.stderr


def test_requests_in_flight_may_finish_before_systemd_kills_the_service() -> None:
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(UNIT.read_text())
    stop_seconds = int(parser["Service"]["TimeoutStopSec"].removesuffix("s"))
    defaults = Timeouts()
    assert stop_seconds >= defaults.notice_seconds + defaults.drain_seconds + PUT_SECONDS


def test_drivers_need_no_memory_that_is_writable_and_executable(tmp_path: Path) -> None:
    """As `MemoryDenyWriteExecute` has it. The stores are down, but their drivers are loaded and in use."""
    command = tmp_path / "obscura-backup"
    command.write_text(FORBID_EXECUTABLE_MEMORY)
    command.chmod(0o700)
    environment = {
        "OBSCURA_BACKUP_METADATA_URL": f"postgresql://obscura@127.0.0.1:{free_port()}/obscura",
        "OBSCURA_BACKUP_BLOBS_URL": f"s3://backups?endpoint=http://127.0.0.1:{free_port()}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    if ctypes.CDLL(None).prctl(PR_SET_MDWE + 1, 0, 0, 0, 0) < 0:  # asks, and changes nothing in this process
        pytest.skip("Linux 6.3 or newer is required to forbid such memory without systemd.")
    service = Service(tmp_path / "data", environment, command=command)
    service.start()
    try:
        assert service.request("GET", "/health/ready", token=None).json == {
            "status": "unavailable",
            "metadata": "unavailable",
            "blobs": "unavailable",
        }
    finally:
        service.kill()
