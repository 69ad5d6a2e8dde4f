"""Google Cloud Storage by obstore, over its XML API.

The tag of an object is its generation. Google gives each new version of an object a generation that no other version
has, and compares it with `x-goog-if-generation-match` when it stores an upload (0: there is no object). An `If-Match`
on an upload is not among its conditions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obstore.store import GCSStore

from obscura_backup.adapters.object_stores.errors import Advice, TransientFailure
from obscura_backup.adapters.object_stores.obstore_driver.backend import Backend
from obscura_backup.domain.model import Tag

if TYPE_CHECKING:
    from obstore import ObjectMeta, PutMode, PutResult
    from obstore.store import GCSCredential, ObjectStore

    from obscura_backup.adapters.gcs.location import GcsLocation

_PUBLIC = "https://storage.googleapis.com"
_CREDENTIALS = "set GOOGLE_APPLICATION_CREDENTIALS, or give this machine a service account"
_ANONYMOUS: GCSCredential = {"token": "anonymous", "expires_at": None}


class GcsBackend(Backend):
    """A bucket of Google Cloud Storage.

    Args:
        location: of the bucket.
    """

    cloud = "Google Cloud Storage"
    configuration = "the file of GOOGLE_APPLICATION_CREDENTIALS and that of {certificates}"

    def __init__(self, location: GcsLocation) -> None:
        super().__init__(location, _advice_for(location))
        self._location = location

    def _make_store(self, **options: Any) -> ObjectStore:
        # A token is fetched with the first request. It would go to an emulator in the clear.
        if not self._location.has_tls:
            options["credential_provider"] = lambda: _ANONYMOUS
        return GCSStore(self.bucket, base_url=(self._location.endpoint or _PUBLIC).rstrip("/"), **options)

    def condition_on(self, replaces: Tag | None) -> PutMode:
        """See `Backend.condition_on`."""
        return "create" if replaces is None else {"version": str(replaces)}

    def tag_of(self, answer: PutResult | ObjectMeta) -> Tag:
        """See `Backend.tag_of`."""
        generation = answer["version"]
        if not generation:
            raise TransientFailure("The blob store named no generation.")
        return Tag(generation)


def _advice_for(location: GcsLocation) -> Advice:
    rights = "the service account needs storage.objects.create, delete, get and list in this bucket"
    return Advice(
        by_code={
            "401": _CREDENTIALS,
            "AccessDenied": rights,
            "AuthenticationRequired": _CREDENTIALS,
            "NoSuchBucket": f"make the bucket with `gcloud storage buckets create gs://{location.bucket}`",
        },
        credential_codes=frozenset({"401", "AccessDenied", "AuthenticationRequired"}),
        credentials=_CREDENTIALS,
        condition_headers=("x-goog-if-generation-match",) * 2,
    )
