"""Servers in containers, where Docker answers and has their image; the images are those of `compose.yaml`.

`OBSCURA_TEST_CONTAINERS` decides instead: with `require` a missing container fails the test, with `never` all servers
are programs of this machine.
"""

from __future__ import annotations

import os
import re
import signal
import socket
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[4]
PULL_SECONDS = 300
"""Without a byte from Docker."""


def image(variable: str) -> str:
    """The image that this environment variable names, or else the default that `compose.yaml` gives it."""
    return os.environ.get(variable) or _default(rf"\$\{{{variable}:-(.+?)\}}", ROOT / "compose.yaml")


def minio_version() -> str:
    """Of MinIO's Go module: `MINIO_VERSION`, or else the default that its Dockerfile builds."""
    return os.environ.get("MINIO_VERSION") or _default(r"^ARG MINIO_VERSION=(\S+)$", ROOT / "deploy/minio/Dockerfile")


def _default(pattern: str, file: Path) -> str:
    found = re.search(pattern, file.read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"{file} has no default like {pattern}")
    return found[1]


@cache
def has_image(name: str, *, pull: bool) -> bool:
    """Whether containers of this image can be started: Docker answers, and has it or (if `pull`) could pull it.

    Raises:
        RuntimeError: they cannot be started, and `OBSCURA_TEST_CONTAINERS` is `require`.
    """
    wanted = os.environ.get("OBSCURA_TEST_CONTAINERS", "")
    if wanted not in ("", "require", "never"):
        raise RuntimeError(f"OBSCURA_TEST_CONTAINERS is {wanted!r}; it can be `require`, `never` or empty.")
    found = wanted != "never" and _docker_answers() and _find_or_pull(name, pull=pull)
    if wanted == "require" and not found:
        raise RuntimeError(f"OBSCURA_TEST_CONTAINERS is `require`, but Docker does not answer or lacks {name}.")
    return found


def _find_or_pull(name: str, *, pull: bool) -> bool:
    import docker  # type: ignore[import-untyped]  # noqa: PLC0415  # only where Docker answers
    from docker.errors import DockerException  # type: ignore[import-untyped]  # noqa: PLC0415

    try:
        client = docker.from_env(timeout=PULL_SECONDS)
    except DockerException:
        return False
    try:
        if not client.images.list(name=name):
            if not pull:
                return False
            client.images.pull(name)
    except (DockerException, OSError):  # unknown, or no registry answers
        return False
    else:
        return True
    finally:
        client.close()


def _docker_answers() -> bool:
    # Asked by hand: Docker's own client leaves a socket open where nothing answers.
    host = urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    family, address = (
        (socket.AF_UNIX, host.path) if host.scheme == "unix" else (socket.AF_INET, (host.hostname, host.port or 2375))
    )
    with socket.socket(family) as line:
        line.settimeout(2)
        try:
            line.connect(address)
            line.sendall(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")
            return line.recv(64).startswith(b"HTTP/1.1 200")
        except OSError:
            return False


class Container:
    """A container whose one port is published on 127.0.0.1 alone; port and data outlive a kill.

    Args:
        name: of the image.
        inside: the port that the server listens on in the container.
        port: of this machine.
        environment: of the container, beside the image's own.
        command: of the container; empty: the image's own.
    """

    def __init__(self, name: str, *, inside: int, port: int, environment: Mapping[str, str], command: str = "") -> None:
        from testcontainers.core.config import testcontainers_config  # noqa: PLC0415  # only where Docker answers
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415

        # Ryuk removes containers of tests that were killed. It publishes a port on all addresses and has to be pulled,
        # so that it runs only where it is asked for.
        if "TESTCONTAINERS_RYUK_DISABLED" not in os.environ:
            testcontainers_config.ryuk_disabled = True
        self._container = DockerContainer(name, env=dict(environment), command=command or None)
        # Docker takes an address with the port; `with_bind_ports` takes the port alone.
        self._container.ports[f"{inside}/tcp"] = ("127.0.0.1", port)  # type: ignore[assignment]
        self._created = False

    def start(self) -> None:
        if self._created:
            self._container.get_wrapped_container().start()
        else:
            self._created = True
            self._container.start()

    def stop(self) -> None:
        self._container.get_wrapped_container().stop()

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def signal(self, number: signal.Signals) -> None:
        """Pause it on SIGSTOP, let it go on at any other."""
        container = self._container.get_wrapped_container()
        if number is signal.SIGSTOP:
            container.pause()
        else:
            container.unpause()

    def remove(self) -> None:
        """Remove it with its data, and close the connections to Docker."""
        self._container.stop()
