"""Authentication by bearer token, for the handlers of the backup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult

from obscura_backup.domain.errors import Unauthenticated
from obscura_backup.entrypoints.http.request_state import RequestState

if TYPE_CHECKING:
    from litestar.connection import ASGIConnection
    from litestar.types import ASGIApp

    from obscura_backup.domain.ports import TokenVerifier
    from obscura_backup.entrypoints.http.middleware.rate_limits import RateLimits


class BearerAuthentication(AbstractAuthenticationMiddleware):
    """Puts the user's id into the request, or refuses it with 401."""

    def __init__(self, app: ASGIApp, tokens: TokenVerifier, limits: RateLimits) -> None:
        super().__init__(app)
        self._tokens = tokens
        self._limits = limits

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        """Find the user of a request.

        Raises:
            Unauthenticated: there is no bearer token, or not a valid one.
            TooManyRequests: the user is over the rate limit.
        """
        state = RequestState.of(connection.scope)
        user_id = state.user_id
        if user_id is None:
            token = state.bearer_token
            if token is None:
                raise Unauthenticated("A bearer token is required, in one Authorization header.")
            user_id = state.user_id = await self._tokens.verify(token)
            self._limits.charge_user(state, user_id)
        if state.admission is not None:
            state.admission.claim(user_id)
        return AuthenticationResult(user=user_id, auth=None)
