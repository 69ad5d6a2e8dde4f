"""Devices of one person on one server in memory, with a key that needs no derivation."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from obscura_backup_client.client import BackupClient
from obscura_backup_client.device.directory import StateDirectory
from obscura_backup_client.device.state import Account
from obscura_backup_client.operations.results import RestorePreview
from obscura_backup_client.sealing.kdf_parameters import PROFILES
from obscura_backup_client.sealing.sealed import SealingKey
from support.client.contents import NOW_MS
from support.client.server_in_memory import ServerInMemory

USER = UUID("99999999-8888-4777-8666-555555555555")
ACCOUNT = Account("https://backup.example", USER)
LOW_MEMORY = PROFILES["low-memory"]
# What a password would come to: most facts here do not depend on how a key was derived, and deriving takes long.
KEY = SealingKey(LOW_MEMORY, b"s" * 16, b"r" * 32)

Device = Callable[..., BackupClient]


def counting_random(first: int = 1) -> Callable[[int], bytes]:
    """Bytes that never repeat, so that all devices and nonces differ; `first` is the start."""
    numbers = itertools.count(first)
    return lambda count: hashlib.shake_256(next(numbers).to_bytes(8, "big")).digest(count)


def devices(folder: Path, server: ServerInMemory, first: int = 1) -> Device:
    """Make a device by name; its clock advances by a second per reading, and it does not sleep.

    Random bytes and the clock start at number `first`.
    """
    random, clock = counting_random(first), itertools.count(NOW_MS + (first - 1) * 1000, 1000)

    def make(name: str, **others: Any) -> BackupClient:
        defaults: dict[str, Any] = {
            "transport": server,
            "account": ACCOUNT,
            "random": random,
            "now_ms": lambda: next(clock),
            "sleep": lambda _: None,
            "jitter": lambda: 0.5,
        }
        return BackupClient(StateDirectory(folder / name), **{**defaults, **others})

    return make


def yes(_found: RestorePreview) -> bool:
    return True


def names(client: BackupClient) -> set[str]:
    return {contact.username for contact in client.contacts()}
