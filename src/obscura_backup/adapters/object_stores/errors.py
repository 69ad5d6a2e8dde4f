"""Decides what a failed request means for the domain, for all kinds of stores and all drivers in one place.

Only the store's error code is quoted: its messages may repeat headers, signatures and keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from obscura_backup.adapters.object_stores.failed_request import NO_RESPONSE, NOT_SENT, TIMEOUTS, FailedRequest, Failure
from obscura_backup.domain.errors import BlobStoreUnavailable, ObscuraError, OutcomeUnknown, PutRefused

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

_NOT_MODIFIED = 304
_NOT_FOUND = 404
_REQUEST_TIMEOUT = 408
_CONFLICT = 409
_PRECONDITION_FAILED = 412
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500
_NOT_IMPLEMENTED = 501


@dataclass(frozen=True, slots=True)
class Advice:
    """What the operator of one kind of store can do about its refusals.

    Attributes:
        by_code: what may be wrong, by the store's error code.
        credential_codes: the codes that blame the credentials.
        unconditional_codes: codes of 409 and 412 that have nothing to do with the condition of a PUT.
        certificates: the variable that names the file of trusted authorities.
        credentials: what to do without credentials; empty if nothing is known.
        unreachable: a sentence for a host that cannot be reached; empty if there is nothing to try.
        uploads: a sentence for a store that refuses every upload; empty if there is nothing to try.
        condition_headers: of an upload: where there is no object, and in place of one.
    """

    by_code: Mapping[str, str] = field(default_factory=dict)
    credential_codes: frozenset[str] = frozenset()
    unconditional_codes: frozenset[str] = frozenset()
    certificates: str = "SSL_CERT_FILE"
    credentials: str = ""
    unreachable: str = ""
    uploads: str = ""
    condition_headers: tuple[str, str] = ("If-None-Match", "If-Match")


NO_ADVICE = Advice()


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

    def __init__(self, status: int, reason: str, operation: str, advice: Advice = NO_ADVICE) -> None:
        hint = f": {advice.by_code[reason]}" if reason in advice.by_code else ""
        super().__init__(f"The blob store answered {status} {reason} to {operation}{hint}.")
        self.status = status
        self.reason = reason
        what = "the service's credentials" if reason in advice.credential_codes else "what the service asks of it"
        self.public_message = f"The blob store refuses {what}."


class TooManyRequests(BlobStoreUnavailable):
    """The store asks for a pause. A PUT was not stored."""


class TransientFailure(BlobStoreUnavailable):
    """A quick failure of the store; a read is worth another try at once."""


def failure_of_put(failed: FailedRequest, advice: Advice = NO_ADVICE) -> ObscuraError:
    """What to raise for a failed conditional PUT. The only question is: may it have been stored?

    Args:
        failed: the PUT.
        advice: for the operator of this kind of store.
    """
    if failed.failure is Failure.ANSWERED:
        return _failure_of_answered_put(failed, advice)
    if failed.failure is Failure.UNTRUSTED:
        return _untrusted(advice)
    if failed.failure is Failure.NO_CREDENTIALS:
        return BlobStoreUnavailable(_no_credentials(advice))
    if failed.failure in NOT_SENT:
        message = f"The blob store cannot be reached ({failed.detail})."
        return BlobStoreUnavailable(message + _hint_of_host(failed, advice))
    return OutcomeUnknown(f"There was no answer to an upload, which may or may not be stored ({failed.detail}).")


def _failure_of_answered_put(failed: FailedRequest, advice: Advice) -> ObscuraError:
    status = failed.status
    # Old releases of MinIO answer 304 if there is an object; AWS answers 409 if another PUT won a race.
    refused = status in (_NOT_MODIFIED, _CONFLICT, _PRECONDITION_FAILED)
    if (refused and failed.code not in advice.unconditional_codes) or (
        status == _NOT_FOUND and failed.code == "NoSuchKey"
    ):
        return PutRefused()
    answered = status < _SERVER_ERROR or status == _NOT_IMPLEMENTED
    if status == _TOO_MANY_REQUESTS:
        return TooManyRequests(f"The blob store answered {status}.")
    if status and answered and status != _REQUEST_TIMEOUT:
        return _refusal(failed, advice)
    return OutcomeUnknown(f"The blob store answered {status} to an upload, which may or may not be stored.")


def failure_of_read(failed: FailedRequest, advice: Advice = NO_ADVICE) -> BlobStoreUnavailable:
    """What to raise for a failed HEAD, GET, LIST or DELETE, which are all safe to repeat.

    Args:
        failed: the request.
        advice: for the operator of this kind of store.
    """
    status = failed.status
    if failed.failure is Failure.ANSWERED:
        if not status or status >= _SERVER_ERROR or status in (_REQUEST_TIMEOUT, _TOO_MANY_REQUESTS):
            return TransientFailure(f"The blob store answered {status}.")
        return _refusal(failed, advice)
    if failed.failure is Failure.CUT_ANSWER:
        return TransientFailure("The blob store broke off.")
    if failed.failure is Failure.UNTRUSTED:
        return _untrusted(advice)
    if failed.failure is Failure.NO_CREDENTIALS:
        return TransientFailure(_no_credentials(advice))
    message = f"The blob store does not answer ({failed.detail}).{_hint_of_host(failed, advice)}"
    return BlobStoreUnavailable(message) if failed.failure in TIMEOUTS else TransientFailure(message)


def got_no_response(error: Exception) -> bool:
    """Whether the store gave no answer at all to a call that failed with `error`."""
    return isinstance(error.__cause__, FailedRequest) and error.__cause__.failure in NO_RESPONSE


def _untrusted(advice: Advice) -> Misconfigured:
    return Misconfigured(
        f"The certificate of the blob store is not trusted; {advice.certificates} names the file of its authority."
    )


def _no_credentials(advice: Advice) -> str:
    hint = f": {advice.credentials}" if advice.credentials else ""
    return f"There are no credentials for the blob store{hint}."


def _hint_of_host(failed: FailedRequest, advice: Advice) -> str:
    return f" {advice.unreachable}" if advice.unreachable and failed.failure is Failure.UNREACHABLE else ""


def _refusal(failed: FailedRequest, advice: Advice) -> RefusedByStore:
    return RefusedByStore(failed.status, failed.code, failed.operation, advice)
