"""The health check of the container image, run against the real service."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.servers.programs.native import free_port
from support.servers.service import Service

SCRIPT = Path(__file__).parents[3] / "deploy" / "health-check.sh"
NOTHING_LISTENS = "not ready: nothing listens"
MIN_REFETCH_INTERVAL_SECONDS = 60.0
pytestmark = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="containers are Linux")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("service"))
    service.start()
    yield service
    service.kill()


def pid_of(service: Service) -> int:
    assert service.process is not None
    return service.process.pid


def checked(pid: int, **environment: str) -> subprocess.CompletedProcess[str]:
    """The result of the check, with this process as the first one, in this environment."""
    return subprocess.run(
        ["bash", str(SCRIPT), str(pid)],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def checked_with_flags(*flags: str, **environment: str) -> int:
    """The exit code if the first process has these flags; on a busy machine it may take several tries."""
    deadline = time.monotonic() + MIN_REFETCH_INTERVAL_SECONDS
    with subprocess.Popen(["sh", "-c", "sleep 600; :", "serve", *flags], start_new_session=True) as first:
        try:
            while not Path(f"/proc/{first.pid}/cmdline").read_bytes():
                time.sleep(0.01)  # it is about to become the program
            while True:
                done = checked(first.pid, **environment)
                if done.returncode == 0 or NOTHING_LISTENS in done.stderr or time.monotonic() > deadline:
                    return done.returncode
        finally:
            os.killpg(first.pid, signal.SIGKILL)


def test_service_that_is_ready(service: Service) -> None:
    done = checked(pid_of(service))
    assert (done.returncode, done.stderr) == (0, "")


def test_port_of_the_environment(service: Service) -> None:
    assert checked_with_flags(OBSCURA_BACKUP_PORT=str(service.port)) == 0
    assert checked_with_flags(OBSCURA_BACKUP_PORT=str(free_port())) == 1


def test_flag_goes_before_the_environment(service: Service) -> None:
    wrong = str(free_port())
    assert checked_with_flags("--port", str(service.port), OBSCURA_BACKUP_PORT=wrong) == 0
    assert checked_with_flags(f"--port={service.port}", OBSCURA_BACKUP_PORT=wrong) == 0
    assert checked_with_flags("--port", wrong, OBSCURA_BACKUP_PORT=str(service.port)) == 1


def test_last_flag_of_several_counts(service: Service) -> None:
    assert checked_with_flags("--port", str(free_port()), f"--port={service.port}") == 0
    assert checked_with_flags(f"--port={service.port}", "--port", str(free_port())) == 1


@pytest.mark.parametrize("line", ["port = {}", "port={} # a comment", '  port = "{}"', "host = '0.0.0.0'\nport = {}"])
def test_port_of_the_configuration_file(service: Service, tmp_path: Path, line: str) -> None:
    file = tmp_path / "obscura-backup.toml"
    file.write_text(f"port_of_another = 1\n{line.format(service.port)}")
    assert checked_with_flags("--config", str(file)) == 0
    assert checked_with_flags(OBSCURA_BACKUP_CONFIG=str(file)) == 0
    assert checked_with_flags(OBSCURA_BACKUP_CONFIG=str(file), OBSCURA_BACKUP_PORT=str(free_port())) == 1


def test_variable_that_kubernetes_sets_is_passed_over(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "obscura-backup.toml"
    file.write_text(f"port = {service.port}\n")
    assert checked_with_flags("--config", str(file), OBSCURA_BACKUP_PORT="tcp://10.0.0.1:8400") == 0


@pytest.mark.parametrize("host", ["", "0.0.0.0", "127.0.0.1"])  # noqa: S104  # a setting to understand
def test_hosts_that_the_loopback_reaches(service: Service, host: str) -> None:
    assert checked_with_flags(OBSCURA_BACKUP_HOST=host, OBSCURA_BACKUP_PORT=str(service.port)) == 0


def test_host_that_the_service_does_not_listen_on(service: Service) -> None:
    assert checked_with_flags("--host", "127.9.9.9", OBSCURA_BACKUP_PORT=str(service.port)) == 1


@pytest.mark.parametrize("host", ["::", "::1"])
def test_host_of_ipv6(tmp_path: Path, host: str) -> None:
    if not _has_ipv6():
        pytest.skip("There is no IPv6 here.")
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listening:
        port = listening.getsockname()[1]
        command = ["bash", str(SCRIPT), str(os.getpid())]
        environment = {"OBSCURA_BACKUP_HOST": host, "OBSCURA_BACKUP_PORT": str(port), "PATH": os.environ["PATH"]}
        with subprocess.Popen(command, env=environment) as check:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(answer)
                assert connection.recv(4096).startswith(b"GET /health/ready HTTP/1.1\r\n")
                assert check.wait(timeout=60) == 0


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def test_service_that_does_not_listen_is_not_ready() -> None:
    done = checked(os.getpid(), OBSCURA_BACKUP_PORT=str(free_port()))
    assert (done.returncode, NOTHING_LISTENS in done.stderr) == (1, True)


def test_service_that_does_not_answer_is_not_ready(service: Service) -> None:
    os.kill(pid_of(service), signal.SIGSTOP)
    try:
        done = checked(pid_of(service))
    finally:
        os.kill(pid_of(service), signal.SIGCONT)
    assert (done.returncode, done.stderr) == (1, "not ready: no answer within 4 s\n")


def test_service_that_is_about_to_stop_is_not_ready(tmp_path: Path) -> None:
    """It still answers, during its notice, with 503."""
    service = Service(tmp_path / "data", {"OBSCURA_BACKUP_NOTICE_SECONDS": "60"})
    service.start()
    try:
        os.kill(pid_of(service), signal.SIGTERM)
        while service.request("GET", "/health/ready", token=None).status == 200:
            pass
        done = checked(pid_of(service))
        assert (done.returncode, done.stderr) == (1, "not ready: HTTP/1.1 503 Service Unavailable\n")
    finally:
        service.kill()
