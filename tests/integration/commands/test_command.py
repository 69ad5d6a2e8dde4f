"""The command `obscura-backup`: its messages, its exit codes, and bad input."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path
from uuid import uuid4

import pytest

from support.servers.command import refused, run
from support.servers.service import SECRET, Person, Service, signed


def test_token_before_serve_is_good_after(tmp_path: Path) -> None:
    service = Service(tmp_path / "data", environment={"OBSCURA_BACKUP_AUTH_SECRET": ""})
    token = service.token(uuid4())
    service.start()
    assert service.request("GET", token=token).status == 404
    assert service.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["token"], "USER_ID"),
        (["token", "alice"], "alice"),
        (["serve", "--nonsense"], "nonsense"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_wrong_use(arguments: list[str], says: str, tmp_path: Path) -> None:
    refused(run(*arguments, environment={"XDG_DATA_HOME": str(tmp_path)}), 2, says)


def test_short_secret_is_refused_and_not_quoted(tmp_path: Path) -> None:
    result = run("serve", "--data-dir", str(tmp_path), environment={"OBSCURA_BACKUP_AUTH_SECRET": "hunter2"})
    refused(result, 2, "too short")
    assert "hunter2" not in result.stderr


def test_address_that_is_not_ours(tmp_path: Path) -> None:
    refused(run("serve", "--host", "192.0.2.1", "--data-dir", str(tmp_path / "data")), 4, "192.0.2.1")


def test_data_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    refused(run("serve", "--port", "0", "--data-dir", str(tmp_path / "file" / "data")), 3, "cannot be used")


def test_welcome_leads_to_a_first_push_and_later_back_to_it(tmp_path: Path) -> None:
    service = Service(tmp_path / "data", arguments=("--welcome",), environment={"OBSCURA_BACKUP_AUTH_SECRET": ""})
    log = tmp_path / "log"
    for expected in ("push", "status"):
        with log.open("w") as file:
            service.start(stderr=file)
        text = log.read_text()
        (tmp_path / "password").write_text("correct horse battery\n")
        lines = [line.strip() for line in text.splitlines() if line.startswith("    ")]
        assert f"obscura-client {expected}" in lines[-1]
        environment = {**os.environ, "OBSCURA_PASSWORD_FILE": str(tmp_path / "password")}
        subprocess.run(" ".join(lines), shell=True, check=True, env=environment, timeout=60, stdin=subprocess.DEVNULL)  # noqa: S602  # as a person pastes it
        service.kill()


def test_damaged_metadata_file(tmp_path: Path) -> None:
    (tmp_path / "metadata.sqlite3").write_bytes(b"not a database at all" * 100)
    refused(run("serve", "--port", "0", "--data-dir", str(tmp_path)), 3, "metadata.sqlite3")


def test_interrupt_finishes_what_is_under_way(tmp_path: Path) -> None:
    service = Service(tmp_path / "data")
    service.start()
    person = Person.of(service)
    body = os.urandom(200_000)
    head = person.post_head(f"Content-Length: {len(body)}\r\n\r\n")
    assert service.process is not None
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(head.encode() + body[:100_000])
        service.process.send_signal(signal.SIGINT)
        _wait_until_closed(service.port)  # no one new is let in …
        connection.sendall(body[100_000:])
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")  # … and who was in is served
    assert service.process.wait(timeout=10) == 0
    service.process = None
    service.start()
    assert person.download().body == body
    service.kill()


def test_stores_elsewhere(tmp_path: Path) -> None:
    environment = {
        "OBSCURA_BACKUP_METADATA_URL": f"sqlite:///{tmp_path}/elsewhere.db",
        "OBSCURA_BACKUP_BLOBS_URL": f"file://{tmp_path}/blobs elsewhere",
        "OBSCURA_BACKUP_MAX_BYTES": "100",
    }
    service = Service(tmp_path / "data", environment=environment)
    service.start()
    person = Person.of(service)
    assert person.upload(os.urandom(100)).status == 200
    assert person.upload(os.urandom(101), if_match="1").status == 413
    assert service.stop() == 0
    assert (tmp_path / "elsewhere.db").exists()
    assert (tmp_path / "blobs elsewhere" / "backups").is_dir()


def test_stores_in_memory(tmp_path: Path) -> None:
    service = Service(tmp_path / "data", arguments=("--metadata-url", "memory:", "--blobs-url", "memory:"))
    service.start()
    person, body = Person.of(service), os.urandom(500_000)
    person.upload(body)
    assert person.download().body == body
    assert service.stop() == 0
    assert not (tmp_path / "data").exists()


def test_browser_of_an_allowed_origin(tmp_path: Path) -> None:
    service = Service(
        tmp_path / "data", environment={"OBSCURA_BACKUP_CORS_ORIGINS": "https://app.example,https://web.example"}
    )
    service.start()
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "authorization,if-match"
    preflight = service.request("OPTIONS", token=None, headers=asked)
    assert preflight.status in (200, 204)
    assert preflight.headers["access-control-allow-origin"] == "https://app.example"
    assert "if-match" in preflight.headers["access-control-allow-headers"].lower()
    person = Person.of(service)
    person.upload(os.urandom(100))
    answer = person.download(Origin="https://web.example")
    assert answer.headers["access-control-allow-origin"] == "https://web.example"
    assert "etag" in answer.headers["access-control-expose-headers"].lower()
    assert "access-control-allow-origin" not in person.download(Origin="https://evil.example").headers
    service.kill()


def test_log_holds_no_token_secret_or_blob(tmp_path: Path) -> None:
    log, service = tmp_path / "log", Service(tmp_path / "data", arguments=("--log-level", "debug"))
    with log.open("w") as file:
        service.start(stderr=file)
    person = Person.of(service)
    body = b"recognisable bytes of a blob " * 10
    assert person.upload(body).status == 200
    assert person.upload(body, if_match="7").status == 409
    forged = signed({"sub": "nobody", "exp": 99_999_999_999})
    assert service.request("GET", token=forged).status == 401
    assert service.stop() == 0
    written = log.read_text()
    for secret in (SECRET, person.token, forged, "recognisable"):
        assert secret not in written


def test_client_that_hangs_up_is_no_defect(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    service = Service(tmp_path / "data")
    service.start()
    person = Person.of(service)
    head = person.post_head("Content-Length: 1000\r\n\r\n")
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
            connection.sendall(head.encode() + bytes(500))
    assert person.upload(os.urandom(100)).status == 200
    service.stop()
    assert "Traceback" not in capfd.readouterr().err


def test_soft_limit_of_open_files_is_raised(tmp_path: Path) -> None:
    service = Service(tmp_path / "data")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (600, hard))
    try:
        service.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert service.process is not None
    limits = Path(f"/proc/{service.process.pid}/limits").read_text()
    (line,) = (line for line in limits.splitlines() if line.startswith("Max open files"))
    assert int(line.split()[3]) > 2 * 1024
    service.kill()


def _wait_until_closed(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return
    pytest.fail("the service goes on letting people in")
