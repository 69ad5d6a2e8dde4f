"""The HTTP contract over the embedded stores: what `serve` runs without settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.http_api import HttpContract

if TYPE_CHECKING:
    from pathlib import Path

    from support.servers.service import Service


class TestEmbedded(HttpContract):
    pass


def test_everything_is_private(service: Service) -> None:
    """Other users of the machine cannot find out which users have a backup."""

    def mode(path: Path) -> int:
        return path.stat().st_mode & 0o777

    assert mode(service.data_dir) == 0o700
    assert mode(service.data_dir / "metadata.sqlite3") == 0o600
