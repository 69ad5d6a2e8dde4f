"""Keys that change while the service runs: the secret in the data directory, and a key set beside it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from obscura_backup.adapters.tokens.secret_file import LOOK_SECONDS
from support.servers.command import run
from support.servers.service import Service

GONE_SECONDS = LOOK_SECONDS + 10
"""A look every two seconds, on a machine that may be busy."""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts a service on the secrets of its data directory, with more settings."""
    services: list[Service] = []

    def started(**environment: str) -> Service:
        service = Service(tmp_path / "data", {"OBSCURA_BACKUP_AUTH_SECRET": "", **environment})
        services.append(service)
        service.start()
        return service

    yield started
    for service in services:
        assert service.stop() == 0


def status(service: Service, token: str) -> int:
    return service.request("GET", token=token).status


def rotate(service: Service, *options: str) -> None:
    result = run("rotate-secret", "--data-dir", str(service.data_dir), *options)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_secret_is_rotated_without_a_restart_or_a_refused_token(start: Callable[..., Service], workers: str) -> None:
    service = start(OBSCURA_BACKUP_WORKERS=workers)
    old = service.token(uuid4())
    assert status(service, old) == 404  # accepted: there is no backup yet
    rotate(service)
    new = service.token(uuid4())
    assert [status(service, token) for token in (new, old) * 4] == [404] * 8
    rotate(service, "--drop-old")
    deadline = time.monotonic() + GONE_SECONDS
    while {status(service, old) for _ in range(8)} != {401} and time.monotonic() < deadline:
        time.sleep(0.1)
    assert {status(service, old) for _ in range(8)} == {401}
    assert status(service, new) == 404


class KeySet:
    """A key set in a file, and tokens by its keys."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: dict[str, ed25519.Ed25519PrivateKey] = {}

    def publish(self, *key_ids: str) -> None:
        for key_id in key_ids:
            self._keys.setdefault(key_id, ed25519.Ed25519PrivateKey.generate())
        draft = self._path.with_suffix(".draft")
        draft.write_text(json.dumps({"keys": [self._public(key_id) for key_id in key_ids]}))
        draft.replace(self._path)

    def _public(self, key_id: str) -> dict[str, Any]:
        library = jwt.get_algorithm_by_name("EdDSA")
        return {**json.loads(library.to_jwk(self._keys[key_id].public_key())), "kid": key_id}

    def token(self, key_id: str) -> str:
        claims = {"sub": str(uuid4()), "exp": int(time.time()) + 600}
        return jwt.encode(claims, self._keys[key_id], "EdDSA", headers={"kid": key_id})


def test_key_set_is_rotated_without_a_restart_and_stands_beside_a_secret(
    start: Callable[..., Service], tmp_path: Path
) -> None:
    secret = start()
    token_of_secret = secret.token(uuid4())
    assert secret.stop() == 0
    keys = KeySet(tmp_path / "keys.json")
    keys.publish("first")
    service = start(
        OBSCURA_BACKUP_AUTH_JWKS=str(tmp_path / "keys.json"),
        OBSCURA_BACKUP_AUTH_SECRET_FILE=str(tmp_path / "data" / "auth-secret"),
    )
    assert [status(service, token) for token in (token_of_secret, keys.token("first"))] == [404, 404]
    keys.publish("first", "second")
    assert [status(service, keys.token(key_id)) for key_id in ("second", "first")] == [404, 404]
    assert status(service, token_of_secret) == 404
