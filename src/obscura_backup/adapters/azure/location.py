"""Where a container of Azure Blob Storage is, as one URL: `az://CONTAINER?endpoint=URL`. Imports no driver."""

from __future__ import annotations

import re

from obscura_backup.adapters.object_stores.blobs_url import BucketLocation, UrlForm


class AzureLocation(BucketLocation):
    """See `BucketLocation`. The bucket is a container.

    The endpoint is that of the storage account, such as `https://backups.privatelink.example` or, of an emulator,
    `http://127.0.0.1:10000/devstoreaccount1`.
    """

    __slots__ = ()

    FORM = UrlForm(
        form="az://CONTAINER?endpoint=URL",
        schemes=("az",),
        name=re.compile(r"(?=.{3,63}\Z)[a-z0-9](?:-?[a-z0-9])*"),
        wrong_name="its container name is not one that Azure allows",
        parameters=frozenset({"endpoint"}),
        wrong_parameters="it takes endpoint, once",
        credentials="the AZURE variables",
    )
