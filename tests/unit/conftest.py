"""What all unit tests share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", autouse=True)
def files_need_not_survive_a_power_cut() -> Iterator[None]:
    """Sync no file: half of the time of these tests would be waiting for the disk. Tests of syncs count the calls."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("fsync", "fdatasync"):
            patched.setattr(os, name, lambda _: None, raising=False)
        yield
