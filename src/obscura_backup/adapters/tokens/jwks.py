"""The keys that verify tokens: from a secret, a JWKS file, or a JWKS URL.

The algorithm belongs to the key (RFC 8725, 3.1): it comes from the type of the key, never from a token.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import jwt

from obscura_backup.adapters.regular_file import read_regular_file
from obscura_backup.domain.errors import StoreUnusable, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

log = logging.getLogger(__name__)

JWKS_MAX_BYTES = 1024 * 1024
FETCH_TIMEOUT_SECONDS = 5.0
REFRESH_SECONDS = 900.0
"""A key set older than this is ageing."""
STALE_SECONDS = 2 * REFRESH_SECONDS
"""A key set older than this is stale."""
KEYS_MAX_AGE_SECONDS = 24 * 3600.0
"""A key set older than this has expired."""
RSA_MIN_BITS = 2048
"""RFC 7518, 3.3."""
MIN_REFETCH_INTERVAL_SECONDS = 30.0
"""Between two fetches. Tokens may name any key id, so an unknown id must not cause a fetch each time."""

# (key type, curve) -> algorithm
_ALGORITHMS = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
# Algorithms with more than one name in keys and tokens: RFC 9864 (2.2) adds the second.
_NAMES = {"EdDSA": ("EdDSA", "Ed25519")}
_ABSENT: tuple[Any, ...] = (None, "", [])
"""Values that some issuers write for an absent member of a key."""

with contextlib.suppress(ValueError):  # a later version of the library may know the name itself
    jwt.register_algorithm("Ed25519", jwt.get_algorithm_by_name("EdDSA"))


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A key and the only algorithm that it is used with."""

    algorithm: str
    key: Any = field(repr=False)
    key_id: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of this algorithm in the `alg` of a token."""
        return _NAMES.get(self.algorithm, (self.algorithm,))


class Freshness(Enum):
    """Of a key set, by its age."""

    FRESH = auto()
    """Used."""
    AGEING = auto()
    """Used; fetched again in the background, so that a slow server delays no user."""
    STALE = auto()
    """Fetched again before it is used, since a key may have been withdrawn; used if that fails."""
    EXPIRED = auto()
    """Not used: there are no keys, or they are too old."""


class KeySource(Protocol):
    """A source of verification keys."""

    async def keys(self, *, unknown_key_id: bool = False) -> Sequence[VerificationKey]:
        """The current keys; the same object as before if they did not change.

        Args:
            unknown_key_id: none of the keys signed a token: fetch them again, unless that was just done.

        Raises:
            Unavailable: there are no keys, or they are too old, and they cannot be fetched.
        """


class SecretKeySource:
    """Shared secrets that do not change, for HS256."""

    def __init__(self, *secrets: str) -> None:
        self._keys = [VerificationKey("HS256", secret.encode()) for secret in secrets]

    async def keys(self, *, unknown_key_id: bool = False) -> Sequence[VerificationKey]:  # noqa: ARG002  # of the protocol
        """See `KeySource.keys`."""
        return self._keys


class JwksKeySource:
    """A JSON Web Key Set (RFC 7517), read again when it ages or a token names a key that it lacks.

    Args:
        read: gives the bytes of the set; called in a thread.
        name: of the source, for messages.
        timeout_seconds: how long reading may take in total.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        read: Callable[[], bytes],
        name: str,
        *,
        timeout_seconds: float = FETCH_TIMEOUT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._name = name
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._keys: Sequence[VerificationKey] = ()
        self._data = b""
        self._read_at = float("-inf")
        self._tried_at = float("-inf")
        self._lock = asyncio.Lock()
        self._background_fetch: asyncio.Task[None] | None = None

    @classmethod
    def file(cls, path: Path) -> JwksKeySource:
        """Keys in a file.

        Raises:
            StoreUnusable: it cannot be read, or holds no usable key.
        """
        source = cls(lambda: read_regular_file(path, JWKS_MAX_BYTES), str(path))
        try:
            source._keys = parse_jwks(source._read())
            source._read_at = source._clock()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StoreUnusable(f"The key set {path} cannot be used: {reason}.") from error
        return source

    @classmethod
    def url(cls, url: str, *, timeout_seconds: float = FETCH_TIMEOUT_SECONDS) -> JwksKeySource:
        """Keys at a URL, fetched when they are first needed, each time within `timeout_seconds`."""
        return cls(lambda: _fetch(url, timeout_seconds), _without_secrets(url), timeout_seconds=timeout_seconds)

    def age_seconds(self) -> float:
        """Since the keys were last read; infinity if they never were."""
        return self._clock() - self._read_at

    async def keys(self, *, unknown_key_id: bool = False) -> Sequence[VerificationKey]:
        """See `KeySource.keys`."""
        freshness = self._freshness()
        if freshness in (Freshness.STALE, Freshness.EXPIRED) or (unknown_key_id and self._may_fetch()):
            await self._fetch_if_due(unknown_key_id=unknown_key_id)
        elif freshness is Freshness.AGEING and (self._background_fetch is None or self._background_fetch.done()):
            self._background_fetch = asyncio.create_task(self._fetch_if_due(unknown_key_id=False))
        if self._freshness() is Freshness.EXPIRED:
            raise Unavailable(f"The key set {self._name} cannot be read.")
        return self._keys

    def _freshness(self) -> Freshness:
        age_seconds = self.age_seconds()
        if age_seconds > KEYS_MAX_AGE_SECONDS or not self._keys:
            return Freshness.EXPIRED
        if age_seconds > STALE_SECONDS:
            return Freshness.STALE
        return Freshness.AGEING if age_seconds > REFRESH_SECONDS else Freshness.FRESH

    def _may_fetch(self) -> bool:
        return self._clock() - self._tried_at >= MIN_REFETCH_INTERVAL_SECONDS

    async def _fetch_if_due(self, *, unknown_key_id: bool) -> None:
        async with self._lock:  # later callers wait for the fetch of the first
            if self._may_fetch() and (unknown_key_id or self._freshness() is not Freshness.FRESH):
                await self._fetch()

    async def _fetch(self) -> None:
        self._tried_at = self._clock()
        try:
            # A server that sends a byte now and then never reaches the time-outs of the socket.
            async with asyncio.timeout(self._timeout_seconds):
                data = await asyncio.to_thread(self._read)
            if data != self._data:  # unchanged keys stay the same object, by which callers see a change
                self._keys, self._data = parse_jwks(data), data
        except Exception as error:  # noqa: BLE001  # after any failure, the keys that are known stay good
            log.warning("the key set %s cannot be read: %s", self._name, str(error) or type(error).__name__)
        else:
            self._read_at = self._tried_at


def parse_jwks(data: bytes) -> list[VerificationKey]:
    """The keys of a set that verify signatures by RS256, ES256 or EdDSA.

    Raises:
        ValueError: it is no key set, or none of its keys is usable.
    """
    try:
        found = json.loads(data)
    except RecursionError as error:
        raise ValueError("not a JSON Web Key Set") from error
    entries = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(entries, list):
        raise ValueError("not a JSON Web Key Set")  # noqa: TRY004  # one kind of error for any content
    keys = [key for entry in entries if (key := _key_of(entry)) is not None]
    if not keys:
        raise ValueError("it holds no key for RS256, ES256 or EdDSA")
    return keys


def _key_of(entry: Any) -> VerificationKey | None:
    """The key of one entry; None if it is not usable. Damaged keys are logged, and the others are used."""
    if not isinstance(entry, dict):
        return None
    entry = {name: value for name, value in entry.items() if value not in _ABSENT}
    operations = entry.get("key_ops", ["verify"])
    if entry.get("use", "sig") != "sig" or not (isinstance(operations, list) and "verify" in operations):
        return None
    kind, curve = str(entry.get("kty")), entry.get("crv")
    algorithm = _ALGORITHMS.get((kind, curve if curve is None else str(curve)))
    if algorithm is None or entry.get("alg", algorithm) not in _NAMES.get(algorithm, (algorithm,)):
        return None
    try:
        key = jwt.PyJWK(entry, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        log.warning("a damaged key of the key set is ignored: %s", type(error).__name__)
        return None
    if not hasattr(key, "verify"):
        log.warning("a key of the key set is ignored: it is private, or not for signatures")
        return None
    if algorithm == "RS256" and key.key_size < RSA_MIN_BITS:
        log.warning("an RSA key of %d bits is ignored: at least %d are required", key.key_size, RSA_MIN_BITS)
        return None
    key_id = entry.get("kid")
    return VerificationKey(algorithm, key, None if key_id is None else str(key_id))


def _without_secrets(url: str) -> str:
    """A URL for messages, without credentials and query, which may hold a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _fetch(url: str, timeout_seconds: float) -> bytes:
    import urllib3  # noqa: PLC0415  # most services fetch no key set, and start faster without it

    response = urllib3.request(
        "GET", url, timeout=timeout_seconds, retries=False, redirect=False, preload_content=False
    )
    try:
        if response.status != 200:  # noqa: PLR2004  # OK
            raise ValueError(f"it answers with status {response.status}")
        data = response.read(JWKS_MAX_BYTES + 1)
    finally:
        response.release_conn()
    if len(data) > JWKS_MAX_BYTES:
        raise ValueError("it is too long")
    return data
