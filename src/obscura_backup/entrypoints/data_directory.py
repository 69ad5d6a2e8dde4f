"""The data directory, and who may own it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from obscura_backup.adapters.durable_directories import make_directory
from obscura_backup.domain.errors import StoreUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ROOT = 0


@contextmanager
def opened_data_directory(path: Path) -> Iterator[int]:
    """A descriptor of the data directory, which is created if it is missing.

    Its owner can replace every file in it, and so must be this process's user or root.

    Raises:
        StoreUnusable: it belongs to another user, or it cannot be created or opened.
    """
    try:
        make_directory(path)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StoreUnusable(f"The data directory {path} cannot be used: {error.strerror or error}.") from error
    try:
        owner, user = os.fstat(descriptor).st_uid, os.geteuid()
        if owner not in (user, _ROOT):
            raise StoreUnusable(
                f"The data directory {path} belongs to another user (id {owner}; this process runs as {user}), who "
                "could replace its content. Run the service as its owner, or change the owner: "
                f"chown {user} {path}"
            )
        yield descriptor
    finally:
        os.close(descriptor)
