"""The errors of boto3 and of the libraries below it, as failed requests."""

from __future__ import annotations

from botocore.exceptions import (  # type: ignore[import-untyped]  # botocore ships no types
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  # botocore's: the base class of `EndpointConnectionError` and its like
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]  # as above
from urllib3.exceptions import HTTPError

from obscura_backup.adapters.object_stores.failed_request import FailedRequest, Failure

DRIVER_ERRORS = (BotoCoreError, ClientError, ResponseParserError, HTTPError, OSError, ValueError)
"""What botocore raises for events outside of this process. A ValueError is a number or a date that was cut off."""

_FAILURES = (
    (ConnectTimeoutError, Failure.CONNECT_TIMEOUT),
    (ReadTimeoutError, Failure.READ_TIMEOUT),
    ((EndpointConnectionError, ProxyConnectionError), Failure.UNREACHABLE),
    ((CredentialRetrievalError, NoCredentialsError, PartialCredentialsError), Failure.NO_CREDENTIALS),
    (IncompleteReadError, Failure.CUT_ANSWER),
    ((ConnectionError, HTTPClientError), Failure.NO_ANSWER),
)


def failed_request(error: Exception) -> FailedRequest:
    """The same failure in words of no driver, with `error` as its cause."""
    failed = _translated(error)
    failed.__cause__ = error
    return failed


def status_of(error: ClientError) -> int:
    """The HTTP status of an error response; 0 if there is none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def reason_of(error: ClientError) -> str:
    """The store's error code, or the status: the response to a HEAD has no body with a code."""
    return str(error.response.get("Error", {}).get("Code") or status_of(error))


def _translated(error: Exception) -> FailedRequest:
    if isinstance(error, ClientError):
        operation = str(error.operation_name)
        return FailedRequest(Failure.ANSWERED, status=status_of(error), code=reason_of(error), operation=operation)
    name = type(error).__name__
    # By the text of the TLS library: two libraries wrap its error and lose the reason.
    if isinstance(error, SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return FailedRequest(Failure.UNTRUSTED, name)
    return FailedRequest(next((failure for kind, failure in _FAILURES if isinstance(error, kind)), Failure.OTHER), name)
