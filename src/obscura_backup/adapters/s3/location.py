"""Where a bucket is, as one URL: `s3://BUCKET?endpoint=URL&region=REGION&addressing=path`. Imports no driver.

The scheme `s3+boto3` means the same place, asked by the other driver.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qsl, urlsplit

DEFAULT_REGION = "us-east-1"
"""The default of MinIO and similar stores, and of AWS."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_BOOLEANS = {"on": True, "off": False}
_AUTO, _PATH, _VIRTUAL = "auto", "path", "virtual"
_PARAMETERS = frozenset({"endpoint", "region", "checksums", "addressing"})


@dataclass(frozen=True, slots=True)
class S3Location:
    """A bucket and how to reach it.

    Attributes:
        bucket: its name.
        endpoint: of a store other than AWS, such as `https://minio.example:9000`; None: AWS.
        region: None: from the AWS configuration of this machine, or `us-east-1`.
        checksums: whether uploads carry a SHA-256 for the store to check; off for a store that refuses the header.
        addressing: where the bucket's name goes: `path` (https://HOST/BUCKET/KEY), `virtual` (https://BUCKET.HOST/KEY)
            or `auto`: path at an endpoint, virtual at AWS.
    """

    bucket: str
    endpoint: str | None = None
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
    def parse(cls, url: str) -> Self:
        """Read an `s3:` URL.

        Raises:
            ValueError: it is malformed. The message names the part and quotes none of it: it may hold a secret.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("s3", "s3+boto3") or parts.path not in ("", "/") or parts.fragment:
            raise ValueError("it has the form s3://BUCKET?endpoint=URL&region=REGION")
        if not _BUCKET.fullmatch(parts.netloc):
            raise ValueError("its bucket name is not one that S3 allows; credentials come from the AWS variables")
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        given = dict(pairs)
        if len(given) != len(pairs) or given.keys() - _PARAMETERS:
            raise ValueError("it takes endpoint, region, checksums and addressing, once each")
        checksums = _BOOLEANS.get(given.get("checksums", "on"))
        if checksums is None:
            raise ValueError("checksums is on or off")
        addressing = given.get("addressing", _AUTO)
        if addressing not in (_AUTO, _PATH, _VIRTUAL):
            raise ValueError("addressing is path, virtual or auto")
        endpoint = given.get("endpoint")
        if endpoint is not None:
            _require_origin(endpoint)
        return cls(
            bucket=parts.netloc,
            endpoint=endpoint,
            region=given.get("region") or None,
            checksums=checksums,
            addressing=addressing,
        )


def _require_origin(endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
    except ValueError:  # its text quotes the host
        raise ValueError("its endpoint has the form http://HOST:PORT or https://HOST") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("its endpoint must not hold credentials; they come from the AWS variables")
    port = parts.netloc.rpartition("]")[2].partition(":")[2]
    is_origin = parts.scheme in ("http", "https") and parts.hostname and not (parts.query or parts.fragment)
    if not is_origin or not (port.isdecimal() or not port):
        raise ValueError("its endpoint has the form http://HOST:PORT or https://HOST")
