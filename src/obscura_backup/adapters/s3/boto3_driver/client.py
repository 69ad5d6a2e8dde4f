"""The boto3 client of a bucket.

Three habits of boto3 are turned off:

- It repeats failed requests. A repeated PUT can meet its own success and report a conflict.
- It announces a body by `Expect: 100-continue` and waits for permission: one round trip and a quarter more CPU time.
- It adds checksums of its own, under TLS as a trailer that many stores do not understand. Ours is known before the
  request and travels as a header.

One is kept: if the bucket is in another region, boto3 asks for that region once and remembers it. That question itself
is never redirected, or a store that redirects every request would be asked without end.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import boto3.session  # type: ignore[import-untyped]  # boto3 ships no types; `Client` is the part of it that is used
import botocore.loaders  # type: ignore[import-untyped]  # as above
import botocore.session  # type: ignore[import-untyped]  # as above
from botocore.config import Config  # type: ignore[import-untyped]  # as above
from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]  # as above

from obscura_backup.adapters.s3.boto3_driver.credentials_file import CredentialsFile
from obscura_backup.adapters.s3.location import DEFAULT_REGION
from obscura_backup.domain.errors import StoreUnusable

if TYPE_CHECKING:
    from collections.abc import Callable

    from obscura_backup.adapters.s3.location import S3Location


class Client(Protocol):
    """The part of boto3's S3 client that is used."""

    def put_object(self, **parameters: Any) -> dict[str, Any]:
        """PUT."""

    def get_object(self, **parameters: Any) -> dict[str, Any]:
        """GET."""

    def head_object(self, **parameters: Any) -> dict[str, Any]:
        """HEAD."""

    def delete_object(self, **parameters: Any) -> dict[str, Any]:
        """DELETE."""

    def list_objects_v2(self, **parameters: Any) -> dict[str, Any]:
        """One page of keys."""

    def head_bucket(self, **parameters: Any) -> dict[str, Any]:
        """HEAD of the bucket."""

    def create_bucket(self, **parameters: Any) -> dict[str, Any]:
        """PUT of the bucket."""

    def close(self) -> None:
        """Close the connections."""


def make_client(
    location: S3Location,
    *,
    connections: int,
    connect_timeout_seconds: float,
    read_timeout_seconds: float,
    before_sending: Callable[[], None] | None = None,
) -> Client:
    """Find credentials and make the client; sends no request.

    Args:
        location: of the bucket.
        connections: kept open between requests.
        connect_timeout_seconds: for a connection to be made.
        read_timeout_seconds: that the store may be silent for.
        before_sending: called in the thread of each request, between signing and sending it.

    Raises:
        StoreUnusable: there are no credentials, or the configuration is invalid.
    """
    session = new_session(location.endpoint)
    try:
        _credentials_in(session)
        client = boto3.session.Session(botocore_session=session).client(
            "s3",
            endpoint_url=location.endpoint,
            region_name=location.region or session.get_config_variable("region") or DEFAULT_REGION,
            config=Config(
                connect_timeout=connect_timeout_seconds,
                read_timeout=read_timeout_seconds,
                max_pool_connections=connections,
                tcp_keepalive=True,
                retries={"mode": "standard", "total_max_attempts": 1},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                parameter_validation=False,  # all parameters are made in `bucket`, from types
                s3=_s3_options(location),
            ),
        )
    except (BotoCoreError, ValueError) as error:
        raise StoreUnusable(
            f"The configuration of S3 is invalid ({type(error).__name__}): check the endpoint and the region."
        ) from error

    def prepare(request: Any, **_: object) -> None:
        request.headers.pop("Expect", None)
        if before_sending is not None:
            before_sending()

    client.meta.events.register("before-send.s3", prepare)
    client.meta.events.register("before-call.s3.HeadBucket", _without_redirect)
    made: Client = client
    return made


def credentials_of(location: S3Location) -> Any:
    """The credentials that botocore finds; they renew themselves where they expire. It may ask a service of AWS.

    Raises:
        StoreUnusable: there are none.
    """
    return _credentials_in(new_session(location.endpoint))


def new_session(endpoint: str | None) -> Any:
    """A session of botocore, which knows AWS's configuration of this machine; `endpoint` as in `S3Location`."""
    session = botocore.session.get_session()
    session.register_component("data_loader", _shared_loader())
    providers = session.get_component("credential_provider")
    file = providers.get_provider(CredentialsFile.METHOD)
    providers.insert_before(CredentialsFile.METHOD, CredentialsFile(file))
    if endpoint is not None:
        # Only AWS hands out credentials per machine. Elsewhere the request would time out.
        providers.remove("iam-role")
    return session


def _credentials_in(session: Any) -> Any:
    credentials = session.get_credentials()
    if credentials is None:
        raise StoreUnusable(
            "There are no credentials for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            ", or give this machine a role if the store is AWS."
        )
    return credentials


def _s3_options(location: S3Location) -> dict[str, object]:
    options: dict[str, object] = {"addressing_style": location.addressing_style}
    if location.checksums and location.has_tls:
        # Under TLS the signed checksum header protects the bytes; another hash would protect nothing.
        options["payload_signing_enabled"] = False
    return options


@cache
def _shared_loader() -> Any:
    # Most of the work of making a client is reading the description of S3, and `serve` makes two: to check and to run.
    return botocore.loaders.create_loader()


def _without_redirect(context: dict[str, Any], **_: object) -> None:
    context.setdefault("s3_redirect", {})["redirected"] = True  # botocore's mark that it has been done
