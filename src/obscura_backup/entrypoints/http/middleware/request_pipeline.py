"""All that happens to a request around its handler: one middleware, with one `send`."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from litestar.enums import ScopeType

from obscura_backup.domain.errors import ObscuraError
from obscura_backup.entrypoints.http.messages.errors import TooManyRequests
from obscura_backup.entrypoints.http.messages.problems import answer_to, internal_error, outcome_of, problem
from obscura_backup.entrypoints.http.middleware.authentication import BearerAuthentication
from obscura_backup.entrypoints.http.middleware.metrics import RequestMetrics
from obscura_backup.entrypoints.http.middleware.request_guard import RequestGuard
from obscura_backup.entrypoints.http.middleware.request_log import HEADER
from obscura_backup.entrypoints.http.request_state import RequestState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

    from obscura_backup.domain.ports import TokenVerifier
    from obscura_backup.entrypoints.http.messages.problems import ProblemAnswer
    from obscura_backup.entrypoints.http.middleware.cors import CorsPolicy
    from obscura_backup.entrypoints.http.middleware.rate_limits import RateLimits
    from obscura_backup.entrypoints.http.middleware.request_log import RequestLog
    from obscura_backup.entrypoints.http.route_table import Route

_CLOSE = (b"connection", b"close")


class RequestPipeline:
    """Refuses, answers or passes on each request; completes and counts each answer.

    1. Malformed requests, connections over the limit and wrong methods are refused. OPTIONS is answered.
    2. The request is charged to its user or address, unless the path is always open.
    3. If the path needs a user, the token is verified.
    4. The handler answers. If the shutdown cancels it before, the answer says what is known.

    Args:
        app: the application with the handlers.
        routes: the paths that are served, by path.
        tokens: verifies bearer tokens.
        rates: the accounts of users and addresses.
        cors: adds the headers for browsers to each answer.
        is_stopping: whether the process was told to stop. Then each answer is the last one on its connection.
        log: of requests; it gives them their ids.
        user_hash_prefixes: see `BearerAuthentication`.
    """

    def __init__(
        self,
        app: ASGIApp,
        routes: Mapping[str, Route],
        tokens: TokenVerifier,
        rates: RateLimits,
        *,
        cors: CorsPolicy,
        is_stopping: Callable[[], bool],
        log: RequestLog,
        user_hash_prefixes: tuple[str, ...] = (),
    ) -> None:
        self._app = app
        self._routes = routes
        self._tokens = tokens
        self._rates = rates
        self._cors = cors
        self._is_stopping = is_stopping
        self._guard = RequestGuard(routes, tokens)
        self._authentication = BearerAuthentication(tokens, rates, user_hash_prefixes)
        self._metrics = RequestMetrics(routes)
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Carry out one request, count it, and log it."""
        if scope["type"] != ScopeType.HTTP:
            await _run_lifespan(self._app, scope, receive, send)
            return
        began = time.perf_counter()
        state = RequestState.of(scope)
        state.request_id = self._log.request_id(scope, state)
        fields = ((HEADER, state.request_id.encode()), *self._cors.fields(state))
        answer = AnswerInProgress(send, fields, self._is_stopping)
        try:
            await self._answer(scope, state, receive, answer)
        except asyncio.CancelledError:
            # The service stops, and this request took longer than it had. An upload or a deletion may have happened.
            if answer.status is not None:
                raise
            await _cut_off(state).send(answer.send)
        finally:
            seconds = time.perf_counter() - began
            self._metrics.observe(scope["method"], scope["path"], answer.status, seconds)
            self._log.write(scope, state, answer.status, answer.sent_bytes, seconds)

    async def _answer(self, scope: HTTPScope, state: RequestState, receive: Receive, answer: AnswerInProgress) -> None:
        route = self._routes.get(scope["path"])
        refusal = await self._guard.refusal(scope, state, route)
        if refusal is None and route is not None and scope["method"] == "OPTIONS":
            headers = [(b"allow", ", ".join(route.allowed).encode())]
            await answer.send({"type": "http.response.start", "status": 204, "headers": headers})
            await answer.send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        if refusal is None:
            refusal = await self._check_access(scope, state, route)
        if refusal is not None:
            await refusal.send(answer.send)
            return
        if route is not None and scope["method"] == "HEAD" and route.answers_head:
            scope = cast("HTTPScope", {**scope, "method": "GET"})
        await self._app(scope, receive, answer.send)

    async def _check_access(self, scope: HTTPScope, state: RequestState, route: Route | None) -> ProblemAnswer | None:
        try:
            if route is None or not route.is_always_open:
                await state.recognise(self._tokens)
                self._rates.charge(scope, state)
            if route is not None and route.needs_user:
                await self._authentication.authenticate(state)
        except ObscuraError as error:
            # The connection of an unknown client over its rate is closed: further requests on it cost no answer each.
            return answer_to(scope, error, close=isinstance(error, TooManyRequests) and state.user_id is None)
        except Exception as error:  # noqa: BLE001  # a bug is answered and logged, as one in a handler is
            return internal_error(scope, error)
        return None


class AnswerInProgress:
    """The answer to one request, on its way to the server.

    Args:
        send: takes the messages.
        fields: headers to add.
        is_stopping: whether the connection is to close after this answer.

    Attributes:
        status: of the answer; None until it begins.
        sent_bytes: of its body, as far as it was passed on.
    """

    __slots__ = ("_fields", "_is_stopping", "_send", "sent_bytes", "status")

    def __init__(self, send: Send, fields: Sequence[tuple[bytes, bytes]], is_stopping: Callable[[], bool]) -> None:
        self._send = send
        self._fields = fields
        self._is_stopping = is_stopping
        self.status: int | None = None
        self.sent_bytes = 0

    def send(self, message: Message) -> Awaitable[None]:
        """Complete the message and pass it on. Not a coroutine itself, since there is one more in the server."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], *self._fields]
            if self._is_stopping() and _CLOSE not in message["headers"]:
                message["headers"] = [*message["headers"], _CLOSE]
        elif message["type"] == "http.response.body":
            self.sent_bytes += len(message["body"])
        return self._send(message)


async def _run_lifespan(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Start and close the stores. A second SIGINT cancels this, which is no failure to report: a kill is as safe."""

    async def send_unless_cancelled(message: Message) -> None:
        if not isinstance(sys.exception(), asyncio.CancelledError):
            await send(message)

    with suppress(asyncio.CancelledError):
        await app(scope, receive, send_unless_cancelled)


def _cut_off(state: RequestState) -> ProblemAnswer:
    outcome = outcome_of(state, nothing_changed=False)
    code = "outcome-unknown" if outcome == "unknown" else "stopping"  # also for a read, which changes nothing
    detail = "The service is stopping; send the request again."
    return problem(
        503,
        detail,
        code=code,
        retry_after_seconds=1,
        close=True,
        outcome=outcome,
        request_id=state.request_id,
    )
