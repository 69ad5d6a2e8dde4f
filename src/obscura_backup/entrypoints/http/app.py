"""The assembly of the HTTP applications: handlers in the framework, and the middleware around it, in order."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException

from obscura_backup.adapters.tokens.jwks import JwksKeySource
from obscura_backup.domain.errors import ObscuraError, TooManyDownloads
from obscura_backup.entrypoints.container import Container, started
from obscura_backup.entrypoints.http.gauges import Gauges
from obscura_backup.entrypoints.http.limits.client_address import ClientAddress
from obscura_backup.entrypoints.http.limits.spool import SpoolMemory
from obscura_backup.entrypoints.http.limits.transfers import ConcurrencyLimit
from obscura_backup.entrypoints.http.listeners import ListenerSwitch
from obscura_backup.entrypoints.http.messages import problems
from obscura_backup.entrypoints.http.middleware.authentication import BearerAuthentication
from obscura_backup.entrypoints.http.middleware.connection_close import ConnectionCloseMiddleware
from obscura_backup.entrypoints.http.middleware.cors import CorsMiddleware
from obscura_backup.entrypoints.http.middleware.metrics import MetricsMiddleware
from obscura_backup.entrypoints.http.middleware.rate_limits import RateLimitMiddleware, RateLimits
from obscura_backup.entrypoints.http.middleware.request_guard import RequestGuard
from obscura_backup.entrypoints.http.observed_stores import observed_service
from obscura_backup.entrypoints.http.route_table import MANAGEMENT_ROUTES, ROUTES
from obscura_backup.entrypoints.http.routes import management as management_routes
from obscura_backup.entrypoints.http.routes import service as service_routes
from obscura_backup.entrypoints.http.routes.backup import BackupController, TransferDependencies
from obscura_backup.entrypoints.http.routes.docs import DocsApp
from obscura_backup.entrypoints.http.server.connection_limit import ConnectionLimit, Listener

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from litestar.types import ASGIApp

    from obscura_backup.entrypoints.settings import Settings

_EXCEPTION_HANDLERS: Any = {
    ObscuraError: problems.answer_error,
    HTTPException: problems.answer_http_exception,
    Exception: problems.answer_exception,
}


def create_litestar(
    container: Container, rates: RateLimits, readiness_check: service_routes.ReadinessCheck
) -> Litestar:
    """The Litestar application over a container's parts; its lifespan starts and closes the stores."""
    service = observed_service(container.metadata(), container.blobs(), container.clock())
    memory = SpoolMemory(container.settings().upload_memory_bytes)
    keys = container.key_source()
    gauges = Gauges(
        readiness_check,
        {
            "connections": lambda: ConnectionLimit.count_open(Listener.PUBLIC),
            "upload_memory_bytes": lambda: memory.used_bytes,
        },
        keys.age_seconds if isinstance(keys, JwksKeySource) else None,
    )
    settings = container.settings()

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with started(container), gauges.kept_up_to_date():
            yield

    tokens = container.tokens()

    def authenticated(app: ASGIApp) -> ASGIApp:
        # A function, since the framework deep-copies the arguments of a middleware. A copy would have its own cache of
        # verified tokens and its own rate limits.
        return BearerAuthentication(app, tokens, rates)

    return Litestar(
        route_handlers=[
            Router(path="/", route_handlers=[BackupController], middleware=[authenticated]),
            service_routes.config,
            service_routes.live,
            service_routes.ready,
        ],
        dependencies={
            "service": _provide(service),
            "limits": _provide(container.limits()),
            "retention": _provide(service_routes.Retention(days=settings.retention_days)),
            "readiness_check": _provide(readiness_check),
            "transfers": _provide(
                TransferDependencies(
                    service,
                    container.limits(),
                    ConcurrencyLimit(settings.max_uploads_per_user),
                    ConcurrencyLimit(settings.max_uploads_per_user, TooManyDownloads),
                    memory,
                )
            ),
        },
        exception_handlers=_EXCEPTION_HANDLERS,
        openapi_config=None,
        lifespan=[lifespan],
        logging_config=None,
    )


def create_management_app(settings: Settings, readiness_check: service_routes.ReadinessCheck) -> ASGIApp:
    """The application of the management listener: no users, no tokens, no rate limits."""
    app = Litestar(
        route_handlers=[service_routes.live, management_routes.ready, management_routes.metrics],
        dependencies={
            "readiness_check": _provide(readiness_check),
            "store_kinds": _provide(management_routes.StoreKinds(settings.metadata_kind, settings.blobs_kind)),
        },
        exception_handlers=_EXCEPTION_HANDLERS,
        openapi_config=None,
        logging_config=None,
    )
    return RequestGuard(app, MANAGEMENT_ROUTES)


def create_app(settings: Settings, is_stopping: Callable[[], bool] = lambda: False) -> ASGIApp:
    """The application that a server runs, on both listeners.

    Args:
        settings: of the service.
        is_stopping: whether this process was told to stop.
    """
    container = Container(settings=settings)
    readiness_check = service_routes.ReadinessCheck(
        container.metadata(), container.blobs(), is_stopping, timeout_seconds=settings.ready_seconds
    )
    public = _create_public_app(container, readiness_check, is_stopping)
    if settings.admin_port is None:
        return public
    management = ConnectionCloseMiddleware(create_management_app(settings, readiness_check), is_stopping)
    return ListenerSwitch(public, management, settings.admin_port)


def _create_public_app(
    container: Container, readiness_check: service_routes.ReadinessCheck, is_stopping: Callable[[], bool]
) -> ASGIApp:
    """The framework's application, and the middleware around it, from the inside out."""
    settings = container.settings()
    tokens = container.tokens()
    rates = RateLimits(settings.rate_per_user, settings.rate_per_address, ClientAddress(settings.trusted_proxies))
    routes = ROUTES
    app: ASGIApp = create_litestar(container, rates, readiness_check)
    if settings.has_docs:
        app = docs = DocsApp(app, container.limits())
        routes = {**ROUTES, **docs.routes}
    app = RateLimitMiddleware(app, rates, tokens, routes)
    app = RequestGuard(app, routes, tokens)
    if settings.cors_origins:
        app = CorsMiddleware(app, settings.cors_origins)
    app = ConnectionCloseMiddleware(app, is_stopping)
    return MetricsMiddleware(app, routes)


def _provide(part: Any) -> Provide:
    return Provide(lambda: part, sync_to_thread=False)
