"""The whole application over stores in memory, called as a server calls it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from obscura_backup.adapters.system_clock import SystemClock
from obscura_backup.adapters.tokens.issuer import issue_token
from obscura_backup.entrypoints.http.app import create_app
from obscura_backup.entrypoints.http.request_state import RequestState
from obscura_backup.entrypoints.http.server.shutdown import ShutdownState
from obscura_backup.entrypoints.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

    from obscura_backup.domain.model import UserId
    from obscura_backup.entrypoints.settings import Settings

SECRET = "a secret that only the tests know, 32 bytes and more"


def settings(**values: Any) -> Settings:
    """Settings with the secret of the tests, from no file and no environment."""
    return load_settings({"auth_secret": SECRET, **values}, {})


@dataclass(frozen=True)
class Answer:
    """The answer to a request.

    Attributes:
        status: of the answer.
        headers: by their names in lower case.
        body: all of it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The last part of the type of a problem."""
        return str(self.json["type"]).removeprefix("urn:obscura-backup:problem:")


class App:
    """The application with these settings, over stores in memory unless they name others."""

    def __init__(self, **values: Any) -> None:
        self.stopping = ShutdownState()
        self._app: Any = create_app(
            settings(**{"metadata_url": "memory:", "blobs_url": "memory:", **values}), self.stopping.is_announced
        )

    def token(self, user_id: UserId) -> str:
        """A valid token of this user."""
        return issue_token(SECRET, user_id, timedelta(hours=1), SystemClock())

    async def ask(
        self,
        method: str,
        path: str = "/v1/backup",
        *pieces: bytes,
        user: UserId | None = None,
        headers: Mapping[str, str] | None = None,
        head_fault: tuple[int, str] | None = None,
        port: int = 8400,
    ) -> Answer:
        """One request.

        Args:
            method: of the request.
            path: with its query.
            *pieces: of the body, in order.
            user: whose token is sent.
            headers: beside Host and the token.
            head_fault: what the server found wrong with the head.
            port: of the listener.
        """
        fields = {"host": "backup.example", **(headers or {})}
        if user is not None:
            fields["authorization"] = f"Bearer {self.token(user)}"
        whole: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path.partition("?")[0],
            "raw_path": path.partition("?")[0].encode(),
            "query_string": path.partition("?")[2].encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in fields.items()],
            "client": ("192.0.2.1", 1),
            "server": ("127.0.0.1", port),
            "state": {},
        }
        RequestState.of(whole).head_fault = head_fault
        left = list(pieces) or [b""]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if not left:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self._app(whole, receive, send)
        start = sent[0]
        names = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], names, b"".join(message.get("body", b"") for message in sent[1:]))


def fail_with(monkeypatch: pytest.MonkeyPatch, kind: type[Any], name: str, failure: Exception) -> None:
    """Replace a coroutine method of a store by one that fails."""

    async def fails(*_: Any, **__: Any) -> Any:
        raise failure

    monkeypatch.setattr(kind, name, fails)
