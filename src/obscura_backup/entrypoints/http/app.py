"""The assembly of the HTTP applications: handlers in the framework, and the middleware around it."""

from __future__ import annotations

import hmac
import os
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException

from obscura_backup.domain.errors import ObscuraError, TooManyDownloads
from obscura_backup.entrypoints.container import Container, started
from obscura_backup.entrypoints.http import tracing
from obscura_backup.entrypoints.http.gauges import Gauges
from obscura_backup.entrypoints.http.limits.client_address import ClientAddress
from obscura_backup.entrypoints.http.limits.spool import SpoolMemory
from obscura_backup.entrypoints.http.limits.transfers import ConcurrencyLimit
from obscura_backup.entrypoints.http.listeners import ListenerSwitch
from obscura_backup.entrypoints.http.messages import problems
from obscura_backup.entrypoints.http.middleware.cors import CorsPolicy
from obscura_backup.entrypoints.http.middleware.metrics import of_all_workers
from obscura_backup.entrypoints.http.middleware.rate_limits import RateLimits
from obscura_backup.entrypoints.http.middleware.request_log import RequestLog, pseudonyms
from obscura_backup.entrypoints.http.middleware.request_pipeline import RequestPipeline
from obscura_backup.entrypoints.http.observed_stores import observed_service
from obscura_backup.entrypoints.http.route_table import MANAGEMENT_ROUTES, ROUTES, STATUS
from obscura_backup.entrypoints.http.routes import management as management_routes
from obscura_backup.entrypoints.http.routes import service as service_routes
from obscura_backup.entrypoints.http.routes import status as status_routes
from obscura_backup.entrypoints.http.routes.backup import TransferDependencies, backup
from obscura_backup.entrypoints.http.routes.docs import DocsApp
from obscura_backup.entrypoints.http.server.connection_limit import ConnectionLimit, Listener
from obscura_backup.entrypoints.http.status.history import History

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from litestar.types import ASGIApp

    from obscura_backup.domain.model import UserId
    from obscura_backup.entrypoints.settings import Settings

_EXCEPTION_HANDLERS: Any = {
    ObscuraError: problems.answer_error,
    HTTPException: problems.answer_http_exception,
    Exception: problems.answer_exception,
}


def create_litestar(
    container: Container, readiness_check: service_routes.ReadinessCheck, history: History | None = None
) -> Litestar:
    """The Litestar application over a container's parts.

    Its lifespan starts and closes the stores. Meanwhile, it keeps the gauges and the history of the status page.
    """
    service = observed_service(container.metadata(), container.blobs(), container.clock())
    memory = SpoolMemory(container.settings().upload_memory_bytes)
    gauges = Gauges(
        readiness_check,
        {
            "connections": lambda: ConnectionLimit.count_open(Listener.PUBLIC),
            "upload_memory_bytes": lambda: memory.used_bytes,
        },
        container.key_source(),
    )
    settings = container.settings()

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        kept = nullcontext() if history is None else history.kept_up_to_date()
        async with started(container), gauges.kept_up_to_date(), kept:
            yield

    transfers = TransferDependencies(
        service,
        container.limits(),
        ConcurrencyLimit(settings.max_uploads_per_user),
        ConcurrencyLimit(settings.max_uploads_per_user, TooManyDownloads),
        memory,
    )
    return Litestar(
        route_handlers=[
            backup,
            service_routes.config,
            service_routes.live,
            service_routes.ready,
        ],
        dependencies={
            "limits": _provide(container.limits()),
            "retention": _provide(service_routes.Retention(days=settings.retention_days)),
            "readiness_check": _provide(readiness_check),
        },
        # Not a copy, which would have its own stores and its own counts.
        state=State({"transfers": transfers}, deep_copy=False),
        exception_handlers=_EXCEPTION_HANDLERS,
        openapi_config=None,
        lifespan=[lifespan],
        logging_config=None,
    )


def create_management_litestar(
    settings: Settings,
    readiness_check: service_routes.ReadinessCheck,
    status: tuple[status_routes.StatusAccess, History] | None,
) -> Litestar:
    """The Litestar application of the management listener, with the status page if its parts are given."""
    handlers: list[Any] = [service_routes.live, management_routes.ready, management_routes.metrics]
    dependencies: dict[str, Any] = {
        "readiness_check": _provide(readiness_check),
        "store_kinds": _provide(management_routes.StoreKinds(settings.metadata_kind, settings.blobs_kind)),
    }
    if status is not None:
        handlers.append(status_routes.status)
        dependencies |= {"status_access": _provide(status[0]), "history": _provide(status[1])}
    return Litestar(
        route_handlers=handlers,
        dependencies=dependencies,
        exception_handlers=_EXCEPTION_HANDLERS,
        openapi_config=None,
        logging_config=None,
    )


def create_app(settings: Settings, is_stopping: Callable[[], bool] = lambda: False) -> ASGIApp:
    """The application that a server runs, on both listeners: the framework's, and the middleware around it.

    Args:
        settings: of the service.
        is_stopping: whether this process was told to stop.
    """
    container = Container(settings=settings)
    readiness_check = service_routes.ReadinessCheck(
        container.metadata(), container.blobs(), is_stopping, timeout_seconds=settings.ready_seconds
    )
    addresses = ClientAddress(settings.trusted_proxies)
    rates = RateLimits(settings.rate_per_user, settings.rate_per_address, addresses)
    name_of = _name_of(settings)
    routes = ROUTES
    status = None
    if settings.admin_port is not None and settings.status_password is not None:
        access = status_routes.StatusAccess(settings.status_password, addresses)
        status = access, History(lambda: of_all_workers().collect())
    app: ASGIApp = create_litestar(container, readiness_check, None if status is None else status[1])
    if settings.has_docs:
        app = docs = DocsApp(app, container.limits())
        routes = {**ROUTES, **docs.routes}
    tokens = container.tokens()
    cors = CorsPolicy(settings.cors_origins)
    public: ASGIApp = RequestPipeline(
        app,
        routes,
        tokens,
        rates,
        cors=cors,
        is_stopping=is_stopping,
        log=RequestLog(routes, addresses, name_of),
        user_hash_prefixes=settings.user_hash_prefixes,
    )
    if tracing.are_wanted():
        public = tracing.traced(public, routes)
    if settings.admin_port is None:
        return public
    management_paths = MANAGEMENT_ROUTES if status is None else {**MANAGEMENT_ROUTES, STATUS.path: STATUS}
    management = RequestPipeline(
        create_management_litestar(settings, readiness_check, status),
        management_paths,
        tokens,
        rates,
        cors=CorsPolicy(),
        is_stopping=is_stopping,
        log=RequestLog(management_paths, addresses, name_of),
    )
    return ListenerSwitch(public, management, settings.admin_port)


def _name_of(settings: Settings) -> Callable[[UserId], str]:
    """How the log names a user."""
    if settings.log_users.lower() == "id":
        return str
    if settings.log_user_key is not None:
        return pseudonyms(settings.log_user_key.encode())
    if settings.auth_jwks is None or settings.has_secret:
        # Not the secret itself: what is made from one key for two purposes could meet.
        return pseudonyms(hmac.digest(settings.token_secrets()[0].encode(), b"users in the log", "sha256"))
    return pseudonyms(os.urandom(32))


def _provide(part: Any) -> Provide:
    return Provide(lambda: part, sync_to_thread=False)
