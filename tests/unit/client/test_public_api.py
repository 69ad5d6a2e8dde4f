"""The public API of the client changes on purpose only."""

from __future__ import annotations

from importlib.resources import files

from tools.generate_api_listing import DOCUMENTED, LISTING, listing

import obscura_backup_client


def test_api_is_the_listed_one() -> None:
    assert listing() == LISTING.read_text(encoding="utf-8"), "the API changed; if that is intended: `make api`"


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
