"""A request that failed, in words of no driver. Each driver's errors are translated into it, and `errors` decides."""

from __future__ import annotations

from enum import Enum, auto


class Failure(Enum):
    """How far a request came."""

    ANSWERED = auto()
    """The store answered with an error status."""
    NO_CREDENTIALS = auto()
    """It was not signed, and not sent."""
    UNTRUSTED = auto()
    """It was not sent: the certificate of the store is not trusted."""
    UNREACHABLE = auto()
    """It was not sent: there was no connection."""
    CONNECT_TIMEOUT = auto()
    """It was not sent: there was no connection in time."""
    READ_TIMEOUT = auto()
    """It may have been sent: the answer did not come in time."""
    NO_ANSWER = auto()
    """It may have been sent: the connection ended before an answer."""
    CUT_ANSWER = auto()
    """The answer ended too early."""
    OTHER = auto()
    """It may have been sent: nothing more is known."""


NOT_SENT = frozenset({Failure.NO_CREDENTIALS, Failure.UNTRUSTED, Failure.UNREACHABLE, Failure.CONNECT_TIMEOUT})
TIMEOUTS = frozenset({Failure.CONNECT_TIMEOUT, Failure.READ_TIMEOUT})
NO_RESPONSE = frozenset({Failure.UNREACHABLE, Failure.NO_ANSWER, *TIMEOUTS})


class FailedRequest(Exception):
    """One request that failed.

    Args:
        failure: how far it came.
        detail: the driver's word for it. It quotes nothing that the store said.
        status: of the answer; 0 without one.
        code: the store's error code; the status if it gave none.
        operation: in the words of S3, such as `PutObject`.
    """

    def __init__(
        self, failure: Failure, detail: str = "", *, status: int = 0, code: str = "", operation: str = ""
    ) -> None:
        super().__init__(detail or f"{status} {code} to {operation}")
        self.failure = failure
        self.detail = detail
        self.status = status
        self.code = code or str(status)
        self.operation = operation
