"""Keys from a file of shared secrets that may change while the service runs, and keys from two sources together."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, TypeAlias

from obscura_backup.adapters.tokens.jwks import VerificationKey
from obscura_backup.domain.errors import StoreUnusable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from obscura_backup.adapters.tokens.jwks import JwksKeySource, KeySource

    Status: TypeAlias = tuple[int, ...] | None

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""Between two looks at the status of the file."""


class SecretFileKeySource:
    """Shared secrets for HS256, newest first. The file is read again after it was changed or replaced.

    Args:
        path: of the file.
        read: gives the secrets in it.
        clock: a monotonic clock, in seconds.

    Raises:
        StoreUnusable: as `read`. Later failures are logged, and the known secrets stay valid.
    """

    def __init__(
        self, path: Path, read: Callable[[], Sequence[str]], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._read = read
        self._clock = clock
        self._looked_at = clock()
        self._status = _status(path)  # before reading, so that a change in between is noticed later
        self._secrets = tuple(read())
        self._keys = _keys(self._secrets)

    async def keys(self, *, unknown_key_id: bool = False) -> Sequence[VerificationKey]:
        """See `KeySource.keys`. A look costs microseconds, so each unknown signature is worth one."""
        now = self._clock()
        if unknown_key_id or now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            self._look()
        return self._keys

    def _look(self) -> None:
        status = _status(self._path)
        if status == self._status:
            return
        self._status = status
        try:
            found = tuple(self._read())
        except StoreUnusable as error:
            log.warning("the secrets stay as they were, since the changed file cannot be used: %s", error)
            return
        if found != self._secrets:  # unchanged keys stay the same object, by which callers see a change
            self._secrets, self._keys = found, _keys(found)
            log.info("the secrets in %s were read again: there are %d", self._path, len(found))


class CombinedKeySource:
    """The keys of a key set and of secrets together, for the time of a move from one to the other.

    Attributes:
        key_set: the source of the key set.
    """

    def __init__(self, key_set: JwksKeySource, secrets: KeySource) -> None:
        self.key_set = key_set
        self._sources = key_set, secrets
        self._parts: tuple[Sequence[VerificationKey], ...] = ()
        self._keys: Sequence[VerificationKey] = ()

    async def keys(self, *, unknown_key_id: bool = False) -> Sequence[VerificationKey]:
        """See `KeySource.keys`. All sources are needed: without one, a valid token could be refused as unknown."""
        parts = tuple([await source.keys(unknown_key_id=unknown_key_id) for source in self._sources])
        if len(parts) != len(self._parts) or any(new is not old for new, old in zip(parts, self._parts, strict=True)):
            self._parts = parts
            self._keys = [key for part in parts for key in part]
        return self._keys


def _keys(found: Sequence[str]) -> list[VerificationKey]:
    return [VerificationKey("HS256", secret.encode()) for secret in found]


def _status(path: Path) -> Status:
    """What changes if the file is written, replaced, or given other permissions."""
    try:
        found = os.stat(path)  # noqa: PTH116  # as fast as can be: it is on the way of requests
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
