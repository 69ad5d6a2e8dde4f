"""What all unit tests of the service share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from obscura_backup.adapters.filesystem import store

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", autouse=True)
def few_directories() -> Iterator[None]:
    """Give a blob directory 9 directories for objects. To make all 256 takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(store, "SHARDS", ["00", "01", "02", "03", "04", "a0", "a7", "fe", "ff"])
        yield
