"""Errors of HTTP requests, under the same root as the domain's errors."""

from __future__ import annotations

from obscura_backup.domain.errors import ObscuraError


class MalformedHeader(ObscuraError):
    """A header cannot be parsed, or contradicts another one."""

    code = "malformed-header"

    def __init__(self, header: str, wanted: str) -> None:
        super().__init__(f"The header {header} is malformed: {wanted}.")
        self.header = header


class PreconditionRequired(ObscuraError):
    """A deletion must name the version that it deletes, in If-Match."""

    code = "precondition-required"


class UnsupportedMediaType(ObscuraError):
    """The body must be the backup itself, without content coding or multipart form."""

    code = "unsupported-media-type"


class MisdirectedRequest(ObscuraError):
    """This service does not serve this user: a proxy sent the request to the wrong one. Nothing was changed."""

    code = "misdirected-request"


class ClientDisconnected(ObscuraError):
    """The client disconnected before the end of its body."""

    code = "client-gone"


class UploadTooSlow(ObscuraError):
    """The body paused for too long or arrived too slowly."""

    code = "upload-timeout"


class TooManyRequests(ObscuraError):
    """A rate limit is exceeded.

    Attributes:
        retry_after_seconds: until the next request is within the limit.
    """

    code = "too-many-requests"

    def __init__(self, account: str, retry_after_seconds: int) -> None:
        super().__init__(f"Rate limit exceeded for this {account}; retry in {retry_after_seconds} s.")
        self.retry_after_seconds = retry_after_seconds
