"""Translates the errors of botocore into those of the domain, in one place.

Only the store's error code is quoted: its messages may repeat headers, signatures and keys.
"""

from __future__ import annotations

from botocore.exceptions import (  # type: ignore[import-untyped]  # botocore ships no types
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  # botocore's base class of `EndpointConnectionError` and others
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

from obscura_backup.domain.errors import BlobStoreUnavailable, ObscuraError, OutcomeUnknown, PutRefused

DRIVER_ERRORS = (BotoCoreError, ClientError, ResponseParserError, HTTPError, OSError, ValueError)
"""What botocore raises for events outside of this process. A ValueError is a number or a date that was cut off."""

_NOT_SENT = (
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
)
_TIMEOUTS = (ConnectTimeoutError, ReadTimeoutError)
_NO_RESPONSE = (ConnectionError, HTTPClientError)
_NOT_MODIFIED = 304
_NOT_FOUND = 404
_REQUEST_TIMEOUT = 408
_CONFLICT = 409
_PRECONDITION_FAILED = 412
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500
_NOT_IMPLEMENTED = 501

_UNTRUSTED = "The certificate of the blob store is not trusted; AWS_CA_BUNDLE names the file of its authority."
_KEYS = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_HINTS = {
    "AuthorizationHeaderMalformed": "the region is wrong (region=NAME in the blobs URL)",
    "AccessDenied": "the policy of these credentials must allow it",
    "InvalidAccessKeyId": _KEYS,
    "NoSuchBucket": "make the bucket with `obscura-backup init-bucket`",
    "NotImplemented": "the store supports no conditional writes, or no checksums (checksums=off in the blobs URL)",
    "RequestTimeTooSkewed": "the clock of this machine or of the store is wrong",
    "SignatureDoesNotMatch": _KEYS,
}

# The store finds no bucket in this form of address, or redirects. The last two are codes of Alibaba and Tencent for a
# bucket's name that belongs into the host.
_MISADDRESSED = frozenset(
    {
        "301",
        "307",
        "InvalidBucketName",
        "NoSuchBucket",
        "PermanentRedirect",
        "TemporaryRedirect",
        "PathStyleDomainForbidden",
        "SecondLevelDomainForbidden",
    }
)
_CREDENTIAL_CODES = frozenset({"AccessDenied", "ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch"})


class Misconfigured(BlobStoreUnavailable):
    """It fails in the same way until an operator changes a setting, of the service or of the store.

    The message is for the operator: it names settings and commands.

    Attributes:
        public_message: a message for the users of the service.
    """

    public_message: str = "The certificate of the blob store is not trusted."


class RefusedByStore(Misconfigured):
    """The store refused the request.

    Attributes:
        status: the HTTP status.
        reason: the store's error code.
    """

    def __init__(self, status: int, reason: str, operation: str, other_addressing: str) -> None:
        hints = [_HINTS[reason]] if reason in _HINTS else []
        if reason in _MISADDRESSED and other_addressing:
            hints.append(f"if the bucket and its region are right, try addressing={other_addressing} in the blobs URL")
        hint = f": {'; '.join(hints)}" if hints else ""
        super().__init__(f"The blob store answered {status} {reason} to {operation}{hint}.")
        self.status = status
        self.reason = reason
        what = "the service's credentials" if reason in _CREDENTIAL_CODES else "what the service asks of it"
        self.public_message = f"The blob store refuses {what}."


class TransientFailure(BlobStoreUnavailable):
    """A quick failure of the store; a read is worth another try at once."""


def status_of(error: ClientError) -> int:
    """The HTTP status of an error response; 0 if there is none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def reason_of(error: ClientError) -> str:
    """The store's error code, or the status: the response to a HEAD has no body with a code."""
    return str(error.response.get("Error", {}).get("Code") or status_of(error))


def failure_of_put(error: Exception, other_addressing: str = "") -> ObscuraError:
    """What to raise for a failed conditional PUT. The only question is: may it have been stored?

    Args:
        error: of the driver.
        other_addressing: the value of `addressing` that is not in use, for a hint; empty if it cannot matter.
    """
    if isinstance(error, ClientError):
        status = status_of(error)
        # Old releases of MinIO answer 304 if there is an object; AWS answers 409 if another PUT won a race.
        refused = status in (_NOT_MODIFIED, _CONFLICT, _PRECONDITION_FAILED)
        if refused or (status == _NOT_FOUND and reason_of(error) == "NoSuchKey"):
            return PutRefused()
        answered = status < _SERVER_ERROR or status == _NOT_IMPLEMENTED
        if status == _TOO_MANY_REQUESTS:
            return BlobStoreUnavailable(f"The blob store answered {status}.")
        if status and answered and status != _REQUEST_TIMEOUT:
            return _refusal(error, other_addressing)
        return OutcomeUnknown(f"The blob store answered {status} to an upload, which may or may not be stored.")
    if _is_untrusted(error):
        return Misconfigured(_UNTRUSTED)
    if isinstance(error, _NOT_SENT):
        message = f"The blob store cannot be reached ({type(error).__name__})."
        return BlobStoreUnavailable(message + _hint_of_host(error, other_addressing))
    return OutcomeUnknown(f"There was no answer to an upload, which may or may not be stored ({type(error).__name__}).")


def failure_of_read(error: Exception, other_addressing: str = "") -> BlobStoreUnavailable:
    """What to raise for a failed HEAD, GET, LIST or DELETE, which are all safe to repeat.

    Args:
        error: of the driver.
        other_addressing: the value of `addressing` that is not in use, for a hint; empty if it cannot matter.
    """
    if isinstance(error, ClientError):
        status = status_of(error)
        if not status or status >= _SERVER_ERROR or status in (_REQUEST_TIMEOUT, _TOO_MANY_REQUESTS):
            return TransientFailure(f"The blob store answered {status}.")
        return _refusal(error, other_addressing)
    if isinstance(error, IncompleteReadError):
        return TransientFailure("The blob store broke off.")
    if _is_untrusted(error):
        return Misconfigured(_UNTRUSTED)
    hint = _hint_of_host(error, other_addressing)
    message = f"The blob store does not answer ({type(error).__name__}).{hint}"
    return BlobStoreUnavailable(message) if isinstance(error, _TIMEOUTS) else TransientFailure(message)


def got_no_response(error: Exception) -> bool:
    """Whether the store gave no answer at all to a call that failed with `error`."""
    return isinstance(error.__cause__, _NO_RESPONSE) and not isinstance(error, Misconfigured)


def _is_untrusted(error: Exception) -> bool:
    # By the text of the TLS library: two libraries wrap its error and lose the reason.
    return isinstance(error, SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error)


def _hint_of_host(error: Exception, other_addressing: str) -> str:
    # In the virtual form the bucket's name is part of the host name, which may not resolve.
    if isinstance(error, EndpointConnectionError) and other_addressing == "path":
        return " If the host name with the bucket in front does not resolve, try addressing=path in the blobs URL."
    return ""


def _refusal(error: ClientError, other_addressing: str) -> RefusedByStore:
    return RefusedByStore(status_of(error), reason_of(error), str(error.operation_name), other_addressing)
