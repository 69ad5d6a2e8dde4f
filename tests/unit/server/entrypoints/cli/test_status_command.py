"""`obscura-backup status`, against a listener that answers as it is told."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from obscura_backup.entrypoints.cli import main
from obscura_backup.entrypoints.http.status.report import report_on
from obscura_backup.entrypoints.http.status.samples import StoreState
from support.servers.service import free_port
from support.status_reports import NOW, WELL, quiet_report, report_of_outage, samples_of_hours
from support.table import table

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "a password of the tests"


class Told(HTTPServer):
    """Gives one answer to each request, and keeps the requests."""

    status = 200
    body = b""
    requests: list[tuple[str, dict[str, str]]]


class _Handler(BaseHTTPRequestHandler):
    server: Told

    def do_GET(self) -> None:
        self.server.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        self.send_response(self.server.status)
        self.send_header("Location", "http://127.0.0.1:9/")
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def listening() -> Iterator[Told]:
    with Told(("127.0.0.1", 0), _Handler) as server:
        server.requests = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    with listening() as server:
        monkeypatch.setenv("OBSCURA_BACKUP_STATUS_PASSWORD", PASSWORD)
        monkeypatch.setenv("OBSCURA_BACKUP_ADMIN_PORT", str(server.server_port))
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        yield server


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[Any, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["status", *arguments])
    output = capsys.readouterr()
    return ended.value.code, output.out, output.err


def test_service_without_trouble(service: Told, capsys: pytest.CaptureFixture[str]) -> None:
    service.body = msgspec.json.encode(quiet_report())
    code, output, _ = run(capsys)
    assert code == 0
    lines = output.splitlines()
    assert lines[0] == "All is well: both stores answer, and nothing needs attention."
    assert "  blobs     s3         answers for 1 day" in lines
    uploads = sum(interval.uploads for interval in quiet_report().intervals)
    (picture,) = [line for line in lines if line.startswith("  uploads ")]
    assert picture.endswith(f" {uploads:,}")
    assert len(picture.split()[1]) == 72
    path, headers = service.requests[0]
    assert (path, headers["accept"]) == ("/status", "application/json")
    assert headers["authorization"].startswith("Basic ")


def test_critical_finding_is_exit_code_5_with_what_to_do(service: Told, capsys: pytest.CaptureFixture[str]) -> None:
    service.body = msgspec.json.encode(report_of_outage())
    code, output, _ = run(capsys)
    assert code == 5
    assert "CRITICAL: The blob store (s3) does not answer." in output
    assert "  blobs     s3         DOES NOT ANSWER for 15 minutes" in output
    assert "OBSCURA_BACKUP_BLOBS_URL" in output
    assert max(len(line) for line in output.splitlines()) <= 110


def test_warning_alone_is_exit_code_0(service: Told, capsys: pytest.CaptureFixture[str]) -> None:
    report = report_on(samples_of_hours(60, down_for=3), WELL, version="1", pid=1)
    calm = msgspec.structs.replace(report, status="warning", findings=report.findings[1:])
    assert calm.findings[0].level == "warning"
    service.body = msgspec.json.encode(calm)
    code, output, _ = run(capsys)
    assert (code, "WARNING: " in output) == (0, True)


def test_json_is_passed_on(service: Told, capsys: pytest.CaptureFixture[str]) -> None:
    service.body = msgspec.json.encode(report_of_outage())
    code, output, _ = run(capsys, "--json")
    assert (code, output.encode().strip()) == (5, service.body)


def test_text_of_a_store_cannot_control_the_terminal(service: Told, capsys: pytest.CaptureFixture[str]) -> None:
    store = StoreState("blobs", "s3", "unavailable", "bad \x1b[2Jthing", NOW)
    service.body = msgspec.json.encode(report_on(samples_of_hours(2), (WELL[0], store), version="1", pid=1))
    _, output, _ = run(capsys)
    assert "bad  [2Jthing" in output
    assert "\x1b" not in output


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (401, 2, "refuses the password"),
        (404, 2, "has no status page"),
        (429, 2, "try again in a minute"),
        (302, 5, "answers 302"),
        (500, 5, "answers 500"),
        (200, 2, "not the status of an Obscura Backup"),
    ],
)
def test_other_answers(service: Told, capsys: pytest.CaptureFixture[str], status: int, code: int, says: str) -> None:
    service.status = status
    found, output, error = run(capsys)
    assert (found, output) == (code, "")
    assert says in error
    assert PASSWORD not in error
    assert len(service.requests) == 1


def test_service_that_does_not_answer_is_exit_code_5(service: Told, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = run(capsys, "--url", f"http://127.0.0.1:{free_port()}")
    assert code == 5
    assert "does not answer" in error


@table("url", ["127.0.0.1:8401", "ftp://127.0.0.1", "http://", "http://127.0.0.1:x", "http://127.0.0.1:1/status"])
def test_unusable_url_is_refused(service: Told, capsys: pytest.CaptureFixture[str], url: str) -> None:
    code, _, error = run(capsys, "--url", url)
    assert code == 2
    assert "--url takes" in error


@table("host", ["0.0.0.0", "127.0.0.1"])  # noqa: S104  # nothing listens there
def test_listener_on_all_addresses_is_asked_at_the_loopback_one(
    service: Told, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("OBSCURA_BACKUP_ADMIN_HOST", host)
    service.body = msgspec.json.encode(quiet_report())
    assert run(capsys)[0] == 0


@pytest.mark.parametrize("variable", ["OBSCURA_BACKUP_STATUS_PASSWORD", "OBSCURA_BACKUP_ADMIN_PORT"])
def test_missing_setting_is_named(
    service: Told, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv(variable)
    code, _, error = run(capsys)
    assert (code, service.requests) == (2, [])
    assert variable.removeprefix("OBSCURA_BACKUP_").lower() in error.lower()
