"""What is known about one request: parsed from its ASGI scope once, and extended on its way to the handler."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from obscura_backup.domain.errors import Unauthenticated, Unavailable

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from obscura_backup.domain.errors import ObscuraError
    from obscura_backup.domain.model import UserId
    from obscura_backup.domain.ports import TokenVerifier

_KEY = "obscura_backup.request"


class Admission(Protocol):
    """Whether the connection of a request is among those that are served."""

    @property
    def is_granted(self) -> bool:
        """As of the last claim."""

    def claim(self, owner: Hashable) -> bool:
        """Count the request for this owner (user or address) from now on; ask again if it was not admitted."""


class RequestState:
    """The state of one request. Get it by `RequestState.of`.

    Attributes:
        method: as in the scope when the state was made.
        user_id: the user, once the token has been recognised or verified.
        admission: of the connection; None if the server does not limit connections.
        head_fault: status and detail of the refusal, if the server found the request's head malformed.
        charged_address: the client address that this request was counted for, until its user is known.
        request_id: for the log, the answer and problem documents.
        error: that the request ended with.
        received_bytes: of the body, as far as it arrived.
        has_begun_change: whether an upload or a deletion was handed to the service. Before, nothing can have changed.
    """

    __slots__ = (
        "_fields",
        "_first",
        "_was_recognised",
        "admission",
        "charged_address",
        "error",
        "has_begun_change",
        "head_fault",
        "method",
        "received_bytes",
        "request_id",
        "user_id",
    )

    def __init__(self, method: str, fields: Sequence[tuple[bytes, bytes]]) -> None:
        self._fields = fields
        self._first = dict(reversed(fields))
        self._was_recognised = False
        self.method = method
        self.user_id: UserId | None = None
        self.admission: Admission | None = None
        self.head_fault: tuple[int, str] | None = None
        self.charged_address: str | None = None
        self.request_id: str | None = None
        self.error: ObscuraError | None = None
        self.received_bytes = 0
        self.has_begun_change = False

    @classmethod
    def of(cls, scope: Mapping[str, Any]) -> RequestState:
        """The state of the request with this scope; made on the first call."""
        kept = scope["state"]
        state: RequestState | None = kept.get(_KEY)
        if state is None:
            state = kept[_KEY] = cls(scope["method"], scope["headers"])
        return state

    def has(self, header: bytes) -> bool:
        """Whether there is such a header. Names are in lower case."""
        return header in self._first

    def value(self, header: bytes) -> str | None:
        """The value of a header, the first one if there are several."""
        value = self._first.get(header)
        return None if value is None else value.decode("latin-1")

    def values(self, header: bytes) -> list[str]:
        """The values of all headers of this name, in order."""
        if header not in self._first:
            return []
        if len(self._first) == len(self._fields):  # no name occurs twice
            return [self._first[header].decode("latin-1")]
        return [value.decode("latin-1") for name, value in self._fields if name == header]

    @property
    def bearer_token(self) -> str | None:
        """The one bearer token (RFC 6750, 2.1); None if there is none, or several Authorization headers."""
        authorizations = self.values(b"authorization")
        if len(authorizations) != 1:
            return None
        scheme, _, token = authorizations[0].partition(" ")
        return (token.strip(" \t") or None) if scheme.lower() == "bearer" else None

    def require_user(self) -> UserId:
        """The user.

        Raises:
            Unauthenticated: the user is not known. The middleware has refused such a request, so this is a second lock.
        """
        if self.user_id is None:
            raise Unauthenticated("A bearer token is required.")
        return self.user_id

    @property
    def is_preflight(self) -> bool:
        """Whether a browser asks for permission to send a request (CORS protocol of the Fetch standard)."""
        return self.method == "OPTIONS" and self.has(b"origin") and self.has(b"access-control-request-method")

    async def recognise(self, tokens: TokenVerifier) -> UserId | None:
        """The user, if the token was verified before. None says nothing about the token."""
        if not self._was_recognised:
            self._was_recognised = True
            token = self.bearer_token
            if token is not None:
                with suppress(Unauthenticated, Unavailable):
                    self.user_id = await tokens.recognise(token)
        return self.user_id
