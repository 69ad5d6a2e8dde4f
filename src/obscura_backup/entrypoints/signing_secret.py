"""The secret that signs tokens where no identity provider does: made on first use, readable by its owner alone."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from obscura_backup.adapters.durable_folders import make_folder, sync_folder
from obscura_backup.domain.errors import StoreUnusable

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "auth-secret"
SECRET_BYTES = 32


def signing_secret(data_dir: Path) -> str:
    """The secret in `data_dir`, which is made if there is none; two processes that start at once get the same.

    Raises:
        StoreUnusable: the file cannot be made or read, or others may read it.
    """
    path = data_dir / FILE_NAME
    try:
        if not path.exists():
            _create(path)
        mode = stat.S_IMODE(path.stat().st_mode)
        secret = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreUnusable(f"The signing secret {path} cannot be used: {error}.") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise StoreUnusable(f"Others can read the signing secret {path}; make it yours alone: chmod 600 {path}")
    if len(secret) < SECRET_BYTES:
        raise StoreUnusable(f"The signing secret {path} is damaged: it is too short.")
    return secret


def _create(path: Path) -> None:
    make_folder(path.parent)
    draft = path.with_name(f".{FILE_NAME}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(SECRET_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)  # unlike a rename, it leaves the secret of whoever was first
    finally:
        draft.unlink()
    sync_folder(path.parent)  # or a power cut takes the name back, and with it the validity of every token
