"""Which files and folders were synced, by path and in order, as the operating system was asked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


def record_syncs(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Fill a list from now on. A file that has no name yet, or no more, is listed as the system shows it."""
    synced: list[Path] = []

    def observed(real: Callable[[int], None]) -> Callable[[int], None]:
        def sync(descriptor: int) -> None:
            real(descriptor)
            synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())

        return sync

    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, observed(getattr(os, name)))
    return synced
