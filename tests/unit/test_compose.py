"""compose.yaml and the containers of the tests: what they publish, which images they take, who gets which secret."""

from __future__ import annotations

import json
import re
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml  # type: ignore[import-untyped]

from support.servers.programs import containers

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]


def test_ports_are_published_on_the_loopback_alone() -> None:
    published = [port for service in COMPOSE.values() for port in service.get("ports", [])]
    assert published
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_root_of_minio_is_known_to_minio_and_its_administrator_alone() -> None:
    assert {name for name, service in COMPOSE.items() if "MINIO_ROOT_PASSWORD" in json.dumps(service)} == {
        "minio",
        "init-bucket",
    }


def test_no_service_has_a_password_that_it_does_not_need() -> None:
    names = {
        name: set(re.findall(r"\$\{([A-Z_]+(?:PASSWORD|SECRET)):", json.dumps(service)))
        for name, service in COMPOSE.items()
    }
    assert names == {
        "postgres": {"POSTGRES_PASSWORD"},
        "minio": {"MINIO_ROOT_PASSWORD"},
        "migrate": {"POSTGRES_PASSWORD"},
        "init-bucket": {"MINIO_ROOT_PASSWORD", "MINIO_SERVICE_PASSWORD"},
        "service": {"POSTGRES_PASSWORD", "MINIO_SERVICE_PASSWORD", "OBSCURA_BACKUP_AUTH_SECRET"},
    }


def test_every_password_is_made_by_make() -> None:
    named = set(re.findall(r"\$\{([A-Z_]+(?:PASSWORD|SECRET)):", (ROOT / "compose.yaml").read_text()))
    (made,) = re.findall(r"for name in ([A-Z_ ]+);", (ROOT / "Makefile").read_text())
    assert named == set(made.split())


def test_no_limit_is_asked_for_that_a_machine_may_not_have() -> None:
    assert [name for name, service in COMPOSE.items() if "ulimits" in service] == []


@pytest.mark.parametrize(("service", "variable"), [("postgres", "POSTGRES_IMAGE"), ("minio", "MINIO_IMAGE")])
def test_images_of_the_tests_are_those_of_compose(service: str, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(variable, raising=False)
    assert COMPOSE[service]["image"] == f"${{{variable}:-{containers.image(variable)}}}"
    monkeypatch.setenv(variable, "registry.example/another:1")
    assert containers.image(variable) == "registry.example/another:1"


@pytest.mark.parametrize("service", ["service", "init-bucket", "minio"])
def test_base_images_can_be_chosen(service: str) -> None:
    build = COMPOSE[service]["build"]
    dockerfile = (ROOT / build["context"] / "Dockerfile").read_text()
    chosen = set(re.findall(r"^FROM \$\{(\w+)\}", dockerfile, re.MULTILINE))
    assert chosen
    assert chosen <= set(build["args"])


def test_version_of_minio_can_be_chosen_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINIO_VERSION", raising=False)
    dockerfile = (ROOT / "deploy" / "minio" / "Dockerfile").read_text()
    assert f"ARG MINIO_VERSION={containers.minio_version()}\n" in dockerfile
    assert "MINIO_VERSION" in COMPOSE["minio"]["build"]["args"]
    monkeypatch.setenv("MINIO_VERSION", "v9")
    assert containers.minio_version() == "v9"


class Docker(socketserver.ThreadingUnixStreamServer):
    """An engine that answers, with these images, and no registry behind it."""

    daemon_threads = True
    images: tuple[str, ...] = ()
    asked: list[str]


class Engine(BaseHTTPRequestHandler):
    server: Docker
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer goes out in one piece

    def address_string(self) -> str:
        return "a socket"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path.endswith("/_ping"):
            self._answer(200, "OK")
        elif self.path.endswith("/version"):
            self._answer(200, json.dumps({"ApiVersion": "1.44", "MinAPIVersion": "1.24"}))
        else:
            self._answer(200, json.dumps([{"Id": "sha256:1", "RepoTags": [name]} for name in self.server.images]))

    def do_POST(self) -> None:
        self.server.asked.append(self.path)
        self._answer(500, json.dumps({"message": "dial tcp: lookup registry: no such host"}))

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Docker]:
    with Docker(str(tmp_path / "docker.sock"), Engine) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
        monkeypatch.delenv("OBSCURA_TEST_CONTAINERS", raising=False)
        containers.has_image.cache_clear()
        yield server
        containers.has_image.cache_clear()
        server.shutdown()
        thread.join()


def test_image_that_cannot_be_pulled_is_no_container(engine: Docker) -> None:
    assert not containers.has_image("postgres:18-alpine", pull=True)
    assert any("/images/create?" in path for path in engine.asked)


def test_image_of_no_registry_is_not_asked_for(engine: Docker) -> None:
    assert not containers.has_image("obscura-backup-minio:local", pull=False)
    assert not any("/images/create?" in path for path in engine.asked)


@pytest.fixture
def no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    monkeypatch.delenv("OBSCURA_TEST_CONTAINERS", raising=False)
    containers.has_image.cache_clear()
    yield
    containers.has_image.cache_clear()


@pytest.mark.usefixtures("no_engine")
def test_docker_that_does_not_answer_is_no_container() -> None:
    assert not containers.has_image("postgres:18-alpine", pull=True)


@pytest.mark.usefixtures("no_engine")
def test_missing_container_fails_where_containers_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBSCURA_TEST_CONTAINERS", "require")
    with pytest.raises(RuntimeError, match="lacks postgres:18-alpine"):
        containers.has_image("postgres:18-alpine", pull=True)


def test_container_is_not_used_where_programs_are_chosen(engine: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.images = ("postgres:18-alpine",)
    monkeypatch.setenv("OBSCURA_TEST_CONTAINERS", "never")
    assert not containers.has_image("postgres:18-alpine", pull=True)
    assert engine.asked == []


@pytest.mark.usefixtures("no_engine")
def test_choice_of_servers_that_does_not_exist_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBSCURA_TEST_CONTAINERS", "yes")
    with pytest.raises(RuntimeError, match="can be `require`, `never` or empty"):
        containers.has_image("postgres:18-alpine", pull=True)


def test_container_is_published_on_the_loopback_without_a_monitor(
    engine: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from testcontainers.core.config import testcontainers_config  # noqa: PLC0415  # after Docker's address is set

    monkeypatch.delenv("TESTCONTAINERS_RYUK_DISABLED", raising=False)
    monkeypatch.setattr(testcontainers_config, "_ryuk_disabled", False)
    container = containers.Container("postgres:18-alpine", inside=5432, port=15432, environment={})
    ports: dict[str, object] = {**container._container.ports}
    assert ports == {"5432/tcp": ("127.0.0.1", 15432)}
    assert testcontainers_config.ryuk_disabled
    container.remove()
