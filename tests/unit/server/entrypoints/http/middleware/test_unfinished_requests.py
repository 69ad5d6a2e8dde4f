"""A request that the shutdown cuts off is answered with its outcome, if its answer has not begun."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from obscura_backup.entrypoints.http.request_state import RequestState
from support.servers.in_process.pipeline import pipeline
from support.table import table

if TYPE_CHECKING:
    from litestar.types import Receive, Scope, Send


async def cut_off(method: str, *, begun: bool = False, answered: bool = False) -> list[dict[str, Any]]:
    """The answer to a request whose application is cancelled, before or after its change or its answer began."""
    sent: list[dict[str, Any]] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if begun:
            RequestState.of(scope).has_begun_change = True
        if answered:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise asyncio.CancelledError

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {
        "type": "http",
        "method": method,
        "path": "/a/path",
        "raw_path": b"/a/path",
        "headers": [],
        "client": None,
        "state": {},
    }
    receive: Any = None
    await pipeline(application)(scope, receive, send)
    return sent


@table(
    ("method", "begun", "code", "outcome"),
    [
        ("POST", False, "stopping", "not-stored"),
        ("DELETE", False, "stopping", "not-stored"),
        ("POST", True, "outcome-unknown", "unknown"),
        ("DELETE", True, "outcome-unknown", "unknown"),
    ],
)
async def test_change_that_is_cut_off_is_answered_with_its_outcome(
    method: str, code: str, outcome: str, *, begun: bool
) -> None:
    start, body = await cut_off(method, begun=begun)
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    document = json.loads(body["body"])
    assert (start["status"], headers["retry-after"], headers["connection"]) == (503, "1", "close")
    assert (document["type"], document.get("outcome")) == (f"urn:obscura-backup:problem:{code}", outcome)


async def test_request_with_a_started_answer_is_cancelled() -> None:
    with pytest.raises(asyncio.CancelledError):
        await cut_off("POST", answered=True)


@table("method", ["GET", "HEAD"])
async def test_read_that_is_cut_off_has_no_outcome_and_no_unknown_one(method: str) -> None:
    start, body = await cut_off(method)
    document = json.loads(body["body"])
    assert (start["status"], document["type"]) == (503, "urn:obscura-backup:problem:stopping")
    assert "outcome" not in document
