"""A path that needs a user is not served without one, whatever the verification of the token meets."""

from __future__ import annotations

import hashlib
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from contracts import samples
from obscura_backup.domain.errors import Unauthenticated, Unavailable
from obscura_backup.entrypoints.http.request_state import RequestState
from support.servers.in_process.pipeline import pipeline
from support.table import table

if TYPE_CHECKING:
    from litestar.types import Receive, Scope, Send

USER = samples.user(1)


class Tokens:
    """Verifies each token in the same way. Recognises none, or each."""

    def __init__(self, failure: Exception | None = None, *, recognises: bool = False) -> None:
        self._failure = failure
        self._recognises = recognises

    async def recognise(self, token: str) -> Any:
        del token
        return USER if self._recognises else None

    async def verify(self, token: str) -> Any:
        del token
        if self._failure is not None:
            raise self._failure
        return USER


async def asked(
    tokens: Tokens, *headers: tuple[bytes, bytes], user_hash_prefixes: tuple[str, ...] = ()
) -> tuple[int, dict[str, Any]]:
    """Status and document of the answer by an application that names the user."""
    sent: list[Any] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        body = json.dumps({"user": str(RequestState.of(scope).require_user())}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {
        "type": "http",
        "method": "GET",
        "path": "/v1/backup",
        "raw_path": b"/v1/backup",
        "headers": list(headers),
        "client": None,
        "state": {},
    }
    receive: Any = None
    await pipeline(application, tokens=tokens, user_hash_prefixes=user_hash_prefixes)(scope, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


TOKEN = (b"authorization", b"Bearer token")


async def test_handler_knows_the_user_of_the_token() -> None:
    assert await asked(Tokens(), TOKEN) == (200, {"user": str(USER)})


@table(
    ("failure", "headers", "status", "code"),
    [
        (None, (), 401, "unauthenticated"),
        (None, (TOKEN, TOKEN), 401, "unauthenticated"),
        (Unauthenticated("expired"), (TOKEN,), 401, "unauthenticated"),
        (Unavailable("no keys"), (TOKEN,), 503, "unavailable"),
        (ZeroDivisionError(), (TOKEN,), 500, "internal-error"),
    ],
)
async def test_request_without_a_user_gets_a_problem_document(
    failure: Exception | None, headers: tuple[tuple[bytes, bytes], ...], status: int, code: str
) -> None:
    answered, document = await asked(Tokens(failure), *headers)
    assert (answered, document["type"]) == (status, f"urn:obscura-backup:problem:{code}")


async def test_bug_in_the_verification_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        await asked(Tokens(ZeroDivisionError()), TOKEN)
    assert "GET /v1/backup failed" in caplog.text


def test_state_without_a_user_is_refused_to_a_handler_too() -> None:
    with pytest.raises(Unauthenticated):
        RequestState("GET", []).require_user()


USER_HASH = hashlib.sha256(str(USER).encode()).hexdigest()
ANOTHER_DIGIT = "0" if USER_HASH[0] != "0" else "1"


@table("recognises", [False, True])
@table(
    ("prefixes", "status"),
    [
        ((USER_HASH[0],), 200),
        ((ANOTHER_DIGIT, USER_HASH[:4]), 200),
        ((ANOTHER_DIGIT,), 421),
        ((USER_HASH[0] + ("0" if USER_HASH[1] != "0" else "1"),), 421),
    ],
)
async def test_only_users_of_these_hashes_are_served(
    prefixes: tuple[str, ...], status: int, *, recognises: bool
) -> None:
    found, document = await asked(Tokens(recognises=recognises), TOKEN, user_hash_prefixes=prefixes)
    assert found == status
    if status == 421:
        assert document["type"] == "urn:obscura-backup:problem:misdirected-request"
        assert str(USER) not in json.dumps(document)
