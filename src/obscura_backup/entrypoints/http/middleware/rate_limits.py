"""Rate limits of requests: per user if the token is known, per client address otherwise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from prometheus_client import Counter

from obscura_backup.entrypoints.http.limits.rate_limiter import RateLimit
from obscura_backup.entrypoints.http.messages.errors import TooManyRequests
from obscura_backup.entrypoints.http.middleware.metrics import REGISTRY
from obscura_backup.entrypoints.http.route_table import is_docs

if TYPE_CHECKING:
    from litestar.types import HTTPScope

    from obscura_backup.domain.model import UserId
    from obscura_backup.entrypoints.http.limits.client_address import ClientAddress
    from obscura_backup.entrypoints.http.request_state import RequestState

DOCS_PER_MINUTE = 60
"""Requests for the API documentation per address and minute: ten visits by a browser without a cache. A file has up to
1.5 MB if its client does not accept gzip, so that one address gets at most 90 MB a minute."""

_REFUSED = Counter("obscura_backup_rate_limited", "Requests refused by a rate limit.", ("account",), registry=REGISTRY)


class RateLimits:
    """Which account a request is charged to, and whether that account is over its limit.

    A request with a token that was verified before is charged to its user alone. So many people behind one address do
    not disturb each other, and a stranger there does not disturb them. Every other request is charged to its address,
    before its token is verified; if the token then proves valid, the charge moves to the user.

    Args:
        per_user: requests per minute; 0 for no limit.
        per_address: requests per minute without a valid token; 0 for no limit.
        addresses: finds the client's address.
    """

    def __init__(self, per_user: int, per_address: int, addresses: ClientAddress) -> None:
        self._users = RateLimit(per_user)
        self._addresses = RateLimit(per_address)
        self._docs = RateLimit(min(per_address, DOCS_PER_MINUTE))
        self._address_of = addresses.of

    def charge(self, scope: HTTPScope, state: RequestState) -> None:
        """Charge a request before its token is verified.

        Raises:
            TooManyRequests: the account is over the limit.
        """
        if is_docs(scope["path"]):
            self.charge_docs(scope)
        elif state.user_id is None:
            self.charge_address(scope, state)
        else:
            self.charge_user(state, state.user_id)

    def charge_address(self, scope: HTTPScope, state: RequestState) -> None:
        """Charge a request to its address.

        Raises:
            TooManyRequests: too many requests from there had no valid token.
        """
        address = self._address_of(scope)
        _require_no_wait(self._addresses.take(address), "address")
        state.charged_address = address

    def charge_docs(self, scope: HTTPScope) -> None:
        """Charge a request for the API documentation to its address, on an account for the documentation alone.

        Raises:
            TooManyRequests: the address is over the limit.
        """
        _require_no_wait(self._docs.take(self._address_of(scope)), "address")

    def charge_user(self, state: RequestState, user_id: UserId) -> None:
        """Charge a request to its user, and refund its address.

        Raises:
            TooManyRequests: the user is over the limit.
        """
        if state.charged_address is not None:
            self._addresses.refund(state.charged_address)
            state.charged_address = None
        _require_no_wait(self._users.take(user_id), "user")


def _require_no_wait(wait_seconds: float, account: str) -> None:
    if wait_seconds > 0:
        _REFUSED.labels(account).inc()
        raise TooManyRequests(account, math.ceil(wait_seconds))
