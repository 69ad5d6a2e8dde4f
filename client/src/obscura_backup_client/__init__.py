"""The Obscura Backup client: seals, merges and restores an identity and its contacts.

Importing the package loads only this file. The public names below are loaded at their first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from obscura_backup_client.version import __version__

if TYPE_CHECKING:
    from obscura_backup_client.async_client import AsyncBackupClient
    from obscura_backup_client.client import BackupClient
    from obscura_backup_client.content.editing import NewContact
    from obscura_backup_client.content.errors import (
        IdentityConflict,
        IdentityReplaced,
        NameRefused,
        TooManyContacts,
        UnknownContact,
    )
    from obscura_backup_client.content.merge import Keep
    from obscura_backup_client.device.errors import StateBusy, StateMissing
    from obscura_backup_client.errors import ClientError
    from obscura_backup_client.operations.errors import PushContended, RollbackSuspected
    from obscura_backup_client.operations.keys import Purpose
    from obscura_backup_client.operations.previews import Preview
    from obscura_backup_client.sealing.errors import DifferentKey, WrongPassword
    from obscura_backup_client.sealing.kdf_parameters import PROFILES, KdfParameters
    from obscura_backup_client.sealing.sealed import SealingKey
    from obscura_backup_client.transport.errors import (
        BackupLost,
        NotFound,
        OutcomeUnknown,
        RateLimited,
        Unauthorized,
        Unavailable,
    )

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
    "Preview",
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
    "UnknownContact",
    "WrongPassword",
    "__version__",
]

_HOMES = {
    "PROFILES": "sealing.kdf_parameters",
    "AsyncBackupClient": "async_client",
    "BackupClient": "client",
    "BackupLost": "transport.errors",
    "ClientError": "errors",
    "DifferentKey": "sealing.errors",
    "IdentityConflict": "content.errors",
    "IdentityReplaced": "content.errors",
    "KdfParameters": "sealing.kdf_parameters",
    "Keep": "content.merge",
    "NameRefused": "content.errors",
    "NewContact": "content.editing",
    "NotFound": "transport.errors",
    "OutcomeUnknown": "transport.errors",
    "Preview": "operations.previews",
    "Purpose": "operations.keys",
    "PushContended": "operations.errors",
    "RateLimited": "transport.errors",
    "RollbackSuspected": "operations.errors",
    "SealingKey": "sealing.sealed",
    "StateBusy": "device.errors",
    "StateMissing": "device.errors",
    "TooManyContacts": "content.errors",
    "Unauthorized": "transport.errors",
    "Unavailable": "transport.errors",
    "UnknownContact": "content.errors",
    "WrongPassword": "sealing.errors",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
