"""Obscura Backup, the client: seals, merges and restores an identity and its contacts.

Importing the package loads nothing but this file; what is named below is loaded at its first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obscura_backup_client.async_client import AsyncBackupClient
    from obscura_backup_client.editing import NewContact
    from obscura_backup_client.errors import (
        ClientError,
        DifferentKey,
        IdentityConflict,
        IdentityReplaced,
        NameRefused,
        PushContended,
        RollbackSuspected,
        TooManyContacts,
        WrongPassword,
    )
    from obscura_backup_client.merge import Keep
    from obscura_backup_client.parameters import PROFILES, KdfParameters
    from obscura_backup_client.sealed import SealingKey
    from obscura_backup_client.state_errors import StateBusy, StateMissing
    from obscura_backup_client.sync import BackupClient
    from obscura_backup_client.transport_errors import (
        BackupLost,
        NotFound,
        OutcomeUnknown,
        RateLimited,
        Unauthorized,
        Unavailable,
    )
    from obscura_backup_client.unlocking import Purpose

__version__ = "0.1.0"

__all__ = [
    "PROFILES",
    "AsyncBackupClient",
    "BackupClient",
    "BackupLost",
    "ClientError",
    "DifferentKey",
    "IdentityConflict",
    "IdentityReplaced",
    "KdfParameters",
    "Keep",
    "NameRefused",
    "NewContact",
    "NotFound",
    "OutcomeUnknown",
    "Purpose",
    "PushContended",
    "RateLimited",
    "RollbackSuspected",
    "SealingKey",
    "StateBusy",
    "StateMissing",
    "TooManyContacts",
    "Unauthorized",
    "Unavailable",
    "WrongPassword",
    "__version__",
]

_HOMES = {
    "PROFILES": "parameters",
    "AsyncBackupClient": "async_client",
    "BackupClient": "sync",
    "BackupLost": "transport_errors",
    "ClientError": "errors",
    "DifferentKey": "errors",
    "IdentityConflict": "errors",
    "IdentityReplaced": "errors",
    "KdfParameters": "parameters",
    "Keep": "merge",
    "NameRefused": "errors",
    "NewContact": "editing",
    "NotFound": "transport_errors",
    "OutcomeUnknown": "transport_errors",
    "Purpose": "unlocking",
    "PushContended": "errors",
    "RateLimited": "transport_errors",
    "RollbackSuspected": "errors",
    "SealingKey": "sealed",
    "StateBusy": "state_errors",
    "StateMissing": "state_errors",
    "TooManyContacts": "errors",
    "Unauthorized": "transport_errors",
    "Unavailable": "transport_errors",
    "WrongPassword": "errors",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
