"""Who is asking: the bearer token of a request, before anything else of it is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult

from obscura_backup.domain.errors import Unauthenticated, Unavailable
from obscura_backup.entrypoints.http.server.connection_limit import PLACE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from litestar.connection import ASGIConnection
    from litestar.types import ASGIApp, Scope

    from obscura_backup.domain.model import UserId
    from obscura_backup.domain.ports import TokenVerifier
    from obscura_backup.entrypoints.http.middleware.rate_limits import RateLimits

RECOGNISED = "obscura.recognised"
"""In the scope: the user, where the token was verified before, and found to be so at the door."""


def bearer_token(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The one bearer token of a request (RFC 6750, 2.1).

    Raises:
        Unauthenticated: there is none, or more than one header that might hold it.
    """
    values = [value for name, value in headers if name == b"authorization"]
    if len(values) == 1:
        scheme, _, token = values[0].decode("latin-1").partition(" ")
        if scheme.lower() == "bearer" and (token := token.strip(" \t")):
            return token
    raise Unauthenticated("A bearer token is needed, in one Authorization header.")


async def recognised(tokens: TokenVerifier, scope: Scope) -> UserId | None:
    """The user of a request whose token was verified before; None for every other request, without a verdict on it."""
    try:
        return await tokens.recognise(bearer_token(scope["headers"]))
    except (Unauthenticated, Unavailable):
        return None


class BearerAuthentication(AbstractAuthenticationMiddleware):
    """Puts the user's id into the request, or refuses it with 401."""

    def __init__(self, app: ASGIApp, tokens: TokenVerifier, limits: RateLimits) -> None:
        super().__init__(app)
        self._tokens = tokens
        self._limits = limits

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        """See the base class.

        Raises:
            Unauthenticated: no bearer token, or not a valid one.
            TooManyRequests: its user asks too often.
        """
        scope = connection.scope
        user_id = cast("dict[str, Any]", scope).get(RECOGNISED)
        if user_id is None:
            user_id = await self._tokens.verify(bearer_token(scope["headers"]))
            self._limits.charge_user(scope, user_id)
        if place := cast("dict[str, Any]", scope).get(PLACE):
            place.claim(user_id)
        return AuthenticationResult(user=user_id, auth=None)
