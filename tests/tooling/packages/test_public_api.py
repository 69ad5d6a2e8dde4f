"""The public API of the client changes on purpose only."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files

from tools.generate_api_listing import DOCUMENTED, LISTING
from tools.run_dependencies import ROOT

import obscura_backup_client


def test_api_is_the_listed_one() -> None:
    """In a process of its own: errors of modules that other tests import would be listed, too."""
    check = [sys.executable, "-m", "tools.generate_api_listing", "--check"]
    done = subprocess.run(check, cwd=ROOT, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_listing_holds_every_public_name_with_its_signature() -> None:
    listed = LISTING.read_text(encoding="utf-8")
    for name in set(obscura_backup_client.__all__) - {"__version__"}:
        assert f"obscura_backup_client.{name}" in listed
    for module in DOCUMENTED:
        assert f"obscura_backup_client.{module}." in listed
    assert "    def set_profile(self, attachment_id: str, decryption_key: bytes) -> None\n" in listed
    assert "    WrongPassword(ClientError) wrong-password\n" in listed


def test_package_declares_that_it_is_typed() -> None:
    assert files(obscura_backup_client).joinpath("py.typed").is_file()
