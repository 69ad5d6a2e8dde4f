"""Where a bucket is, as one URL: `s3://BUCKET?endpoint=URL&region=REGION&addressing=path`. Imports no driver.

The scheme `s3+boto3` means the same place, asked by the other driver.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from obscura_backup.adapters.object_stores.blobs_url import BucketLocation, UrlForm

DEFAULT_REGION = "us-east-1"
"""The default of MinIO and similar stores, and of AWS."""

_BOOLEANS = {"on": True, "off": False}
_AUTO, _PATH, _VIRTUAL = "auto", "path", "virtual"


@dataclass(frozen=True, slots=True)
class S3Location(BucketLocation):
    """See `BucketLocation`. An endpoint is that of a store other than AWS, such as `https://minio.example:9000`.

    Attributes:
        region: None: from the AWS configuration of this machine, or `us-east-1`.
        checksums: whether uploads carry a SHA-256 for the store to check; off for a store that refuses the header.
        addressing: where the bucket's name goes: `path` (https://HOST/BUCKET/KEY), `virtual` (https://BUCKET.HOST/KEY)
            or `auto`: path at an endpoint, virtual at AWS.
    """

    FORM = UrlForm(
        form="s3://BUCKET?endpoint=URL&region=REGION",
        schemes=("s3", "s3+boto3"),
        name=re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"),
        wrong_name="its bucket name is not one that S3 allows",
        parameters=frozenset({"endpoint", "region", "checksums", "addressing"}),
        wrong_parameters="it takes endpoint, region, checksums and addressing, once each",
        credentials="the AWS variables",
    )

    region: str | None = None
    checksums: bool = True
    addressing: str = _AUTO

    @property
    def addressing_style(self) -> str:
        """The value for botocore, whose `auto` is virtual if the bucket's name allows it."""
        return _PATH if self.addressing == _AUTO and self.endpoint is not None else self.addressing

    @property
    def other_addressing(self) -> str:
        """The value of `addressing` to try if the store does not find the bucket in the current form."""
        return _VIRTUAL if self.addressing_style == _PATH else _PATH

    @classmethod
    def _fields_of(cls, given: dict[str, str]) -> dict[str, Any]:
        checksums = _BOOLEANS.get(given.get("checksums", "on"))
        if checksums is None:
            raise ValueError("checksums is on or off")
        addressing = given.get("addressing", _AUTO)
        if addressing not in (_AUTO, _PATH, _VIRTUAL):
            raise ValueError("addressing is path, virtual or auto")
        return {
            "endpoint": given.get("endpoint"),
            "region": given.get("region") or None,
            "checksums": checksums,
            "addressing": addressing,
        }
