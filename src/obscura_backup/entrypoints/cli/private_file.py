"""Writes a file that only its owner can read, whole or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from obscura_backup.entrypoints.cli import options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def private_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write. It gets its name at the end, and replaces what was there. On an error nothing is left.

    The command ends if the file cannot be written.
    """
    # Replace the file instead of writing into it: another user may own it, or another program may have it open.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            options.fail(f"{path} is not written: it is not a regular file.", options.EXIT_USAGE)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())  # else a power cut could leave an empty file under the name
            draft.replace(path)
        except BaseException:
            draft.unlink()
            raise
    except OSError as error:
        options.fail(f"{path} cannot be written: {error.strerror}.", options.EXIT_USAGE)
