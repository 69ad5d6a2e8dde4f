"""S3 by obstore: its client of a bucket, and the credentials for it."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from obstore.store import S3Store

from obscura_backup.adapters.object_stores.obstore_driver.backend import Backend
from obscura_backup.adapters.s3.advice import advice_for
from obscura_backup.adapters.s3.location import DEFAULT_REGION

if TYPE_CHECKING:
    from collections.abc import Callable

    from obstore.store import ObjectStore, S3Credential

    from obscura_backup.adapters.s3.location import S3Location

_CREDENTIALS_LIVE = timedelta(minutes=10)
"""Until botocore is asked again, which is 5 minutes earlier, and renews what expires within 10 minutes."""


class S3Backend(Backend):
    """A bucket of S3.

    Args:
        location: of the bucket.
    """

    cloud = "S3"
    configuration = "the endpoint, the region, the file of {certificates} and the AWS configuration of this machine"
    encryption_key = "AWS_SSE_CUSTOMER_KEY_BASE64"

    def __init__(self, location: S3Location) -> None:
        super().__init__(location, advice_for(location))
        self._location = location

    def _make_store(self, **options: Any) -> ObjectStore:
        location = self._location
        return S3Store(
            location.bucket,
            **_address(location),
            **_credentials(location),
            **_checksums(location),
            conditional_put="etag",
            disable_bulk_delete=True,
            **options,
        )


def _address(location: S3Location) -> dict[str, Any]:
    region = location.region or os.environ.get("AWS_DEFAULT_REGION") or _configured_region() or DEFAULT_REGION
    virtual = location.addressing_style == "virtual" or (
        location.addressing_style == "auto" and "." not in location.bucket  # a certificate covers one level of names
    )
    endpoint = location.endpoint
    if endpoint is None:
        endpoint = f"https://s3.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"
    parts = urlsplit(endpoint)
    _ = parts.port  # a ValueError if it is not a port; obstore would notice with the first request
    if virtual:
        endpoint = parts._replace(netloc=f"{location.bucket}.{parts.netloc}").geturl()
    return {"endpoint": endpoint.rstrip("/"), "region": region, "virtual_hosted_style_request": virtual}


def _checksums(location: S3Location) -> dict[str, Any]:
    if not location.checksums:
        return {}
    # Under TLS the signed checksum header protects the bytes; another signature of them would protect nothing.
    return {"checksum_algorithm": "SHA256", "unsigned_payload": location.has_tls}


def _credentials(location: S3Location) -> dict[str, Any]:
    """Static ones of the environment, which all of AWS's tools try first; else those that botocore finds."""
    access_key, secret_key = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if access_key and secret_key and not os.environ.get("AWS_CREDENTIAL_EXPIRATION"):
        token = os.environ.get("AWS_SESSION_TOKEN") or os.environ.get("AWS_SECURITY_TOKEN")
        static: S3Credential = {
            "access_key_id": access_key,
            "secret_access_key": secret_key,
            "token": token,
            "expires_at": None,
        }
        return {"credential_provider": lambda: static}
    return {"credential_provider": _provider(location)}


def _provider(location: S3Location) -> Callable[[], S3Credential]:
    from obscura_backup.adapters.s3.boto3_driver.client import credentials_of  # noqa: PLC0415  # takes a fifth of a second

    credentials = credentials_of(location)

    def provide() -> S3Credential:
        frozen = credentials.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + _CREDENTIALS_LIVE,
        }

    return provide


def _configured_region() -> str | None:
    """The region in AWS's configuration file, which most machines do not have."""
    path = Path(os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config").expanduser()
    if not path.exists():
        return None
    from obscura_backup.adapters.s3.boto3_driver.client import new_session  # noqa: PLC0415  # as above

    region: str | None = new_session(None).get_config_variable("region")
    return region
