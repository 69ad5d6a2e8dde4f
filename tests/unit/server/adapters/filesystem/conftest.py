from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from obscura_backup.adapters.filesystem.store import FilesystemBlobStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[FilesystemBlobStore]:
    """A store that has started."""
    blobs = FilesystemBlobStore(tmp_path / "blobs")
    await blobs.start()
    yield blobs
    await blobs.close()
