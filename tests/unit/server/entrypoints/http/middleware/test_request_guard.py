"""A request on a connection over the limit is served if its user is known and finds a place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts import samples
from obscura_backup.entrypoints.http.middleware.request_guard import RequestGuard
from obscura_backup.entrypoints.http.request_state import RequestState
from obscura_backup.entrypoints.http.route_table import ROUTES
from support.table import table

if TYPE_CHECKING:
    from collections.abc import Hashable

USER = samples.user(1)


class Tokens:
    """Recognises each token, or none."""

    def __init__(self, user: Any) -> None:
        self._user = user

    async def recognise(self, token: str) -> Any:
        del token
        return self._user

    async def verify(self, token: str) -> Any:
        raise AssertionError(token)


class Place:
    """The place of a connection, which is granted at once, later or never."""

    def __init__(self, *, granted: bool, found: bool) -> None:
        self.is_granted = granted
        self._found = found
        self.owners: list[Hashable] = []

    def claim(self, owner: Hashable) -> bool:
        self.owners.append(owner)
        return self._found


@table(
    ("path", "user", "granted", "found", "status", "owners"),
    [
        ("/v1/backup", None, True, False, None, []),
        ("/v1/backup", USER, False, True, None, [USER]),
        ("/v1/backup", USER, False, False, 503, [USER]),
        ("/v1/backup", None, False, True, 503, []),
        ("/health/live", None, False, False, None, []),
    ],
)
async def test_request_over_the_limit(
    path: str, user: Any, status: int | None, owners: list[Hashable], *, granted: bool, found: bool
) -> None:
    scope: Any = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "headers": [(b"authorization", b"Bearer token")],
        "state": {},
    }
    state = RequestState.of(scope)
    state.admission = place = Place(granted=granted, found=found)
    refusal = await RequestGuard(ROUTES, Tokens(user)).refusal(scope, state, ROUTES[path])
    assert (None if refusal is None else refusal.status) == status
    assert place.owners == owners
