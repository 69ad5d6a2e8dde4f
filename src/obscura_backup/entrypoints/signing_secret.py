"""The secret that signs tokens without an identity provider: created on first use, readable by its owner only."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from obscura_backup.adapters.regular_file import opened_regular_file, read_bounded
from obscura_backup.domain.errors import StoreUnusable
from obscura_backup.entrypoints.data_directory import opened_data_directory

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "auth-secret"
SECRET_BYTES = 32
_MAX_BYTES = 4096


def signing_secret(data_dir: Path) -> str:
    """The secret in `data_dir`, created if there is none. Two processes that start at once get the same one.

    Raises:
        StoreUnusable: the file cannot be created or read, is not a regular file, belongs to another user, or others may
            read it; or the directory belongs to another user.
    """
    path = data_dir / FILE_NAME
    with opened_data_directory(data_dir) as folder:
        try:
            try:
                os.stat(FILE_NAME, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                _create(folder)
            secret = _read(folder, path)
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StoreUnusable(
                f"The signing secret {path} cannot be used: {reason}. To use another file, set "
                "OBSCURA_BACKUP_AUTH_SECRET_FILE."
            ) from error
    if len(secret) < SECRET_BYTES:
        raise StoreUnusable(f"The signing secret {path} is damaged: it is too short.")
    return secret


def _read(folder: int, path: Path) -> str:
    # Check the opened file and not the name, which can be changed to another file meanwhile.
    with opened_regular_file(FILE_NAME, follow_links=False, folder=folder) as (descriptor, described):
        if described.st_uid != os.geteuid():
            raise StoreUnusable(
                f"The signing secret {path} belongs to another user (id {described.st_uid}; this process runs as "
                f"{os.geteuid()}), who knows it. Remove it to have a new one created; its tokens then become invalid."
            )
        if described.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise StoreUnusable(f"Other users can read the signing secret {path}. Forbid it: chmod 600 {path}")
        return read_bounded(descriptor, _MAX_BYTES).decode("ascii").strip()


def _create(folder: int) -> None:
    draft = f".{FILE_NAME}.{secrets.token_hex(8)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(SECRET_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        # Unlike a rename, a link never replaces the secret that another process has just created.
        with suppress(FileExistsError):
            os.link(draft, FILE_NAME, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        os.unlink(draft, dir_fd=folder)
    os.fsync(folder)  # or a power cut could lose the name, which would invalidate all tokens
