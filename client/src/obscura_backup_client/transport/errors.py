"""What can go wrong between this device and the server. One class for each thing a caller does differently."""

from __future__ import annotations

from obscura_backup_client.errors import ClientError


class TransportError(ClientError):
    """The root of everything below."""

    code = "transport"


class TokenUnusable(TransportError):
    """There is no token, or it does not name a user; `reason` never quotes it."""

    code = "token-unusable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The token cannot be used: {reason}.")
        self.reason = reason


class ServerRefused(TransportError):
    """The server's address is not one to send a token to; `url` is it, without any credentials."""

    code = "server-refused"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url} is refused: {reason}.")
        self.url = url
        self.reason = reason


class Unauthorized(TransportError):
    """401 or 403: the token is expired, of another server, or revoked."""

    code = "unauthorized"

    def __init__(self) -> None:
        super().__init__("The server does not accept the token (is it expired, or for another server?).")


class NotFound(TransportError):
    """404: the server says that this user has no backup."""

    code = "not-found"

    def __init__(self) -> None:
        super().__init__("There is no backup on the server.")


class VersionMismatch(TransportError):
    """409: the backup was replaced since; `current_version` is the version it has now, 0 when there is none."""

    code = "version-mismatch"

    def __init__(self, current_version: int) -> None:
        super().__init__(f"The backup on the server is at version {current_version} by now.")
        self.current_version = current_version


class TooLarge(TransportError):
    """The server takes no backup of this size; `size_bytes` was offered, and `max_bytes` is the most, if it said so."""

    code = "too-large"

    def __init__(self, size_bytes: int, max_bytes: int | None = None) -> None:
        most = "" if max_bytes is None else f"; {max_bytes} is the most"
        super().__init__(f"The server takes no backup of {size_bytes} bytes{most}.")
        self.size_bytes = size_bytes
        self.max_bytes = max_bytes


class RateLimited(TransportError):
    """429; `retry_after_seconds` is when to come back, if the server said so."""

    code = "rate-limited"

    def __init__(self, retry_after_seconds: float | None) -> None:
        when = "later" if retry_after_seconds is None else f"in {retry_after_seconds:.0f} seconds"
        super().__init__(f"The server asks to try again {when}.")
        self.retry_after_seconds = retry_after_seconds


class Unavailable(TransportError):
    """The server could not be reached or could not work, and nothing happened there; `reason` is a plain word."""

    code = "unavailable"

    def __init__(self, reason: str, *, server: str = "") -> None:
        place = f" at {server}" if server else ""
        super().__init__(f"The server{place} is not available ({reason}).")
        self.reason = reason
        self.server = server


class NotStored(Unavailable):
    """503 to an upload or deletion, with the server's word that nothing changed there; `method` is POST or DELETE."""

    code = "not-stored"

    def __init__(self, reason: str, *, server: str = "", method: str = "POST") -> None:
        super().__init__(reason, server=server)
        place = f" at {server}" if server else ""
        does, did = ("take uploads", "stored") if method == "POST" else ("delete backups", "deleted")
        self.args = (f"The server{place} cannot {does} now ({reason}). Nothing was {did}; try again later.",)
        self.method = method


class OutcomeUnknown(TransportError):
    """The request was sent, and no answer came that makes sense: it may or may not have happened.

    Doing it again is safe: a push fetches first, finds the own upload if it did arrive, and then sends nothing, and a
    deletion of what is deleted is none.
    """

    code = "outcome-unknown"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"No clear answer came back ({reason}): it may or may not have happened. Doing it again is safe."
        )
        self.reason = reason


class BackupLost(TransportError):
    """The server knows that there was a backup, at `version` (None when it did not say), and cannot find its bytes."""

    code = "backup-lost"

    def __init__(self, version: int | None) -> None:
        super().__init__(
            "The server lost the bytes of this backup. Tell its operator; if they cannot be brought back, "
            "push with the loss explicitly accepted."
        )
        self.version = version


class UnexpectedResponse(TransportError):
    """An answer outside the contract; `status` is 0 where the answer was cut, too long, or did not match its digest."""

    code = "unexpected-answer"

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"The server's answer makes no sense ({reason}). Is this the address of an Obscura server?")
        self.status = status
        self.reason = reason


class NotFromService(UnexpectedResponse):
    """An answer that the service never gives: a proxy, a firewall or a login page stands in front of it.

    `status` is that of the answer, `advice` says what it means and what to do.
    """

    code = "not-from-service"

    def __init__(self, status: int, advice: str) -> None:
        super().__init__(status, f"status {status}, not from the backup service")
        self.args = (f"Status {status} is not from the backup service but from a proxy in front of it: {advice}.",)
        self.advice = advice
