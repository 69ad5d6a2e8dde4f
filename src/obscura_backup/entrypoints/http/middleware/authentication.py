"""Authentication by bearer token."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from obscura_backup.domain.errors import Unauthenticated
from obscura_backup.entrypoints.http.messages.errors import MisdirectedRequest

if TYPE_CHECKING:
    from obscura_backup.domain.ports import TokenVerifier
    from obscura_backup.entrypoints.http.middleware.rate_limits import RateLimits
    from obscura_backup.entrypoints.http.request_state import RequestState


class BearerAuthentication:
    """Finds the user of a request.

    Args:
        tokens: verifies the token, unless it was recognised before.
        rates: the request is charged to the user from then on.
        user_hash_prefixes: the users that are served, by the first digits of the SHA-256 of their ids, as a proxy
            chooses among several pairs of stores; none: all.
    """

    def __init__(self, tokens: TokenVerifier, rates: RateLimits, user_hash_prefixes: tuple[str, ...] = ()) -> None:
        self._tokens = tokens
        self._rates = rates
        self._user_hash_prefixes = user_hash_prefixes

    async def authenticate(self, state: RequestState) -> None:
        """Set the user's id in the state of the request.

        Raises:
            Unauthenticated: there is no bearer token, or not a valid one.
            MisdirectedRequest: the user is not served here.
            TooManyRequests: the user is over the rate limit.
            Unavailable: the keys cannot be read.
        """
        if state.user_id is None:
            token = state.bearer_token
            if token is None:
                raise Unauthenticated("A bearer token is required, in one Authorization header.")
            state.user_id = await self._tokens.verify(token)
            self._rates.charge_user(state, state.user_id)
        if self._user_hash_prefixes:
            user_hash = hashlib.sha256(str(state.user_id).encode()).hexdigest()
            if not user_hash.startswith(self._user_hash_prefixes):
                raise MisdirectedRequest
        if state.admission is not None:
            state.admission.claim(state.user_id)
