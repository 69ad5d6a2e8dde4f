"""Prometheus metrics by method, route and status; never by user, and never with a label that a client can invent."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client import values as prometheus_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from obscura_backup.entrypoints.http.route_table import Route

REGISTRY = CollectorRegistry()
MAX_AGE_SECONDS = 1.0
"""How long a rendered text is handed out again."""
_LABELS = ("method", "route", "status")
_METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS"})

_REQUESTS = Counter("obscura_backup_requests", "Requests answered.", _LABELS, registry=REGISTRY)
_SECONDS = Histogram(
    "obscura_backup_request_seconds",
    "Seconds from the start of a request to the end of its answer.",
    ("method", "route"),
    registry=REGISTRY,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)

BODY_SECONDS = Histogram(
    "obscura_backup_body_seconds",
    "Seconds from the first read of an upload's body to its end.",
    registry=REGISTRY,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)


class MetricsText:
    """The metrics as text. Rendering blocks the event loop, so it happens at most once a second.

    Args:
        clock: seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rendered_at = -math.inf
        self._text = b""

    def text(self) -> bytes:
        """The metrics of all workers, at most a second old."""
        now = self._clock()
        if now - self._rendered_at >= MAX_AGE_SECONDS:
            self._rendered_at = now
            self._text = self._render()
        return self._text

    def _render(self) -> bytes:
        return generate_latest(of_all_workers())


def of_all_workers() -> CollectorRegistry:
    """The metrics of all workers, added up."""
    registry = REGISTRY
    if prometheus_values.ValueClass.__name__ == "MmapedValue":
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the only untyped call of the library
    return registry


METRICS_TEXT = MetricsText()


class RequestMetrics:
    """Counts and times every request, also those that are refused before the framework sees them.

    Args:
        routes: the paths that are served, by path.
    """

    def __init__(self, routes: Mapping[str, Route]) -> None:
        self._labels = {path: route.metrics_label for path, route in routes.items()}
        # The series by its labels: the library's own look-up takes longer than counting. Their number is small, since
        # no label comes from a client.
        self._series: dict[tuple[str, str, int | None], tuple[Counter, Histogram]] = {}

    def observe(self, method: str, path: str, status: int | None, seconds: float) -> None:
        """Count one request.

        Args:
            method: of the request.
            path: of the request.
            status: of its answer; None if none was begun.
            seconds: from its start to the end of its answer.
        """
        known_method = method if method in _METHODS else "other"
        labels = known_method, self._labels.get(path, "other"), status
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = _series(*labels)
        requests, durations = series
        requests.inc()
        durations.observe(seconds)


def _series(method: str, route: str, status: int | None) -> tuple[Counter, Histogram]:
    return _REQUESTS.labels(method, route, str(status or "aborted")), _SECONDS.labels(method, route)
