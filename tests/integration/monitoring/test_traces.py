"""Traces of a real service, sent to a collector that keeps them."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from support.servers.in_process.bounded_protocol import eventually
from support.servers.service import Person, Service, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "50"}


class Collector(ThreadingHTTPServer):
    """Takes OTLP over HTTP, and keeps the bodies."""

    bodies: list[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def spans(self) -> list[Any]:
        """All spans, as (resource, span)."""
        return [
            (exported.resource, span)
            for body in list(self.bodies)
            for exported in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in exported.scope_spans
            for span in scope.spans
        ]

    def names(self) -> list[str]:
        return [span.name for _, span in self.spans()]


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector(("127.0.0.1", 0), _Handler) as server:
        server.bodies = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def running(folder: Path, *arguments: str, **environment: str) -> Iterator[Service]:
    service = Service(folder / "data", environment, arguments)
    service.start()
    try:
        yield service
    finally:
        assert service.stop() == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_upload_is_one_trace_with_its_calls_to_the_stores(collector: Collector, tmp_path: Path, workers: int) -> None:
    blob = os.urandom(5000)
    with running(
        tmp_path, "--workers", str(workers), OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_SERVICE_NAME="ours", **SOON
    ) as service:
        person = Person.of(service)
        assert person.upload(blob, traceparent=f"00-{TRACE}-00f067aa0ba902b7-01").status == 200
        query = f"/v1/backup?token={person.token}"
        assert service.request("GET", query, token=person.token).status == 200
        named = {"User-Agent": f"agent of {person.user_id}"}
        assert service.request("GET", f"/{person.user_id}", token=None, headers=named).status == 404
        assert service.request("PROPFIND", token=None).status == 405
        assert service.request("GET", "/health/live", token=None).status == 200
    # The service sends the rest when it stops.
    assert {"POST /v1/backup", "GET /v1/backup", "GET /other", "OTHER /v1/backup"} <= set(collector.names())
    assert not [name for name in collector.names() if "health" in name]
    ((resource, upload),) = [(resource, span) for resource, span in collector.spans() if span.name == "POST /v1/backup"]
    assert {item.value.string_value for item in resource.attributes if item.key == "service.name"} == {"ours"}
    assert upload.trace_id.hex() == TRACE, "the trace of the proxy in front goes on"
    calls = [span for _, span in collector.spans() if span.trace_id == upload.trace_id and span is not upload]
    assert {span.name for span in calls} >= {"metadata lock", "blobs put", "metadata save"}
    assert {span.parent_span_id for span in calls if span.name != upload.name} == {upload.span_id}
    told = b"".join(collector.bodies)
    assert blob[:32] not in told
    assert person.token.encode() not in told
    assert str(person.user_id).encode() not in told
    assert person.user_id.bytes not in told


def test_failed_call_to_a_store_has_its_code(collector: Collector, tmp_path: Path) -> None:
    stores = {
        "OBSCURA_BACKUP_BLOBS_URL": f"s3://bucket?endpoint=http://127.0.0.1:{free_port()}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    with running(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **stores, **SOON) as service:
        person = Person.of(service)
        assert person.download().status == 503
    (call,) = [span for _, span in collector.spans() if span.name == "blobs get"]
    assert call.status.code == call.status.STATUS_CODE_ERROR
    assert {item.key: item.value.string_value for item in call.attributes} == {"error.type": "blob-store-unavailable"}
    assert list(call.events) == []


def test_collector_that_does_not_answer_costs_no_request(tmp_path: Path) -> None:
    silent = f"http://127.0.0.1:{free_port()}"
    with running(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=silent, OTEL_EXPORTER_OTLP_TIMEOUT="1", **SOON) as service:
        assert eventually(lambda: Person.of(service).upload(os.urandom(100)).status == 200, seconds=20)
