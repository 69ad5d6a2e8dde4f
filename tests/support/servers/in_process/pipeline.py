"""The middleware of the service around any application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup.adapters.system_clock import SystemClock
from obscura_backup.adapters.tokens.jwks import SecretKeySource
from obscura_backup.adapters.tokens.verifier import JwtVerifier
from obscura_backup.entrypoints.http.limits.client_address import ClientAddress
from obscura_backup.entrypoints.http.middleware.cors import CorsPolicy
from obscura_backup.entrypoints.http.middleware.rate_limits import RateLimits
from obscura_backup.entrypoints.http.middleware.request_log import RequestLog
from obscura_backup.entrypoints.http.middleware.request_pipeline import RequestPipeline
from obscura_backup.entrypoints.http.route_table import ROUTES
from support.servers.in_process.app import SECRET

if TYPE_CHECKING:
    from collections.abc import Callable

    from litestar.types import ASGIApp

    from obscura_backup.domain.ports import TokenVerifier


def pipeline(
    app: ASGIApp,
    *,
    tokens: TokenVerifier | None = None,
    origins: tuple[str, ...] = (),
    is_stopping: Callable[[], bool] = lambda: False,
    user_hash_prefixes: tuple[str, ...] = (),
) -> RequestPipeline:
    """Without rate limits. By default it accepts tokens that are signed with `SECRET`."""
    tokens = tokens or JwtVerifier(SecretKeySource(SECRET), SystemClock())
    addresses = ClientAddress()
    return RequestPipeline(
        app,
        ROUTES,
        tokens,
        RateLimits(0, 0, addresses),
        cors=CorsPolicy(origins),
        is_stopping=is_stopping,
        log=RequestLog(ROUTES, addresses, str),
        user_hash_prefixes=user_hash_prefixes,
    )
