"""Where a bucket of Google Cloud Storage is, as one URL: `gs://BUCKET?endpoint=URL`. Imports no driver."""

from __future__ import annotations

import re

from obscura_backup.adapters.object_stores.blobs_url import BucketLocation, UrlForm


class GcsLocation(BucketLocation):
    """See `BucketLocation`. Requests to an `http:` endpoint, which an emulator has, carry no credentials."""

    __slots__ = ()

    FORM = UrlForm(
        form="gs://BUCKET?endpoint=URL",
        schemes=("gs",),
        name=re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]"),
        wrong_name="its bucket name is not one that Google Cloud Storage allows",
        parameters=frozenset({"endpoint"}),
        wrong_parameters="it takes endpoint, once",
        credentials="GOOGLE_APPLICATION_CREDENTIALS or from the machine",
    )
