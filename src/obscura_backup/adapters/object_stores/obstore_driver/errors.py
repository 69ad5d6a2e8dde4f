"""The errors of obstore, as failed requests.

obstore has few classes of errors. What happened stands in their text, which ends with the Rust error for debugging.
Each pattern below is shown by a test against a real failure. If none of them fits, the outcome of an upload is unknown.
The text also holds the answer of the store, so nothing of it goes further than the error code.
"""

from __future__ import annotations

import re

from obstore.exceptions import BaseError

from obscura_backup.adapters.object_stores.failed_request import FailedRequest, Failure

DRIVER_ERRORS = (BaseError, OSError, ValueError)
"""What obstore raises for events outside of this process. `FileNotFoundError` is a 404, `TimeoutError` is ours."""

_STATUS = re.compile(r"Server returned non-2xx status code: (\d{3})\b")
_CODE = re.compile(r"<Code>([A-Za-z0-9]{1,64})</Code>")
_OBJECT_SIZE = re.compile(r"<ActualObjectSize>(\d{1,18})</ActualObjectSize>")
_NO_TOKEN = re.compile(r"Generic \w+ error: Error (performing token request|getting token response body)")
"""The request that failed was for a token, whatever status or code follows. It stands at the beginning of the text."""
_BARE_REDIRECT = "Received redirect without LOCATION"
_FAILURES = (
    # In this order: the first that fits counts.
    (re.compile(r"External AWS credential provider"), Failure.NO_CREDENTIALS),
    (re.compile(r"legacy::Error\(\s*Connect,.*InvalidCertificate\(", re.DOTALL), Failure.UNTRUSTED),
    (re.compile(r"kind: Timeout,.*legacy::Error\(\s*Connect,", re.DOTALL), Failure.CONNECT_TIMEOUT),
    (re.compile(r"legacy::Error\(\s*Connect,"), Failure.UNREACHABLE),
    (re.compile(r"source: TimedOut,"), Failure.READ_TIMEOUT),
    (re.compile(r"legacy::Error\(\s*(SendRequest|Canceled|ChannelClosed),"), Failure.NO_ANSWER),
    (re.compile(r"kind: (Body|Decode),"), Failure.CUT_ANSWER),
)


def failed_request(error: Exception, operation: str) -> FailedRequest:
    """The same failure in words of no driver. `error` is not its cause: its text could reach a log.

    Args:
        error: that obstore raised, or the `TimeoutError` of a request that took too long.
        operation: in the words of S3, such as `PutObject`.
    """
    text = str(error)
    if _NO_TOKEN.match(text):
        return FailedRequest(Failure.NO_CREDENTIALS, Failure.NO_CREDENTIALS.name)
    status = _STATUS.search(text)
    if status is not None:
        code = _CODE.search(text, status.end())
        return FailedRequest(
            Failure.ANSWERED,
            status=int(status[1]),
            code=code[1] if code else "",
            operation=operation,
        )
    if _BARE_REDIRECT in text:
        return FailedRequest(Failure.ANSWERED, status=301, code="PermanentRedirect", operation=operation)
    name = type(error).__name__
    if isinstance(error, TimeoutError):
        return FailedRequest(Failure.READ_TIMEOUT, name)
    failure = next((failure for pattern, failure in _FAILURES if pattern.search(text)), Failure.OTHER)
    return FailedRequest(failure, failure.name)


def object_size_in(error: Exception) -> int | None:
    """The size of the object that the store names where it refuses a range, in bytes; None if it names none."""
    size = _OBJECT_SIZE.search(str(error))
    return int(size[1]) if size else None
