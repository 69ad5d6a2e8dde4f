"""The application: routes, errors and policies put together around what the container holds."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from litestar import Litestar, Router
from litestar.config.cors import CORSConfig
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.routes import HTTPRoute

from obscura_backup.domain.errors import ObscuraError, TooManyDownloads
from obscura_backup.domain.spool import SpoolMemory
from obscura_backup.entrypoints.container import Container, started
from obscura_backup.entrypoints.http.limits.client_address import ClientAddress
from obscura_backup.entrypoints.http.limits.transfers import ConcurrencyLimit
from obscura_backup.entrypoints.http.messages import openapi, problems
from obscura_backup.entrypoints.http.middleware.authentication import BearerAuthentication, recognised
from obscura_backup.entrypoints.http.middleware.cors import CorsMiddleware
from obscura_backup.entrypoints.http.middleware.metrics import MetricsMiddleware
from obscura_backup.entrypoints.http.middleware.rate_limits import RateLimitMiddleware, RateLimits
from obscura_backup.entrypoints.http.middleware.request_guard import RequestGuard
from obscura_backup.entrypoints.http.routes import service as service_routes
from obscura_backup.entrypoints.http.routes.backup import BackupController, TransferDependencies
from obscura_backup.entrypoints.http.routes.docs import DocsApp
from obscura_backup.entrypoints.http.server.shutdown import ConnectionCloseMiddleware, ShutdownState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from litestar.types import ASGIApp

    from obscura_backup.entrypoints.settings import Settings

_EXPOSED = ["ETag", "Repr-Digest", "Last-Modified", "Content-Range", "Accept-Ranges", "Retry-After"]
_ALLOWED = ["Authorization", "Content-Type", "If-Match", "If-None-Match", "Content-Digest", "Range", "If-Range"]


def create_litestar(container: Container, stopping: ShutdownState, rates: RateLimits) -> Litestar:
    """The Litestar application over a container's parts; its lifespan starts and closes the stores."""
    settings = container.settings()

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with started(container):
            yield

    tokens = container.tokens()

    def authenticated(app: ASGIApp) -> ASGIApp:
        # A function, since the framework makes deep copies of what it is given for a middleware: there would be two
        # memories of who was verified, and two accounts of each.
        return BearerAuthentication(app, tokens, rates)

    backup = Router(path="/", route_handlers=[BackupController], middleware=[authenticated])
    return Litestar(
        route_handlers=[
            backup,
            service_routes.config,
            service_routes.live,
            service_routes.ready,
            service_routes.metrics,
        ],
        dependencies={
            "service": _provide(container.service),
            "limits": _provide(container.limits),
            "stores": _provide(
                lambda: service_routes.ReadinessCheck(
                    container.metadata(), container.blobs(), stopping, timeout_seconds=settings.ready_seconds
                )
            ),
            "transfers": _provide(
                lambda: TransferDependencies(
                    container.service(),
                    container.limits(),
                    ConcurrencyLimit(settings.max_uploads_per_user),
                    ConcurrencyLimit(settings.max_uploads_per_user, TooManyDownloads),
                    SpoolMemory(settings.upload_memory_bytes),
                )
            ),
        },
        exception_handlers={
            ObscuraError: problems.refuse,
            HTTPException: problems.refuse_http,
            Exception: problems.fail,
        },
        cors_config=_cors(settings.cors_origins),
        openapi_config=openapi.openapi_config() if settings.has_docs else None,
        lifespan=[lifespan],
        logging_config=None,
    )


def create_app(settings: Settings, stopping: ShutdownState | None = None) -> ASGIApp:
    """What a server runs: the application with everything around it."""
    stopping = stopping or ShutdownState()
    container = Container(settings=settings)
    rates = RateLimits(settings.rate_per_user, settings.rate_per_address, ClientAddress(settings.trusted_proxies))
    litestar = create_litestar(container, stopping, rates)
    app: ASGIApp = litestar
    methods = _methods(litestar)
    if settings.has_docs:
        openapi.state_limits(litestar.openapi_schema, container.limits())
        app = docs = DocsApp(litestar, litestar.openapi_schema)
        methods |= docs.methods
    limited = RateLimitMiddleware(app, rates, container.tokens())
    door: ASGIApp = RequestGuard(limited, methods, partial(recognised, container.tokens()))
    cors = _cors(settings.cors_origins)
    return MetricsMiddleware(ConnectionCloseMiddleware(CorsMiddleware(door, cors) if cors else door, stopping))


def _methods(app: Litestar) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            found.setdefault(route.path, set()).update(route.methods)
    return found


def _provide(make: Callable[[], Any]) -> Provide:
    # Asked for once, here, instead of for every request.
    part = make()
    return Provide(lambda: part, sync_to_thread=False)


def _cors(origins: tuple[str, ...]) -> CORSConfig | None:
    if not origins:
        return None
    return CORSConfig(
        allow_origins=list(origins),
        allow_methods=["GET", "HEAD", "POST", "DELETE"],
        allow_headers=_ALLOWED,
        expose_headers=_EXPOSED,
        max_age=600,
    )
