"""Errors between this device and the server: one class per case that a caller handles differently."""

from __future__ import annotations

from obscura_backup_client.errors import ClientError


class TransportError(ClientError):
    """The root of all transport errors."""

    code = "transport"


class TokenUnusable(TransportError):
    """The token is missing, malformed or names no user; `reason` never quotes it."""

    code = "token-unusable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The token cannot be used: {reason}.")
        self.reason = reason


class ServerRefused(TransportError):
    """The token may not be sent to this address; `url` is the address without credentials."""

    code = "server-refused"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url} is refused: {reason}.")
        self.url = url
        self.reason = reason


class Unauthorized(TransportError):
    """401 or 403: the token is expired, revoked, or for another server."""

    code = "unauthorized"

    def __init__(self) -> None:
        super().__init__("The server does not accept the token (is it expired, or for another server?).")


class NotFound(TransportError):
    """404: the server says that this user has no backup."""

    code = "not-found"

    def __init__(self) -> None:
        super().__init__("There is no backup on the server.")


class VersionMismatch(TransportError):
    """409: the backup has been replaced; `current_version` is its version now, 0 for no backup."""

    code = "version-mismatch"

    def __init__(self, current_version: int) -> None:
        super().__init__(f"The backup on the server has changed (it is now at version {current_version}).")
        self.current_version = current_version


class TooLarge(TransportError):
    """413: the backup is too large. `max_bytes` is the server's limit, None if it did not say."""

    code = "too-large"

    def __init__(self, size_bytes: int, max_bytes: int | None = None) -> None:
        limit = "" if max_bytes is None else f"; at most {max_bytes} are allowed"
        super().__init__(f"The server does not accept a backup of {size_bytes} bytes{limit}.")
        self.size_bytes = size_bytes
        self.max_bytes = max_bytes


class RateLimited(TransportError):
    """429: too many requests; `retry_after_seconds` is None if the server did not say."""

    code = "rate-limited"

    def __init__(self, retry_after_seconds: float | None) -> None:
        when = "later" if retry_after_seconds is None else f"in {retry_after_seconds:.0f} seconds"
        super().__init__(f"There are too many requests; try again {when}.")
        self.retry_after_seconds = retry_after_seconds


class Unavailable(TransportError):
    """The server could not be reached or could not work, and changed nothing; `reason` is plain text."""

    code = "unavailable"

    def __init__(self, reason: str, *, server: str = "") -> None:
        place = f" at {server}" if server else ""
        super().__init__(f"The server{place} is not available ({reason}).")
        self.reason = reason
        self.server = server


class NotStored(Unavailable):
    """503 to an upload or deletion, and the server says that it changed nothing; `method` is POST or DELETE."""

    code = "not-stored"

    def __init__(self, reason: str, *, server: str = "", method: str = "POST") -> None:
        super().__init__(reason, server=server)
        place = f" at {server}" if server else ""
        does, did = ("take uploads", "stored") if method == "POST" else ("delete backups", "deleted")
        self.args = (f"The server{place} cannot {does} now ({reason}). Nothing was {did}; try again later.",)
        self.method = method


class OutcomeUnknown(TransportError):
    """A request was sent and no valid response came: the change may or may not have happened.

    Repeating is safe. A push fetches first, finds its earlier upload if that arrived, and sends nothing. Deleting a
    deleted backup changes nothing.
    """

    code = "outcome-unknown"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"No valid response from the server ({reason}): the change may or may not have happened. It is safe to "
            "try again."
        )
        self.reason = reason


class BackupLost(TransportError):
    """The server does not find the bytes of the backup at `version` (None if it did not say)."""

    code = "backup-lost"

    def __init__(self, version: int | None) -> None:
        super().__init__(
            "The server does not find the bytes of this backup. Try again in a minute, since its storage may be "
            "recovering. If that does not help, tell its operator. If the bytes are lost, push again and accept the "
            "rollback."
        )
        self.version = version


class UnexpectedResponse(TransportError):
    """A response outside the contract; `status` is 0 if it was truncated, too long, or did not match its digest."""

    code = "unexpected-answer"

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"Unexpected response from the server ({reason}). Is this the address of an Obscura server?")
        self.status = status
        self.reason = reason


class NotFromService(UnexpectedResponse):
    """A response that the service never sends: it came from a proxy, a firewall or a login page.

    `status` is the HTTP status; `advice` says what it means and what to do.
    """

    code = "not-from-service"

    def __init__(self, status: int, advice: str) -> None:
        super().__init__(status, f"status {status}, not from the backup service")
        self.args = (f"Status {status} came from a proxy, not from the backup service: {advice}.",)
        self.advice = advice
