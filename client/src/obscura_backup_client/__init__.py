"""Obscura Backup, the client: seals, merges and restores an identity and its contacts.

Importing the package loads nothing but this file; what is named below is loaded at its first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obscura_backup_client.async_client import AsyncBackupClient
    from obscura_backup_client.editing import NewContact
    from obscura_backup_client.errors import ClientError
    from obscura_backup_client.merge import Keep
    from obscura_backup_client.parameters import PROFILES, KdfParameters
    from obscura_backup_client.sealed import SealingKey
    from obscura_backup_client.sync import BackupClient
    from obscura_backup_client.unlocking import Purpose

__version__ = "0.1.0"

__all__ = [
    "PROFILES",
    "AsyncBackupClient",
    "BackupClient",
    "ClientError",
    "KdfParameters",
    "Keep",
    "NewContact",
    "Purpose",
    "SealingKey",
    "__version__",
]

_HOMES = {
    "PROFILES": "parameters",
    "AsyncBackupClient": "async_client",
    "BackupClient": "sync",
    "ClientError": "errors",
    "KdfParameters": "parameters",
    "Keep": "merge",
    "NewContact": "editing",
    "Purpose": "unlocking",
    "SealingKey": "sealed",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
