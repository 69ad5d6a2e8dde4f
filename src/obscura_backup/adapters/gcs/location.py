"""Where a bucket of Google Cloud Storage is, as one URL: `gs://BUCKET?endpoint=URL`. Imports no driver."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from obscura_backup.adapters.object_stores.blobs_url import UrlForm

GOOGLE = "https://storage.googleapis.com"

_FORM = UrlForm(
    form="gs://BUCKET?endpoint=URL",
    schemes=("gs",),
    name=re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]"),
    wrong_name="its bucket name is not one that Google Cloud Storage allows",
    parameters=frozenset({"endpoint"}),
    wrong_parameters="it takes endpoint, once",
    credentials="GOOGLE_APPLICATION_CREDENTIALS or from the machine",
)


@dataclass(frozen=True, slots=True)
class GcsLocation:
    """A bucket and how to reach it.

    Attributes:
        bucket: its name.
        endpoint: of a server other than Google's public one; None: that one. Requests to an `http:` endpoint, which
            an emulator has, carry no credentials.
    """

    bucket: str
    endpoint: str | None = None

    @property
    def is_emulator(self) -> bool:
        """Whether the server has no TLS, as no server of Google's."""
        return self.endpoint is not None and self.endpoint.startswith("http:")

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a `gs:` URL.

        Raises:
            ValueError: it is malformed. The message quotes none of it.
        """
        bucket, given = _FORM.parse(url)
        return cls(bucket, given.get("endpoint"))
