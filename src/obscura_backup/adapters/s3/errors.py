"""Decides what a failed request means for the domain, for all drivers in one place.

Only the store's error code is quoted: its messages may repeat headers, signatures and keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup.adapters.s3.failed_request import NO_RESPONSE, NOT_SENT, TIMEOUTS, FailedRequest, Failure
from obscura_backup.domain.errors import BlobStoreUnavailable, ObscuraError, OutcomeUnknown, PutRefused

if TYPE_CHECKING:
    from types import TracebackType

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
_REGION = "the region is wrong (region=NAME in the blobs URL)"
_HINTS = {
    "AuthorizationHeaderMalformed": _REGION,
    "PermanentRedirect": _REGION,
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


class _PublicErrors:
    """Replaces messages for operators by those for users; the log names the cause."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, Misconfigured):
            raise BlobStoreUnavailable(error.public_message) from error


PUBLIC_ERRORS = _PublicErrors()


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


def failure_of_put(failed: FailedRequest, other_addressing: str = "") -> ObscuraError:
    """What to raise for a failed conditional PUT. The only question is: may it have been stored?

    Args:
        failed: the PUT.
        other_addressing: the value of `addressing` that is not in use, for a hint; empty if it cannot matter.
    """
    if failed.failure is Failure.ANSWERED:
        return _failure_of_answered_put(failed, other_addressing)
    if failed.failure is Failure.UNTRUSTED:
        return Misconfigured(_UNTRUSTED)
    if failed.failure in NOT_SENT:
        message = f"The blob store cannot be reached ({failed.detail})."
        return BlobStoreUnavailable(message + _hint_of_host(failed, other_addressing))
    return OutcomeUnknown(f"There was no answer to an upload, which may or may not be stored ({failed.detail}).")


def _failure_of_answered_put(failed: FailedRequest, other_addressing: str) -> ObscuraError:
    status = failed.status
    # Old releases of MinIO answer 304 if there is an object; AWS answers 409 if another PUT won a race.
    refused = status in (_NOT_MODIFIED, _CONFLICT, _PRECONDITION_FAILED)
    if refused or (status == _NOT_FOUND and failed.code == "NoSuchKey"):
        return PutRefused()
    answered = status < _SERVER_ERROR or status == _NOT_IMPLEMENTED
    if status == _TOO_MANY_REQUESTS:
        return BlobStoreUnavailable(f"The blob store answered {status}.")
    if status and answered and status != _REQUEST_TIMEOUT:
        return _refusal(failed, other_addressing)
    return OutcomeUnknown(f"The blob store answered {status} to an upload, which may or may not be stored.")


def failure_of_read(failed: FailedRequest, other_addressing: str = "") -> BlobStoreUnavailable:
    """What to raise for a failed HEAD, GET, LIST or DELETE, which are all safe to repeat.

    Args:
        failed: the request.
        other_addressing: the value of `addressing` that is not in use, for a hint; empty if it cannot matter.
    """
    status = failed.status
    if failed.failure is Failure.ANSWERED:
        if not status or status >= _SERVER_ERROR or status in (_REQUEST_TIMEOUT, _TOO_MANY_REQUESTS):
            return TransientFailure(f"The blob store answered {status}.")
        return _refusal(failed, other_addressing)
    if failed.failure is Failure.CUT_ANSWER:
        return TransientFailure("The blob store broke off.")
    if failed.failure is Failure.UNTRUSTED:
        return Misconfigured(_UNTRUSTED)
    message = f"The blob store does not answer ({failed.detail}).{_hint_of_host(failed, other_addressing)}"
    return BlobStoreUnavailable(message) if failed.failure in TIMEOUTS else TransientFailure(message)


def got_no_response(error: Exception) -> bool:
    """Whether the store gave no answer at all to a call that failed with `error`."""
    return isinstance(error.__cause__, FailedRequest) and error.__cause__.failure in NO_RESPONSE


def _hint_of_host(failed: FailedRequest, other_addressing: str) -> str:
    # In the virtual form the bucket's name is part of the host name, which may not resolve.
    if failed.failure is Failure.UNREACHABLE and other_addressing == "path":
        return " If the host name with the bucket in front does not resolve, try addressing=path in the blobs URL."
    return ""


def _refusal(failed: FailedRequest, other_addressing: str) -> RefusedByStore:
    return RefusedByStore(failed.status, failed.code, failed.operation, other_addressing)
