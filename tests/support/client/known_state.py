"""A device's state before it uses a hostile server, and checks that it is unchanged afterwards."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from obscura_backup_client.client import BackupClient
from obscura_backup_client.errors import ClientError
from support.client.devices import KEY, USER
from support.client.hostile_server import reply

CAROL, SOMEBODY_ELSE = UUID(int=3), UUID(int=4)
# A JWT's form: header, claims, signature.
TOKEN = f"e30.{base64.urlsafe_b64encode(json.dumps({'sub': str(USER)}).encode()).decode().rstrip('=')}.c2ln"

Phone = Callable[..., BackupClient]


@dataclass(frozen=True)
class Elsewhere:
    """Another server on this machine, where no connection should ever arrive."""

    address: str
    arrived: list[int]


@dataclass(frozen=True)
class KnownState:
    """A state that pushed versions 1 and 2 and has an edit that was not pushed, and the two blobs."""

    state: Path
    first: bytes
    latest: bytes
    foreign: bytes


def files(client: BackupClient) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in client.directory.path.iterdir()}


def require_nothing_from(client: BackupClient, error: type[ClientError], secret: Any = KEY) -> ClientError:
    """Push and restore; both raise this error, and the state file is unchanged."""
    before = files(client)
    with pytest.raises(error) as pushed:
        client.push(secret)
    with pytest.raises(error) as restored:
        client.restore(secret, confirm=lambda _: True)
    assert (type(pushed.value), type(restored.value)) == (error, error)
    assert files(client) == before
    return pushed.value


def honest(blob: bytes, version: int = 2, *lines: str) -> bytes:
    return reply(200, blob, f'ETag: "{version}"', *lines)
