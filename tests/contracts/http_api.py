"""What the HTTP API promises, spoken over a real port. Run over every pair of stores by a `service` fixture."""

from __future__ import annotations

from contracts.http_downloads import DeletionContract, DownloadContract
from contracts.http_service import AuthenticationContract, OperationsContract
from contracts.http_uploads import UploadContract


class BackupContract(UploadContract, DownloadContract, DeletionContract):
    """What a store has a part in."""


class HttpContract(BackupContract, AuthenticationContract, OperationsContract):
    """All of it."""
