"""Too many requests are refused at the door: of a user, once it is known who asks, and of an address until then."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

from litestar.enums import ScopeType
from prometheus_client import Counter

from obscura_backup.entrypoints.http.limits.rate_limiter import RateLimit
from obscura_backup.entrypoints.http.messages.errors import TooManyRequests
from obscura_backup.entrypoints.http.messages.openapi import is_docs
from obscura_backup.entrypoints.http.middleware.authentication import RECOGNISED, recognised
from obscura_backup.entrypoints.http.middleware.metrics import REGISTRY
from obscura_backup.entrypoints.http.middleware.request_guard import ALWAYS_OPEN, refuse

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

    from obscura_backup.domain.model import UserId
    from obscura_backup.domain.ports import TokenVerifier
    from obscura_backup.entrypoints.http.limits.client_address import ClientAddress

DOCS_PER_MINUTE = 60
"""Requests for the API's description from one address, of anybody: ten visits by a browser that keeps nothing. A file
has up to 1.5 MB where its client does not take gzip, so that a stranger gets 90 MB a minute at most."""

_ACCOUNT = "obscura.account"

_REFUSED = Counter(
    "obscura_backup_rate_limited", "Requests refused for coming too often.", ("account",), registry=REGISTRY
)


class RateLimits:
    """Whose account a request goes on, and whether there is anything left on it.

    Who shows a token that was verified before is charged as that user alone, so that many people behind one address
    do not get in each other's way, nor does a stranger among them. All else is charged to the address, before a token
    is looked at; where the token then turns out to be good, the charge is moved to its user.

    Args:
        per_user: requests a minute; 0 for no limit.
        per_address: requests a minute that come without a good token; 0 for no limit.
        addresses: tells where a request comes from.
    """

    def __init__(self, per_user: int, per_address: int, addresses: ClientAddress) -> None:
        self._users = RateLimit(per_user)
        self._addresses = RateLimit(per_address)
        self._docs = RateLimit(min(per_address, DOCS_PER_MINUTE))
        self._address_of = addresses.of

    def charge_address(self, scope: Scope) -> None:
        """Put a request on the account of its address.

        Raises:
            TooManyRequests: too many of its requests had no good token.
        """
        address = self._address_of(scope)
        _require_no_wait(self._addresses.take(address), "address")
        cast("dict[str, Any]", scope)[_ACCOUNT] = address

    def charge_docs(self, scope: Scope) -> None:
        """Put a request for the API's description on an account of its address for that alone.

        Raises:
            TooManyRequests: it asks for the description too often.
        """
        _require_no_wait(self._docs.take(self._address_of(scope)), "address")

    def charge_user(self, scope: Scope, user_id: UserId) -> None:
        """Put a request on the account of its user, and off that of its address.

        Raises:
            TooManyRequests: this user asks too often.
        """
        address = cast("dict[str, Any]", scope).pop(_ACCOUNT, None)
        if address is not None:
            self._addresses.refund(address)
        _require_no_wait(self._users.take(user_id), "user")


class RateLimitMiddleware:
    """Wraps the framework's application: what is too much costs no routing, no token's verification, and no body."""

    def __init__(self, app: ASGIApp, limits: RateLimits, tokens: TokenVerifier) -> None:
        self._app = app
        self._limits = limits
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Charge, then refuse or pass on."""
        if scope["type"] == ScopeType.HTTP and scope["path"] not in ALWAYS_OPEN and not _is_preflight(scope):
            try:
                await self._charge(scope)
            except TooManyRequests as error:
                # The connection of a stranger is closed: what they have sent on it already is not worth an answer each.
                known = RECOGNISED in scope
                seconds = error.retry_after_seconds
                await refuse(send, 429, error.code, str(error), retry_after_seconds=seconds, close=not known)
                return
        await self._app(scope, receive, send)

    async def _charge(self, scope: HTTPScope) -> None:
        if is_docs(scope["path"]):
            self._limits.charge_docs(scope)
            return
        user_id = await recognised(self._tokens, scope)
        if user_id is None:
            self._limits.charge_address(scope)
        else:
            cast("dict[str, Any]", scope)[RECOGNISED] = user_id
            self._limits.charge_user(scope, user_id)


def _is_preflight(scope: HTTPScope) -> bool:
    # It never carries a token, so it would go on the account of the address: in a flood from there, a browser would
    # not get to send the request of somebody who is known.
    names = {name for name, _ in scope["headers"]}
    return scope["method"] == "OPTIONS" and {b"origin", b"access-control-request-method"} <= names


def _require_no_wait(wait_seconds: float, account: str) -> None:
    if wait_seconds > 0:
        _REFUSED.labels(account).inc()
        raise TooManyRequests(account, math.ceil(wait_seconds))
