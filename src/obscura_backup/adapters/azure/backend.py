"""Azure Blob Storage by obstore.

The tag of a blob is its ETag, which Azure changes with every write. It compares `If-Match` and `If-None-Match: *` when
it stores an upload.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from obstore.store import AzureStore

from obscura_backup.adapters.object_stores.errors import Advice
from obscura_backup.adapters.object_stores.metadata import NAMES
from obscura_backup.adapters.object_stores.obstore_driver.backend import Backend
from obscura_backup.domain.errors import StoreUnusable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obstore.store import ObjectStore

    from obscura_backup.adapters.azure.location import AzureLocation

_ACCOUNT = "AZURE_STORAGE_ACCOUNT_NAME"
_KEY = "AZURE_STORAGE_ACCOUNT_KEY"
_SAS = "AZURE_STORAGE_SAS_TOKEN"
_CONNECTION_STRING = "AZURE_STORAGE_CONNECTION_STRING"
_OTHER_CREDENTIALS = (
    _KEY,
    _SAS,
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_MASTER_KEY",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_TOKEN",
    "AZURE_STORAGE_CLIENT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_USE_AZURE_CLI",
)
"""The variables of obstore; without them it asks for the managed identity of the machine."""
_CREDENTIALS = "set AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, or give this machine a managed identity"


def _without_hyphens(name: str) -> str:
    return name.replace("-", "")


_OUR_NAMES = {_without_hyphens(name): name for name in NAMES}


class AzureBackend(Backend):
    """A container of Azure Blob Storage.

    Args:
        location: of the container.
    """

    cloud = "Azure"
    configuration = "the AZURE variables and the file of {certificates}"
    encryption_key = "AZURE_STORAGE_ENCRYPTION_KEY"
    absent_code = "BlobNotFound"
    has_suffix_ranges = False

    def __init__(self, location: AzureLocation) -> None:
        super().__init__(location, _advice_for(location))
        self._location = location

    def _make_store(self, **options: Any) -> ObjectStore:
        # The token of an identity is fetched with the first request.
        if _is_set(_CONNECTION_STRING) and not _is_set(*_OTHER_CREDENTIALS):
            raise StoreUnusable(
                f"{_CONNECTION_STRING} is not supported: set {_ACCOUNT} to its AccountName, and {_KEY} to its "
                f"AccountKey or {_SAS} to its SharedAccessSignature; or unset it to use the identity of this machine."
            )
        if not _is_set(_ACCOUNT):
            raise StoreUnusable(f"There is no storage account for Azure: set {_ACCOUNT}.")
        if not self._location.has_tls:
            options["credential_type"] = _credential_type_without_tls(self._location)
        if self._location.endpoint:
            options["endpoint"] = self._location.endpoint.rstrip("/")
        # With `use_emulator` it would leave the endpoint out of account.
        return AzureStore(self.bucket, use_emulator=False, **options)

    def stored_metadata(self, metadata: dict[str, str]) -> dict[str, str]:
        """See `Backend.stored_metadata`. Azure's names are identifiers of C#, so that they have no hyphens."""
        return {_without_hyphens(name): value for name, value in metadata.items()}

    def our_metadata(self, stored: Mapping[str, str]) -> Mapping[str, str]:
        """See `Backend.our_metadata`."""
        return {_OUR_NAMES.get(name.lower(), name): value for name, value in stored.items()}


def _credential_type_without_tls(location: AzureLocation) -> str:
    """The one kind of credential that obstore may use, whatever other variables are set.

    A key only signs requests. A SAS token is part of them, so that it must stay on this machine; so would a token of an
    identity, which no emulator needs.
    """
    if _is_set(_KEY):
        return "access_key"
    if _is_set(_SAS) and location.is_loopback:
        return "sas_token"
    raise StoreUnusable(
        f"There are no credentials for Azure that an http: endpoint may get: set {_KEY} (or, for an endpoint on this "
        f"machine, {_SAS}), or use an https: endpoint."
    )


def _is_set(*names: str) -> bool:
    return any(os.environ.get(name) for name in names)


def _advice_for(location: AzureLocation) -> Advice:
    keys = "check AZURE_STORAGE_ACCOUNT_NAME, its key or token, the clock of this machine"
    role = "the identity needs the role Storage Blob Data Contributor for this container"
    container = f"make the container with `az storage container create --name {location.bucket}`"
    return Advice(
        by_code={
            "AuthenticationFailed": keys,
            "AuthorizationFailure": f"{keys}, and the network rules of the storage account",
            "AuthorizationPermissionMismatch": role,
            "ContainerNotFound": container,
            "InvalidAuthenticationInfo": keys,
            "KeyBasedAuthenticationNotPermitted": "the storage account takes no account keys: use an identity",
            "NoAuthenticationInformation": keys,
        },
        credential_codes=frozenset(
            {
                "AuthenticationFailed",
                "AuthorizationFailure",
                "AuthorizationPermissionMismatch",
                "InvalidAuthenticationInfo",
                "KeyBasedAuthenticationNotPermitted",
                "NoAuthenticationInformation",
            }
        ),
        unconditional_codes=frozenset(
            {
                "AccountBeingCreated",
                "BlobArchived",
                "BlobBeingRehydrated",
                "BlobImmutableDueToPolicy",
                "ContainerBeingDeleted",
                "ContainerDisabled",
                "InvalidBlobType",
                "LeaseIdMismatchWithBlobOperation",
                "LeaseIdMissing",
                "LeaseLost",
                "PendingCopyOperation",
                "SnapshotsPresent",
            }
        ),
        credentials=_CREDENTIALS,
    )
