"""The first check of a request, before the framework sees it; and the answer to requests that the shutdown cuts off."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from litestar.enums import ScopeType

from obscura_backup.entrypoints.http.messages.problems import outcome_of, problem
from obscura_backup.entrypoints.http.request_state import RequestState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

    from obscura_backup.domain.ports import TokenVerifier
    from obscura_backup.entrypoints.http.messages.problems import ProblemAnswer
    from obscura_backup.entrypoints.http.route_table import Route


class RequestGuard:
    """Refuses malformed requests, and requests of connections over the limit; answers OPTIONS.

    Args:
        app: the application behind.
        routes: the paths that are served, by path.
        tokens: recognises users whose token was verified before, for their share of the connections.
    """

    def __init__(
        self, app: ASGIApp, routes: Mapping[str, Route] | None = None, tokens: TokenVerifier | None = None
    ) -> None:
        self._app = app
        self._routes = routes or {}
        self._allowed = {path: frozenset(route.allowed) for path, route in self._routes.items()}
        self._allow = {path: ", ".join(route.allowed) for path, route in self._routes.items()}
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, answer it, or pass it on."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        state = RequestState.of(scope)
        route = self._routes.get(scope["path"])
        method = scope["method"]
        refusal = await self._refusal(scope, state, route)
        if refusal is not None:
            await refusal.send(send)
        elif route is not None and method == "OPTIONS":
            headers = [(b"allow", self._allow[route.path].encode())]
            await send({"type": "http.response.start", "status": 204, "headers": headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            if route is not None and method == "HEAD" and route.answers_head:
                scope = cast("HTTPScope", {**scope, "method": "GET"})
            await self._pass_on(scope, state, receive, send)

    async def _refusal(self, scope: HTTPScope, state: RequestState, route: Route | None) -> ProblemAnswer | None:
        if state.head_fault is not None:
            return problem(*state.head_fault, close=True)
        if not _is_canonical(scope["raw_path"]):
            # Not 404, which a client may take for "there is no backup".
            detail = "Invalid path: `//`, a trailing `/` and percent-encoding are not accepted."
            return problem(400, detail, close=True)
        if not (route is not None and route.is_always_open) and not await self._is_admitted(state):
            outcome = outcome_of(state, nothing_changed=True)
            detail = "Too many connections are open; try again."
            return problem(503, detail, code="busy", retry_after_seconds=1, close=True, outcome=outcome)
        if route is not None and scope["method"] not in self._allowed[route.path]:
            allow = self._allow[route.path]
            return problem(405, f"Method not allowed here. Allowed: {allow}.", headers={"Allow": allow})
        return None

    async def _is_admitted(self, state: RequestState) -> bool:
        admission = state.admission
        if admission is None or admission.is_granted:
            return True
        user_id = await state.recognise(self._tokens) if self._tokens else None
        return user_id is not None and admission.claim(user_id)

    async def _pass_on(self, scope: HTTPScope, state: RequestState, receive: Receive, send: Send) -> None:
        started = False

        async def observed(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, observed)
        except asyncio.CancelledError:
            # The service stops, and this request took longer than it had. Its change may have happened.
            if started:
                raise
            outcome = outcome_of(state, nothing_changed=False)
            code = "stopping" if outcome == "not-stored" else "outcome-unknown"
            detail = "The service is stopping; send the request again."
            await problem(503, detail, code=code, retry_after_seconds=1, close=True, outcome=outcome).send(send)


def _is_canonical(raw_path: bytes) -> bool:
    # The framework takes /v1//backup/ and /v1/%62ackup for /v1/backup. Another spelling of a path must not evade a rule
    # for it, in a proxy in front or in our own metrics.
    return b"%" not in raw_path and b"//" not in raw_path and (raw_path == b"/" or not raw_path.endswith(b"/"))
