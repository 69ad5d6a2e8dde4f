"""What all unit tests of the service share."""

from __future__ import annotations

import pytest

from obscura_backup.adapters.filesystem import store


@pytest.fixture(autouse=True)
def few_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a blob directory 9 directories for objects. To make all 256 takes longer than most tests."""
    monkeypatch.setattr(store, "SHARDS", ["00", "01", "02", "03", "04", "a0", "a7", "fe", "ff"])
