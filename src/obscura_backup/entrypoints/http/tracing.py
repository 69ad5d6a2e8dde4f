"""Traces by OpenTelemetry: one span per request, and one per call to a store in it.

This module imports OpenTelemetry only if its standard variables ask for traces.
"""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from litestar.enums import ScopeType

from obscura_backup import __version__
from obscura_backup.domain.errors import Unavailable
from obscura_backup.entrypoints.http.observed_stores import StoreCalls

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from litestar.types import ASGIApp, Receive, Scope, Send
    from opentelemetry.sdk.trace import TracerProvider

    from obscura_backup.entrypoints.http.route_table import Route

log = logging.getLogger(__name__)

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_SERVICE_NAME = "obscura-backup"
_HEADERS = frozenset({b"traceparent", b"tracestate"})
_METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS"})
_OTHER = "/other"
_ORIGINAL = "obscura_backup.original_scope"


def are_wanted(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the variables name a collector, and do not turn OpenTelemetry or its traces off."""
    is_off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none"
    return not is_off and any(environ.get(name) for name in _ENDPOINTS)


def traced(app: ASGIApp, routes: Mapping[str, Route]) -> ASGIApp:
    """The application with a span around each request, and around each call to a store from now on.

    Without the extra `otel`, it is the application itself, and a warning is logged.

    Args:
        app: the application.
        routes: its paths. Other paths are called `/other`.
    """
    try:
        from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
        from opentelemetry.metrics import NoOpMeterProvider
    except ImportError:
        log.warning("OTEL_… variables request traces, but OpenTelemetry is not installed: install obscura-backup[otel]")
        return app

    async def original(reduced: Any, receive: Receive, send: Send) -> None:
        await app(reduced[_ORIGINAL], receive, send)

    provider = _provider()
    StoreCalls.span = _StoreSpans(provider).span
    middleware: Any = OpenTelemetryMiddleware(
        original,
        excluded_urls="/health/",
        default_span_details=lambda scope: (f"{scope['method']} {scope['path']}", {"http.route": scope["path"]}),
        tracer_provider=provider,
        meter_provider=NoOpMeterProvider(),
        exclude_spans=["receive", "send"],
    )

    async def reduced(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            await middleware(_reduced(scope, routes), receive, send)
        else:
            await app(scope, receive, send)

    return reduced


def _reduced(scope: Scope, routes: Mapping[str, Route]) -> dict[str, Any]:
    """What a span may hold of a request: a known method and path, no address, no query, and no header but two."""
    method = scope["method"] if scope["method"] in _METHODS else "OTHER"  # type: ignore[typeddict-item]  # it is HTTP
    route = routes.get(scope["path"])
    path = _OTHER if route is None else route.path
    headers = [(name, value) for name, value in scope["headers"] if name in _HEADERS]
    kept: dict[str, Any] = {**scope, "method": method, "path": path, "headers": headers}
    return {**kept, "query_string": b"", "client": None, _ORIGINAL: scope}


class _StoreSpans:
    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer(_SERVICE_NAME, __version__)

    @contextmanager
    def span(self, store: str, call: str) -> Iterator[None]:
        """A span for one call to a store. Of an error, it gets the code: a message may name a user."""
        from opentelemetry.trace import SpanKind, StatusCode

        with self._tracer.start_as_current_span(
            f"{store} {call}", kind=SpanKind.CLIENT, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except Unavailable as error:
                span.set_status(StatusCode.ERROR)
                span.set_attribute("error.type", error.code)
                raise


def _provider() -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come last, so that they win.
    named = Resource({"service.name": _SERVICE_NAME, "service.version": __version__})
    provider = TracerProvider(resource=Resource.create().merge(named).merge(OTELResourceDetector().detect()))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
