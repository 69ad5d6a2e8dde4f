"""The first check of a request: its head, its connection, its path and its method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup.entrypoints.http.messages.problems import outcome_of, problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.types import HTTPScope

    from obscura_backup.domain.ports import TokenVerifier
    from obscura_backup.entrypoints.http.messages.problems import ProblemAnswer
    from obscura_backup.entrypoints.http.request_state import RequestState
    from obscura_backup.entrypoints.http.route_table import Route


class RequestGuard:
    """Refuses malformed requests, requests of connections over the limit, and methods that a path does not have.

    Args:
        routes: the paths that are served, by path.
        tokens: recognises users whose token was verified before, for their share of the connections.
    """

    def __init__(self, routes: Mapping[str, Route], tokens: TokenVerifier) -> None:
        self._allowed = {path: frozenset(route.allowed) for path, route in routes.items()}
        self._tokens = tokens

    async def refusal(self, scope: HTTPScope, state: RequestState, route: Route | None) -> ProblemAnswer | None:
        """The answer to a request that is not to be served; None for the others."""
        if state.head_fault is not None:
            return problem(*state.head_fault, close=True, request_id=state.request_id)
        if not _is_canonical(scope["raw_path"]):
            # Not 404, which a client may take for "there is no backup".
            detail = "Invalid path: `//`, a trailing `/` and percent-encoding are not accepted."
            return problem(400, detail, close=True, request_id=state.request_id)
        if not (route is not None and route.is_always_open) and not await self._is_admitted(state):
            outcome = outcome_of(state, nothing_changed=True)
            detail = "Too many connections are open; try again."
            return problem(
                503,
                detail,
                code="busy",
                retry_after_seconds=1,
                close=True,
                outcome=outcome,
                request_id=state.request_id,
            )
        if route is not None and scope["method"] not in self._allowed[route.path]:
            allow = ", ".join(route.allowed)
            detail = f"Method not allowed here. Allowed: {allow}."
            return problem(405, detail, headers={"Allow": allow}, request_id=state.request_id)
        return None

    async def _is_admitted(self, state: RequestState) -> bool:
        admission = state.admission
        if admission is None or admission.is_granted:
            return True
        user_id = await state.recognise(self._tokens)
        return user_id is not None and admission.claim(user_id)


def _is_canonical(raw_path: bytes) -> bool:
    # The framework takes /v1//backup/ and /v1/%62ackup for /v1/backup. Another spelling of a path must not evade a rule
    # for it, in a proxy in front or in our own metrics.
    return b"%" not in raw_path and b"//" not in raw_path and (raw_path == b"/" or not raw_path.endswith(b"/"))
