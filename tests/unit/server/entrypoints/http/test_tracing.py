"""When OpenTelemetry is used, and that it costs nothing otherwise."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from obscura_backup.entrypoints.http import tracing
from obscura_backup.entrypoints.http.observed_stores import StoreCalls

if TYPE_CHECKING:
    import pytest

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


def test_standard_variables_turn_traces_on() -> None:
    cases: list[tuple[dict[str, str], bool]] = [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "backup"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "false"}, True),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "True"}, False),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, False),
    ]
    for environ, wanted in cases:
        assert tracing.are_wanted(environ) is wanted


def test_missing_extra_is_a_warning(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.instrumentation.asgi", None)
    app: Any = object()
    assert tracing.traced(app, {}) is app
    assert "install obscura-backup[otel]" in caplog.text
    assert StoreCalls.span is None
