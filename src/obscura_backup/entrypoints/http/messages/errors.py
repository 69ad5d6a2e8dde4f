"""What only HTTP can get wrong; beside the domain's errors, under the same root."""

from __future__ import annotations

from obscura_backup.domain.errors import ObscuraError


class MalformedHeader(ObscuraError):
    """A header does not say what it should say."""

    code = "malformed-header"

    def __init__(self, header: str, wanted: str) -> None:
        super().__init__(f"The header {header} is malformed: {wanted}.")
        self.header = header


class PreconditionRequired(ObscuraError):
    """A deletion must name the version that it deletes, in If-Match."""

    code = "precondition-required"


class UnsupportedMediaType(ObscuraError):
    """The body is the blob itself, as it is: no multipart form, no content coding."""

    code = "unsupported-media-type"


class ClientDisconnected(ObscuraError):
    """The client hung up before the end of its body. There is nobody to tell."""

    code = "client-gone"


class UploadTooSlow(ObscuraError):
    """The body came too slowly."""

    code = "upload-timeout"


class TooManyRequests(ObscuraError):
    """Requests come too often.

    Attributes:
        retry_after_seconds: when the next one is welcome.
    """

    code = "too-many-requests"

    def __init__(self, account: str, retry_after_seconds: int) -> None:
        super().__init__(f"This {account} sends too many requests; the next one is welcome in {retry_after_seconds} s.")
        self.retry_after_seconds = retry_after_seconds
