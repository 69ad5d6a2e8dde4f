"""Where a container of Azure Blob Storage is, as one URL: `az://CONTAINER?endpoint=URL`. Imports no driver."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from obscura_backup.adapters.object_stores.blobs_url import UrlForm

_FORM = UrlForm(
    form="az://CONTAINER?endpoint=URL",
    schemes=("az",),
    name=re.compile(r"(?=.{3,63}\Z)[a-z0-9](?:-?[a-z0-9])*"),
    wrong_name="its container name is not one that Azure allows",
    parameters=frozenset({"endpoint"}),
    wrong_parameters="it takes endpoint, once",
    credentials="the AZURE variables",
)


@dataclass(frozen=True, slots=True)
class AzureLocation:
    """A container and how to reach it.

    Attributes:
        bucket: its name.
        endpoint: of the storage account, such as `https://backups.privatelink.example` or, of an emulator,
            `http://127.0.0.1:10000/devstoreaccount1`; None: Azure's public one.
    """

    bucket: str
    endpoint: str | None = None

    @property
    def is_emulator(self) -> bool:
        """Whether the server has no TLS, as no server of Azure's that a token may be sent to."""
        return self.endpoint is not None and self.endpoint.startswith("http:")

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read an `az:` URL.

        Raises:
            ValueError: it is malformed. The message quotes none of it.
        """
        bucket, given = _FORM.parse(url)
        return cls(bucket, given.get("endpoint"))
