"""Authentication by bearer token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup.domain.errors import Unauthenticated

if TYPE_CHECKING:
    from obscura_backup.domain.ports import TokenVerifier
    from obscura_backup.entrypoints.http.middleware.rate_limits import RateLimits
    from obscura_backup.entrypoints.http.request_state import RequestState


class BearerAuthentication:
    """Finds the user of a request.

    Args:
        tokens: verifies the token, unless it was recognised before.
        rates: the request is charged to the user from then on.
    """

    def __init__(self, tokens: TokenVerifier, rates: RateLimits) -> None:
        self._tokens = tokens
        self._rates = rates

    async def authenticate(self, state: RequestState) -> None:
        """Set the user's id in the state of the request.

        Raises:
            Unauthenticated: there is no bearer token, or not a valid one.
            TooManyRequests: the user is over the rate limit.
            Unavailable: the keys cannot be read.
        """
        if state.user_id is None:
            token = state.bearer_token
            if token is None:
                raise Unauthenticated("A bearer token is required, in one Authorization header.")
            state.user_id = await self._tokens.verify(token)
            self._rates.charge_user(state, state.user_id)
        if state.admission is not None:
            state.admission.claim(state.user_id)
