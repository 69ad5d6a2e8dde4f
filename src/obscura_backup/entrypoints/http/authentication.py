"""Who is asking: the bearer token of a request, before anything else of it is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult

from obscura_backup.domain.errors import Unauthenticated

if TYPE_CHECKING:
    from litestar.connection import ASGIConnection
    from litestar.types import ASGIApp

    from obscura_backup.domain.ports import TokenVerifier


class BearerAuthentication(AbstractAuthenticationMiddleware):
    """Puts the user's id into the request, or refuses it with 401."""

    def __init__(self, app: ASGIApp, tokens: TokenVerifier) -> None:
        super().__init__(app)
        self._tokens = tokens

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        """See the base class.

        Raises:
            Unauthenticated: no bearer token, or not a valid one.
        """
        values = connection.headers.getall("authorization", [])
        if len(values) != 1:
            raise Unauthenticated("A bearer token is needed, in one Authorization header.")
        scheme, _, token = values[0].partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("A bearer token is needed, in one Authorization header.")
        return AuthenticationResult(user=await self._tokens.verify(token.strip()), auth=None)
