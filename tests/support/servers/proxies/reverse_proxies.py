"""nginx, HAProxy and Caddy with the samples of `deploy/`, on ports and with a certificate of the test."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from support.certificates import certificate_for_this_machine
from support.servers.programs import native

if TYPE_CHECKING:
    from collections.abc import Sequence

DEPLOY = Path(__file__).parents[4] / "deploy"
STOP_SECONDS = 20.0
_SBIN = "/usr/sbin:/usr/local/sbin"
_NGINX = """
{user}
daemon off;
pid {folder}/pid;
error_log {folder}/log warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/answers;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {sample};
}}
"""
_HAPROXY = "global\n    stats socket {folder}/admin.sock mode 600 level admin\n"


def program(name: str, *, package: str = "") -> str:
    """The path of a program of a Debian package, by default of its own name; skips (fails in CI) if it is missing."""
    path = os.pathsep.join((os.environ.get("PATH", ""), _SBIN))  # `sbin` is not in every user's PATH
    package = package or name
    found = shutil.which(name, path=path)
    if found is None and native.install_with_apt(package):
        found = shutil.which(name, path=path)
    return found or native.missing(name, f"install it (Debian: apt-get install {package})")


def adapted(sample: Path, changes: dict[str, str]) -> str:
    """The sample with what an operator changes; each of these texts must occur."""
    text = sample.read_text()
    for old, new in changes.items():
        assert old in text, f"{sample.name} has no {old!r}"
        text = text.replace(old, new)
    return text


class ReverseProxy(ABC):
    """One running proxy with TLS in front of two replicas.

    Attributes:
        replicas: their addresses in the sample.
        port: where it listens with TLS, on the loopback.
        certificate: its certificate, with the key.
    """

    name: str
    replicas: tuple[str, ...] = ("10.0.0.11:8400", "10.0.0.12:8400")

    def __init__(self, folder: Path, replica_ports: Sequence[int], changes: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.port = native.free_port()
        self.certificate = certificate_for_this_machine(folder)
        replicas = {old: f"127.0.0.1:{port}" for old, port in zip(self.replicas, replica_ports, strict=True)}
        self._program = program(self.name)
        self._command = self._configured({**replicas, **(changes or {})})
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def _configured(self, changes: dict[str, str]) -> list[str]:
        """Write the configuration; the command that runs it in the foreground."""

    @abstractmethod
    def check(self) -> subprocess.CompletedProcess[str]:
        """The program's own check of its configuration."""

    @abstractmethod
    def reload(self) -> None:
        """Read the configuration again, as its operator would; returns when new processes serve."""

    def has_replicas(self) -> bool:
        """Whether requests may go to both replicas."""
        return True

    def start(self) -> None:
        self._process = native.start(self._command, folder=self.folder, log=self.folder / "output", user=None)
        native.await_answer(self._listens, self._process, self.folder / "output")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(STOP_SECONDS)
            self._process = None

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self._program, *arguments], check=False, capture_output=True, text=True, timeout=60)

    def _replace_workers(self, number: signal.Signals) -> None:
        """Send a signal, and wait until there are workers that were not there before."""
        assert self._process is not None
        before = self._workers()
        self._process.send_signal(number)
        deadline = time.monotonic() + STOP_SECONDS
        while not self._workers() - before:
            assert time.monotonic() < deadline, "the configuration was not read again"
            time.sleep(0.01)

    def _workers(self) -> set[str]:
        assert self._process is not None
        pid = self._process.pid
        return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())

    def _listens(self) -> bool:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        return False


class Nginx(ReverseProxy):
    """With a main file of the test's own, which includes the sample as `conf.d` would."""

    name = "nginx"

    def _configured(self, changes: dict[str, str]) -> list[str]:
        own = {
            "listen 443 ssl": f"listen 127.0.0.1:{self.port} ssl",
            "/etc/ssl/backup.example/fullchain.pem": str(self.certificate),
            "/etc/ssl/backup.example/privkey.pem": str(self.certificate),
        }
        sample = self.folder / "obscura-backup.conf"
        sample.write_text(adapted(DEPLOY / "nginx" / "obscura-backup.conf", {**own, **changes}))
        user = "user root;" if native.IS_ROOT else ""  # whose folder this is
        main = self.folder / "nginx.conf"
        main.write_text(_NGINX.format(user=user, folder=self.folder, sample=sample))
        self._files = ["-c", str(main), "-e", str(self.folder / "log")]
        return [self._program, *self._files]

    def check(self) -> subprocess.CompletedProcess[str]:
        return self._run("-t", *self._files)

    def reload(self) -> None:
        self._replace_workers(signal.SIGHUP)


class Haproxy(ReverseProxy):
    """With a `global` section of the test's own, whose socket tells the state of the replicas.

    Attributes:
        servers: the replicas, as `backend,server`.
    """

    name = "haproxy"
    sample = "obscura-backup.cfg"
    servers: tuple[str, ...] = ("obscura-backup,a", "obscura-backup,b")

    def _configured(self, changes: dict[str, str]) -> list[str]:
        own = {
            "bind :443": f"bind 127.0.0.1:{self.port}",
            "/etc/haproxy/certs/backup.example.pem": str(self.certificate),
        }
        sample, main = self.folder / self.sample, self.folder / "global.cfg"
        sample.write_text(adapted(DEPLOY / "haproxy" / self.sample, {**own, **changes}))
        main.write_text(_HAPROXY.format(folder=self.folder))
        self._files = ["-f", str(main), "-f", str(sample)]
        return [self._program, "-W", *self._files]

    def check(self) -> subprocess.CompletedProcess[str]:
        return self._run("-c", *self._files)

    def reload(self) -> None:
        self._replace_workers(signal.SIGUSR2)

    def has_replicas(self) -> bool:
        """Whether the health checks found all replicas ready."""
        return all(self.states()[server] == "UP" for server in self.servers)

    def states(self) -> dict[str, str]:
        """What the health checks found, by `backend,server`."""
        fields = [line.split(",") for line in self.ask("show stat").splitlines()]
        return {",".join(field[:2]): field[17].split()[0] for field in fields if len(field) > 17 and field[17]}

    def _listens(self) -> bool:
        return (self.folder / "admin.sock").exists() and super()._listens()

    def ask(self, command: str) -> str:
        """The answer to a command of HAProxy's runtime API."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.folder / "admin.sock"))
            connection.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


class HaproxyOfPairs(Haproxy):
    """HAProxy in front of two pairs of stores. The two replicas of a pair in the sample are one service here.

    Args:
        folder: for its files.
        pair_ports: of the services of `pair-a` and `pair-b`.
        changes: of the sample.
    """

    sample = "obscura-backup-pairs.cfg"
    replicas = ("10.0.0.11:8400", "10.0.0.12:8400", "10.0.0.21:8400", "10.0.0.22:8400")
    servers = ("pair-a,a1", "pair-a,a2", "pair-b,b1", "pair-b,b2")

    def __init__(self, folder: Path, pair_ports: Sequence[int], changes: dict[str, str] | None = None) -> None:
        self.map = folder / "pairs.map"
        shutil.copy(DEPLOY / "haproxy" / "obscura-backup-pairs.map", self.map)
        own = {"/etc/haproxy/obscura-backup-pairs.map": str(self.map)}
        super().__init__(folder, [port for port in pair_ports for _ in range(2)], {**own, **(changes or {})})
