"""Which files this process holds open, on Linux."""

from __future__ import annotations

from pathlib import Path


def open_files(folder: Path) -> list[str]:
    """The paths of all descriptors that lead to `folder` or into it, sorted."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(entry.readlink()))
        except FileNotFoundError:  # the listing's own
            continue
    return sorted(path for path in found if path.startswith(str(folder)))
