"""Credentials from a file that an operator may change while the service runs. botocore itself reads the file once."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.credentials import (  # type: ignore[import-untyped]  # botocore ships no types
    CredentialProvider,
    RefreshableCredentials,
    SharedCredentialProvider,
)
from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]  # as above

log = logging.getLogger(__name__)

LIVE = timedelta(minutes=10)
"""The file is read again before the next request after this time, or earlier; see `REREAD_SECONDS`."""
REREAD_SECONDS = 360
"""So long before the end of `LIVE`. obstore asks every 5 minutes, when that is less than this time away."""


class CredentialsFile(CredentialProvider):  # type: ignore[misc]  # as above
    """The provider of `~/.aws/credentials`, with credentials that are read again as if they expired."""

    METHOD = SharedCredentialProvider.METHOD
    CANONICAL_NAME = SharedCredentialProvider.CANONICAL_NAME

    def __init__(self, file: SharedCredentialProvider) -> None:
        super().__init__()
        self._file = file
        self._last: dict[str, Any] = {}

    def load(self) -> RefreshableCredentials | None:
        """The credentials in the file; None if it holds none."""
        found = self._file.load()
        if found is None:
            return None
        self._last = _facts(found)
        return RefreshableCredentials.create_from_metadata(
            self._until(), self._again, self.METHOD, advisory_timeout=REREAD_SECONDS, mandatory_timeout=0
        )

    def _again(self) -> dict[str, Any]:
        try:
            found = self._file.load()
        except BotoCoreError as error:
            found = None
            log.warning("the file of S3 credentials cannot be read: %s", type(error).__name__)
        if found is not None:
            self._last = _facts(found)
        return self._until()

    def _until(self) -> dict[str, Any]:
        return {**self._last, "expiry_time": (datetime.now(UTC) + LIVE).isoformat()}


def _facts(found: Any) -> dict[str, Any]:
    return {
        "access_key": found.access_key,
        "secret_key": found.secret_key,
        "token": found.token,
        "account_id": found.account_id,
    }
