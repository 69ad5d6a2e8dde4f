"""What botocore raises, in the domain's words. Translated here and nowhere else.

Only the store's error code is quoted: its messages may repeat headers, signatures and keys.
"""

from __future__ import annotations

from botocore.exceptions import (  # type: ignore[import-untyped]  # botocore ships no types
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  # botocore's: what `EndpointConnectionError` and its like have in common
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
    "AuthorizationHeaderMalformed": "the region is another one (region=NAME in the blobs URL)",
    "AccessDenied": "the policy of these credentials must allow it",
    "InvalidAccessKeyId": _KEYS,
    "NoSuchBucket": "make the bucket with `obscura-backup init-bucket`",
    "NotImplemented": "the store knows no conditional writes, or no checksums (checksums=off in the blobs URL)",
    "RequestTimeTooSkewed": "the clock of this machine or of the store is wrong",
    "SignatureDoesNotMatch": _KEYS,
}

# A store that finds no bucket where it looks for one, or wants to be asked elsewhere. The last two are Alibaba's and
# Tencent's words for a bucket's name that belongs into the host.
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
    """It will fail again in the same way until somebody changes a setting, here or there.

    The message is for the operator: it names settings and commands.

    Attributes:
        public: the same for the users of the service.
    """

    public_message: str = "The certificate of the blob store is not trusted."


class RefusedByStore(Misconfigured):
    """The store understood and said no.

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
    """The store stumbled, quickly; a read is worth another try at once."""


def status_of(error: ClientError) -> int:
    """The HTTP status of an error answer; 0 where there is none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def reason_of(error: ClientError) -> str:
    """The store's error code. A HEAD has no body to hold one, and then it is the status."""
    return str(error.response.get("Error", {}).get("Code") or status_of(error))


def failure_of_put(error: Exception, other_addressing: str = "") -> ObscuraError:
    """What to raise for a failed conditional PUT. The question is only ever: may it have been stored?

    Args:
        error: that the driver raised.
        other_addressing: the value of `addressing` that is not used now, for a hint; none where it cannot matter.
    """
    if isinstance(error, ClientError):
        status = status_of(error)
        # 304 is an old MinIO's word for "there is an object already"; 409 is AWS's for a race that another PUT won.
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
    return OutcomeUnknown(f"No answer came to an upload, which may or may not be stored ({type(error).__name__}).")


def failure_of_read(error: Exception, other_addressing: str = "") -> BlobStoreUnavailable:
    """What to raise for a failed HEAD, GET, LIST or DELETE, none of which does harm when it is repeated.

    Args:
        error: that the driver raised.
        other_addressing: the value of `addressing` that is not used now, for a hint; none where it cannot matter.
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
    """Whether the store gave no answer at all to a call that failed with one of the above."""
    return isinstance(error.__cause__, _NO_RESPONSE) and not isinstance(error, Misconfigured)


def _is_untrusted(error: Exception) -> bool:
    # The TLS library's own words: the reason is lost on the way through two libraries that wrap it.
    return isinstance(error, SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error)


def _hint_of_host(error: Exception, other_addressing: str) -> str:
    # In the virtual form the bucket's name is part of the host's, which may not resolve.
    if isinstance(error, EndpointConnectionError) and other_addressing == "path":
        return " If its host name with the bucket in front is not known here, try addressing=path in the blobs URL."
    return ""


def _refusal(error: ClientError, other_addressing: str) -> RefusedByStore:
    return RefusedByStore(status_of(error), reason_of(error), str(error.operation_name), other_addressing)
