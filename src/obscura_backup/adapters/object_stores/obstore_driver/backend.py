"""What differs between the kinds of stores that obstore speaks to."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from obscura_backup.adapters.object_stores.errors import TransientFailure
from obscura_backup.adapters.object_stores.obstore_driver.client_options import NO_RETRIES, client_options
from obscura_backup.domain.errors import StoreUnusable
from obscura_backup.domain.model import Tag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obstore import ObjectMeta, PutMode, PutResult
    from obstore.store import ObjectStore

    from obscura_backup.adapters.object_stores.blobs_url import BucketLocation
    from obscura_backup.adapters.object_stores.errors import Advice


class Backend(ABC):
    """One bucket of one kind of store. The defaults fit stores whose tags are ETags.

    Args:
        location: of the bucket.
        advice: for its operator.
    """

    cloud: ClassVar[str]
    """Its name in messages."""
    configuration: ClassVar[str]
    """What an operator checks when obstore refuses the configuration; `{certificates}` is filled in."""
    absent_code: ClassVar[str] = "NoSuchKey"
    """The error code of a GET of a missing object. Another code means that the bucket is missing."""
    has_suffix_ranges: ClassVar[bool] = True
    """Whether a GET may ask for the last bytes of an object without its size."""

    encryption_key: ClassVar[str | None] = None
    """A variable with a key that obstore would send along, for the store to encrypt with."""

    def __init__(self, location: BucketLocation, advice: Advice) -> None:
        self.bucket = location.bucket
        self.advice = advice
        self._has_tls = location.has_tls

    def make_store(self, *, connect_timeout_seconds: float, read_timeout_seconds: float | None) -> ObjectStore:
        """Find credentials and make the client; sends no request to the store, and may block.

        Args:
            connect_timeout_seconds: for making a connection.
            read_timeout_seconds: from the start of a request to the head of its answer, and then for each further
                piece; None: no limit.

        Raises:
            StoreUnusable: there are no credentials, they would be sent in the clear, or the configuration is invalid.
        """
        if self.encryption_key is not None and os.environ.get(self.encryption_key) and not self._has_tls:
            raise StoreUnusable(
                f"{self.encryption_key} would be sent in the clear to an http: endpoint: unset it (backups are "
                "encrypted without it), or use an https: endpoint."
            )
        try:
            return self._make_store(
                client_options=client_options(
                    has_tls=self._has_tls,
                    connect_timeout_seconds=connect_timeout_seconds,
                    read_timeout_seconds=read_timeout_seconds,
                    certificates=self.advice.certificates,
                ),
                retry_config=NO_RETRIES,
            )
        except StoreUnusable:
            raise
        except Exception as error:  # noqa: BLE001  # obstore and botocore share no class; their texts may quote a key
            what = self.configuration.format(certificates=self.advice.certificates)
            raise StoreUnusable(
                f"The configuration of {self.cloud} is invalid ({type(error).__name__}): check {what}."
            ) from None

    @abstractmethod
    def _make_store(self, **options: Any) -> ObjectStore:
        """The client, with these options of every kind of store. Errors of a driver become `StoreUnusable`."""

    def condition_on(self, replaces: Tag | None) -> PutMode:
        """The condition of a PUT that succeeds only if the object has this tag (None: if there is no object)."""
        return "create" if replaces is None else {"e_tag": f'"{replaces}"'}

    def tag_of(self, answer: PutResult | ObjectMeta) -> Tag:
        """The tag of the object that an answer is about.

        Raises:
            BlobStoreUnavailable: the answer names none.
        """
        e_tag = answer["e_tag"]
        if not e_tag:
            raise TransientFailure("The blob store named no ETag.")
        return Tag(e_tag.strip('"'))  # some stores quote it in one response and not in another

    def stored_metadata(self, metadata: dict[str, str]) -> dict[str, str]:
        """Our metadata, with names that this kind of store accepts."""
        return metadata

    def our_metadata(self, stored: Mapping[str, str]) -> Mapping[str, str]:
        """The reverse of `stored_metadata`."""
        return stored
