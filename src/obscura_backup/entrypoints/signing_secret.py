"""The secrets that sign tokens without an identity provider: one per line, newest first. The first one signs.

In the data directory, the file is created on first use and readable by its owner only. A file that an operator names
may be a link and belong to another user, as Kubernetes mounts secrets.
"""

from __future__ import annotations

import fcntl
import hmac
import os
import secrets
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from obscura_backup.adapters.regular_file import opened_regular_file, read_bounded, read_regular_file
from obscura_backup.domain.errors import StoreUnusable
from obscura_backup.entrypoints.data_directory import opened_data_directory

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FILE_NAME = "auth-secret"
SECRET_BYTES = 32
SECRET_MIN_BYTES = 16
"""A shorter secret can be guessed offline from one token."""
SECRETS_MAX = 8
"""So many keys are tried for a token, which does not say which secret signed it."""
FINGERPRINT_CHARS = 8
_MAX_BYTES = 4096
_NAMED_MAX_BYTES = 64 * 1024


def signing_secrets(data_dir: Path, *, create: bool = True) -> tuple[str, ...]:
    """The secrets in `data_dir`, newest first. Two processes that start at once get the same ones.

    Args:
        data_dir: holds the file.
        create: whether a secret is created if there is none.

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
                if not create:
                    raise
                _create(folder)
            found = _lines(_read(folder, path))
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StoreUnusable(
                f"The signing secret {path} cannot be used: {reason}. To use another file, set "
                "OBSCURA_BACKUP_AUTH_SECRET_FILE."
            ) from error
    if not found or min(map(len, found)) < SECRET_BYTES:
        raise StoreUnusable(f"The signing secret {path} is damaged: it is too short.")
    _require_few(found, path)
    return found


def named_secrets(path: Path) -> tuple[str, ...]:
    """The secrets in a file that an operator names, newest first.

    Raises:
        StoreUnusable: the file cannot be read, holds no secret, or one that is too short.
    """
    shown = f"{path} (auth_secret_file)"
    try:
        found = _lines(read_regular_file(path, _NAMED_MAX_BYTES).decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise StoreUnusable(f"The secret in {shown} is not UTF-8 text.") from None
    except OSError as error:
        raise StoreUnusable(f"The secret in {shown} cannot be read: {error.strerror or error}.") from error
    if not found:
        raise StoreUnusable(f"There is no secret in {shown}: it is empty.")
    if min(len(each.encode()) for each in found) < SECRET_MIN_BYTES:
        raise StoreUnusable(
            f"A secret in {shown} is too short to be safe: each line is a secret of at least {SECRET_MIN_BYTES} bytes."
        )
    _require_few(found, path)
    return found


def rotate(path: Path, *, drop_old: bool) -> tuple[str, ...]:
    """Put a new secret before those in a file, or keep only the first one; in one atomic step, and durably.

    Args:
        path: of the file, which must be there.
        drop_old: keep only the first one.

    Returns:
        The secrets in the file afterwards, newest first.

    Raises:
        StoreUnusable: the file cannot be read or written; it is a link, belongs to another user, or others may read it;
            or it would hold too many secrets.
    """
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)  # else one of two rotations at once could be lost
            found = _lines(_read(folder, path))
            kept = found[:1] if drop_old else (secrets.token_urlsafe(SECRET_BYTES), *found)
            _require_few(kept, path)
            draft = _write_draft(folder, path.name, kept)
            try:
                os.rename(draft, path.name, src_dir_fd=folder, dst_dir_fd=folder)
            except OSError:
                os.unlink(draft, dir_fd=folder)
                raise
            os.fsync(folder)
        finally:
            os.close(folder)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StoreUnusable(
            f"The secrets in {path} cannot be changed: {reason}. If the file is mounted from elsewhere, put the new "
            "secret there, as the first line."
        ) from error
    return kept


def fingerprint(secret: bytes) -> str:
    """Tells whether two processes have the same secret. It is as hard to invert as the signature of a token."""
    return hmac.digest(secret, b"fingerprint of the secret", "sha256").hex()[:FINGERPRINT_CHARS]


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _require_few(found: Sequence[str], path: Path) -> None:
    if len(found) > SECRETS_MAX:
        raise StoreUnusable(
            f"There are {len(found)} secrets in {path}, and at most {SECRETS_MAX} can be used at once. Remove the last "
            "lines, or run `obscura-backup rotate-secret --drop-old`."
        )


def _read(folder: int, path: Path) -> str:
    # Check the opened file and not the name, which can be changed to another file meanwhile.
    with opened_regular_file(path.name, follow_links=False, folder=folder) as (descriptor, described):
        if described.st_uid != os.geteuid():
            raise StoreUnusable(
                f"The signing secret {path} belongs to another user (id {described.st_uid}; this process runs as "
                f"{os.geteuid()}), who knows it. Remove it to have a new one created; its tokens then become invalid."
            )
        if described.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise StoreUnusable(f"Other users can read the signing secret {path}. Forbid it: chmod 600 {path}")
        return read_bounded(descriptor, _MAX_BYTES).decode("utf-8-sig")


def _create(folder: int) -> None:
    draft = _write_draft(folder, FILE_NAME, [secrets.token_urlsafe(SECRET_BYTES)])
    try:
        # Unlike a rename, a link never replaces the secret that another process has just created.
        with suppress(FileExistsError):
            os.link(draft, FILE_NAME, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        os.unlink(draft, dir_fd=folder)
    os.fsync(folder)  # or a power cut could lose the name, which would invalidate all tokens


def _write_draft(folder: int, name: str, lines: Sequence[str]) -> str:
    """A new file with these lines, on disk; its name."""
    draft = f".{name}.{secrets.token_hex(8)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        os.unlink(draft, dir_fd=folder)
        raise
    return draft
