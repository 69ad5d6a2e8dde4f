"""Where the keys come from that tokens are verified with: a secret, a JWKS file, or a JWKS URL.

The algorithm belongs to the key (RFC 8725, 3.1): it is read off the key's type here and never off a token.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from dataclasses import dataclass, field
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
"""How old a fetched key set may grow before it is fetched again."""
STALE_SECONDS = 2 * REFRESH_SECONDS
"""From this age on, whoever comes waits for the look: a key may have been withdrawn long ago."""
KEYS_MAX_AGE_SECONDS = 24 * 3600.0
"""How long keys stay good while the place where they are kept does not answer."""
RSA_MIN_BITS = 2048
"""RFC 7518, 3.3."""
MIN_REFETCH_INTERVAL_SECONDS = 30.0
"""How soon at the earliest an unknown key id, which any stranger can make up, leads to another look."""

# (key type, curve) -> algorithm
_ALGORITHMS = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
# What keys and tokens may call an algorithm, where it has more than one name: RFC 9864 (2.2) adds the second.
_NAMES = {"EdDSA": ("EdDSA", "Ed25519")}
_ABSENT: tuple[Any, ...] = (None, "", [])
"""Values of a key's member that some issuers write where they have nothing to say."""

with contextlib.suppress(ValueError):  # a later version of the library may know the name itself
    jwt.register_algorithm("Ed25519", jwt.get_algorithm_by_name("EdDSA"))


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One key and the only algorithm that it is used with."""

    algorithm: str
    key: Any = field(repr=False)
    key_id: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What a token may call this algorithm in its `alg`."""
        return _NAMES.get(self.algorithm, (self.algorithm,))


class KeySource(Protocol):
    """The keys that are good now."""

    async def keys(self, *, unknown_key_id: bool = False) -> Sequence[VerificationKey]:
        """The current keys: the same object as before as long as they are the same keys.

        Args:
            unknown_key_id: a token was signed by none of them: look again, unless that was just done.

        Raises:
            Unavailable: there are none yet, and the place where they are kept does not answer.
        """


class SecretKeySource:
    """One shared secret, for HS256."""

    def __init__(self, secret: str) -> None:
        self._keys = [VerificationKey("HS256", secret.encode())]

    async def keys(self, *, unknown_key_id: bool = False) -> Sequence[VerificationKey]:  # noqa: ARG002  # of the protocol
        """See `KeySource.keys`."""
        return self._keys


class JwksKeySource:
    """A JSON Web Key Set (RFC 7517) that is read again as it ages or as tokens name keys that it lacks.

    Args:
        read: gives the set's bytes; called in a thread.
        name: of the place, for messages.
        timeout_seconds: that reading may take as a whole.
        clock: seconds that only go forward.
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
        self._looking_again: asyncio.Task[None] | None = None

    @classmethod
    def file(cls, path: Path) -> JwksKeySource:
        """Keys in a file.

        Raises:
            StoreUnusable: it cannot be read, or holds no usable key: better told at start-up than at the first token.
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
        """Keys behind a URL, fetched when they are first needed, each time within `timeout_seconds`."""
        return cls(lambda: _fetch(url, timeout_seconds), _without_secrets(url), timeout_seconds=timeout_seconds)

    async def keys(self, *, unknown_key_id: bool = False) -> Sequence[VerificationKey]:
        """See `KeySource.keys`."""
        stale = self._age_seconds() > STALE_SECONDS and (self._lock.locked() or self._due(unknown_key_id=False))
        if not self._keys or stale or (unknown_key_id and self._due(unknown_key_id=True)):
            await self._look(unknown_key_id=unknown_key_id)
        elif self._due(unknown_key_id=False) and (self._looking_again is None or self._looking_again.done()):
            # Of age alone: nobody waits, lest a place that hangs holds up everybody who was known to it.
            self._looking_again = asyncio.create_task(self._look(unknown_key_id=False))
        if not self._keys or self._age_seconds() > KEYS_MAX_AGE_SECONDS:
            raise Unavailable(f"The key set {self._name} cannot be read.")
        return self._keys

    def _age_seconds(self) -> float:
        return self._clock() - self._read_at

    async def _look(self, *, unknown_key_id: bool) -> None:
        async with self._lock:  # whoever comes while the first look is under way waits for it
            if self._due(unknown_key_id=unknown_key_id):
                await self._refresh()

    def _due(self, *, unknown_key_id: bool) -> bool:
        now = self._clock()
        if now - self._tried_at < MIN_REFETCH_INTERVAL_SECONDS:
            return False
        return unknown_key_id or not self._keys or now - self._read_at > REFRESH_SECONDS

    async def _refresh(self) -> None:
        self._tried_at = self._clock()
        try:
            # A place that drips holds off the time-outs of its socket for ever, and whoever waits for keys with it.
            async with asyncio.timeout(self._timeout_seconds):
                data = await asyncio.to_thread(self._read)
            if data != self._data:  # the same keys stay the same object, by which it is seen whether they changed
                self._keys, self._data = parse_jwks(data), data
        except Exception as error:  # noqa: BLE001  # whatever it is, keys that were good go on being good
            log.warning("the key set %s cannot be read: %s", self._name, str(error) or type(error).__name__)
        else:
            self._read_at = self._tried_at


def parse_jwks(data: bytes) -> list[VerificationKey]:
    """The keys of a set that verify signatures and that we know an algorithm for: RS256, ES256, EdDSA.

    Raises:
        ValueError: it is no key set, or none of its keys is of use.
    """
    try:
        found = json.loads(data)
    except RecursionError as error:
        raise ValueError("not a JSON Web Key Set") from error
    entries = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(entries, list):
        raise ValueError("not a JSON Web Key Set")  # noqa: TRY004  # one kind of error for whatever the file holds
    keys = [key for entry in entries if (key := _key_of(entry)) is not None]
    if not keys:
        raise ValueError("it holds no key for RS256, ES256 or EdDSA")
    return keys


def _key_of(entry: Any) -> VerificationKey | None:
    """One entry of a set; None, with a warning in the log, where it does not serve: the others do."""
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
        log.warning("a key of the key set is damaged and passed over: %s", type(error).__name__)
        return None
    if not hasattr(key, "verify"):
        log.warning("a key of the key set is private, or none for signatures, and passed over")
        return None
    if algorithm == "RS256" and key.key_size < RSA_MIN_BITS:
        log.warning("an RSA key of %d bits is passed over: it takes %d", key.key_size, RSA_MIN_BITS)
        return None
    key_id = entry.get("kid")
    return VerificationKey(algorithm, key, None if key_id is None else str(key_id))


def _without_secrets(url: str) -> str:
    """A URL as messages name it: credentials or a query may hold a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _fetch(url: str, timeout_seconds: float) -> bytes:
    import urllib3  # noqa: PLC0415  # most services have no key set to fetch, and start without paying for it

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
