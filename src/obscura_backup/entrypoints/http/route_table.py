"""All paths of the service, in one table: their methods, and how the middleware treats them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DOCS_PATH = "/docs"


@dataclass(frozen=True, slots=True)
class Route:
    """One path.

    Attributes:
        path: without parameters.
        methods: that the handlers of this path serve.
        is_always_open: answered even if there are too many connections or requests: a supervisor has to be able to
            tell a busy service from a broken one.
        needs_user: served only with a valid token.
        answers_head: HEAD is served like GET, because uptime probes send it. The server drops the body.
        metrics_label: the path's label in the metrics.
    """

    path: str
    methods: tuple[str, ...]
    is_always_open: bool = False
    needs_user: bool = False
    answers_head: bool = False
    metrics_label: str = "other"

    @property
    def allowed(self) -> tuple[str, ...]:
        """The methods that are answered, for the Allow header."""
        return tuple(sorted({*self.methods, "OPTIONS", *(["HEAD"] if self.answers_head else [])}))


def table(routes: Iterable[Route]) -> Mapping[str, Route]:
    """Routes by path."""
    return {route.path: route for route in routes}


BACKUP = Route("/v1/backup", ("DELETE", "GET", "HEAD", "POST"), needs_user=True, metrics_label="/v1/backup")
CONFIG = Route("/v1/config", ("GET",), answers_head=True, metrics_label="/v1/config")
LIVE = Route("/health/live", ("GET",), is_always_open=True, answers_head=True, metrics_label="/health/live")
READY = Route("/health/ready", ("GET",), is_always_open=True, answers_head=True, metrics_label="/health/ready")
METRICS = Route("/metrics", ("GET",), is_always_open=True)
STATUS = Route("/status", ("GET",), is_always_open=True)

ROUTES = table((BACKUP, CONFIG, LIVE, READY))
"""Of the public listener, without the pages under `/docs`, which a setting turns off and which `routes.docs` lists."""
MANAGEMENT_ROUTES = table((LIVE, READY, METRICS))
"""Of the management listener, without the status page, which a setting turns on."""


def is_docs(path: str) -> bool:
    """Whether this is the documentation page or a path below it."""
    return path == DOCS_PATH or path.startswith(f"{DOCS_PATH}/")
