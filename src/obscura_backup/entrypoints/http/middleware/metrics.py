"""Counts and durations by method, route and status; never by user, and with no label that a stranger can make up."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from litestar.enums import ScopeType
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client import values as prometheus_values

from obscura_backup.entrypoints.http.limits.rate_limiter import RateLimit

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

REGISTRY = CollectorRegistry()
RENDERINGS_PER_MINUTE = 60
"""That many at once, then one a second: what is handed out again is no older than that second."""
_LABELS = ("method", "route", "status")
_ROUTES = frozenset({"/v1/backup", "/v1/config", "/health/live", "/health/ready", "/metrics"})
_METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS"})

_REQUESTS = Counter("obscura_backup_requests", "Requests answered.", _LABELS, registry=REGISTRY)
_SECONDS = Histogram(
    "obscura_backup_request_seconds",
    "From the first byte of a request to the last of its answer.",
    ("method", "route"),
    registry=REGISTRY,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)


class MetricsText:
    """The metrics as text, which the loop stands still for: whoever asks too often gets the last one again."""

    def __init__(self) -> None:
        self._renderings = RateLimit(RENDERINGS_PER_MINUTE)
        self._text = b""

    def text(self) -> bytes:
        """Of all workers, where there are several; at most a second old."""
        if self._renderings.take(None) == 0:
            self._text = self._render()
        return self._text

    def _render(self) -> bytes:
        registry = REGISTRY
        if prometheus_values.ValueClass.__name__ == "MmapedValue":
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library types all but this
        return generate_latest(registry)


METRICS_TEXT = MetricsText()


class MetricsMiddleware:
    """Wraps the whole application, so that what the framework itself refuses is counted too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and look at what is sent."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = "aborted"

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = scope["path"] if scope["path"] in _ROUTES else "other"
        try:
            await self._app(scope, receive, observed)
        finally:
            _REQUESTS.labels(method, route, status).inc()
            _SECONDS.labels(method, route).observe(time.perf_counter() - began)
