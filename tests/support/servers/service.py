"""The service itself as a test server: started by its command, spoken to over its port, killed like any process."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from uuid import UUID, uuid4

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

COMMAND = Path(sys.executable).parent / "obscura-backup"
SECRET = "a secret that only the tests know, 32 bytes and more"
START_SECONDS = 60.0
# No load balancer is used, so only the tests about the notice before the end wait for it.
QUICK_END = {"OBSCURA_BACKUP_NOTICE_SECONDS": "0"}


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, read whole."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def etag(self) -> str:
        return self.headers["etag"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> str:
        """The last part of a problem's type; asserts that it is a proper problem document."""
        assert self.headers["content-type"] == "application/problem+json"
        document = self.json
        assert document["status"] == self.status
        assert document["title"]
        assert document["detail"]
        return str(document["type"]).removeprefix("urn:obscura-backup:problem:")


@dataclass
class Service:
    """One `obscura-backup serve`, on ports of its own that it keeps over restarts.

    It has a management listener if `has_management`.
    """

    data_dir: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    port: int = 0
    has_management: bool = False
    admin_port: int = 0
    process: subprocess.Popen[bytes] | None = None
    command: Path = COMMAND
    _temporary: Path | None = None

    def start(self, *, stderr: IO[str] | None = None, seconds: float = START_SECONDS) -> None:
        """Start it and wait until it answers.

        Raises:
            RuntimeError: it ended instead, or took longer than `seconds` and was killed.
        """
        self.port = self.port or free_port()
        if self.has_management:
            self.admin_port = self.admin_port or free_port()
        self.process = subprocess.Popen(
            [str(self.command), "serve", "--port", str(self.port), "--data-dir", str(self.data_dir), *self.arguments],
            env=self.full_environment(),
            stdin=subprocess.DEVNULL,
            stderr=stderr,
        )
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                code, self.process = self.process.returncode, None
                raise RuntimeError(f"the service ended with code {code}")
            with suppress(OSError, http.client.HTTPException):
                if self.request("GET", "/health/live", token=None).status == 200:
                    return
            time.sleep(0.01)
        self.kill()
        raise RuntimeError(f"the service did not become ready within {seconds:.0f} s")

    def full_environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("OBSCURA_")}
        own = {"TMPDIR": str(self.temporary), "OBSCURA_BACKUP_AUTH_SECRET": SECRET}
        admin = {"OBSCURA_BACKUP_ADMIN_PORT": str(self.admin_port)} if self.admin_port else {}
        return {**inherited, **own, **admin, **QUICK_END, **self.environment}

    @property
    def temporary(self) -> Path:
        """The folder of its temporary files, beside its data: workers that are killed leave files there."""
        if self._temporary is None:
            self.data_dir.parent.mkdir(parents=True, exist_ok=True)
            self._temporary = Path(
                tempfile.mkdtemp(prefix=f"{self.data_dir.name}-temporary-", dir=self.data_dir.parent)
            )
        return self._temporary

    @property
    def pid(self) -> int:
        """Of its first process, while it runs."""
        assert self.process is not None
        return self.process.pid

    def workers(self) -> list[int]:
        """The ids of the worker processes that run; empty where the service is one process."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        named = {pid: _command_line(pid) for pid in children}
        return sorted(int(pid) for pid, line in named.items() if line and b"resource_tracker" not in line)

    def kill(self) -> None:
        """SIGKILL: no chance to finish anything."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, and wait; the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(how)
        code = self.process.wait(timeout=40)
        self.process = None
        return code

    def token(self, user_id: UUID, *options: str) -> str:
        """A token by the service's own command."""
        output = subprocess.run(
            [str(self.command), "token", str(user_id), "--data-dir", str(self.data_dir), *options],
            env=self.full_environment(),
            check=True,
            capture_output=True,
            timeout=20,
        )
        return output.stdout.decode().strip()

    def request_management(self, path: str, method: str = "GET") -> Answer:
        """One request to the management listener."""
        return replace(self, port=self.admin_port).request(method, path, token=None)

    def request(
        self,
        method: str,
        path: str = "/v1/backup",
        *,
        token: str | None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        body: bytes | Iterable[bytes] | None = None,
        timeout_seconds: float = 20.0,
    ) -> Answer:
        """One request on a connection of its own. An iterable body goes out in chunks, of no declared length."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_seconds)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            pairs = list(headers.items()) if hasattr(headers, "items") else list(headers)
            if token is not None:
                pairs.append(("Authorization", f"Bearer {token}"))
            for name, value in pairs:
                connection.putheader(name, value)
            chunked = body is not None and not isinstance(body, bytes)
            if chunked:
                connection.putheader("Transfer-Encoding", "chunked")
            elif isinstance(body, bytes) and "content-length" not in {name.lower() for name, _ in pairs}:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body, encode_chunked=chunked)
            response = connection.getresponse()
            return Answer(
                response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
            )
        finally:
            connection.close()


@dataclass
class Person:
    """A user with a token, and the four calls of the API."""

    service: Service
    user_id: UUID
    token: str

    @classmethod
    def of(cls, service: Service) -> Person:
        """A new user."""
        user_id = uuid4()
        return cls(service, user_id, signed({"sub": str(user_id), "exp": int(time.time()) + 3600}))

    def post_head(self, rest: str) -> str:
        """The head of an upload for who writes to the socket; `rest` ends it, or leaves it open."""
        return f"POST /v1/backup HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.token}\r\n{rest}"

    def upload(self, body: bytes, if_match: str | None = None, **headers: str) -> Answer:
        conditions = {} if if_match is None else {"If-Match": if_match}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.service.request("POST", token=self.token, headers={**conditions, **named}, body=body)

    def download(self, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.service.request("GET", token=self.token, headers=named)

    def describe(self, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.service.request("HEAD", token=self.token, headers=named)

    def delete(self, if_match: str | None = None) -> Answer:
        headers = {} if if_match is None else {"If-Match": if_match}
        return self.service.request("DELETE", token=self.token, headers=headers)


def signed(claims: dict[str, Any], secret: str = SECRET, algorithm: str = "HS256") -> str:
    """A JWT with these claims, by the library that the service verifies with."""
    import jwt  # noqa: PLC0415  # only what signs tokens by hand needs it

    return jwt.encode(claims, secret, algorithm=algorithm)


def digest_field(body: bytes) -> str:
    """A Content-Digest of the body."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def _command_line(pid: str) -> bytes:
    """Empty for a process that has ended: while its parent has not asked for its exit code, and afterwards."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
