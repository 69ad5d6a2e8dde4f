"""Request ids, and one log event per request."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from typing import TYPE_CHECKING, Any

from obscura_backup.domain.errors import Unavailable
from obscura_backup.entrypoints.logs import FIELDS, REQUEST_ID, USER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from litestar.types import HTTPScope

    from obscura_backup.domain.model import UserId
    from obscura_backup.entrypoints.http.limits.client_address import ClientAddress
    from obscura_backup.entrypoints.http.request_state import RequestState
    from obscura_backup.entrypoints.http.route_table import Route

HEADER = b"x-request-id"
PSEUDONYM_BYTES = 6
_ID_BYTES = 8
_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")

log = logging.getLogger("obscura_backup.requests")


def pseudonyms(key: bytes) -> Callable[[UserId], str]:
    """A function from a user's id to 12 hexadecimal digits: BLAKE2s (RFC 7693), keyed with the SHA-256 of this key."""
    short_key = hashlib.sha256(key).digest()
    return lambda user_id: hashlib.blake2s(user_id.bytes, key=short_key, digest_size=PSEUDONYM_BYTES).hexdigest()


class RequestLog:
    """Gives each request an id, and logs it at its end.

    Args:
        routes: the paths that are served, by path.
        addresses: tells trusted proxies, whose `X-Request-Id` is taken over.
        name_of: how the log names a user.
    """

    def __init__(self, routes: Mapping[str, Route], addresses: ClientAddress, name_of: Callable[[UserId], str]) -> None:
        self._routes = routes
        self._addresses = addresses
        self._name_of = name_of

    def request_id(self, scope: HTTPScope, state: RequestState) -> str:
        """The id that a trusted proxy gave, or a new one."""
        given, peer = state.value(HEADER), scope["client"]
        if given is not None and peer is not None and self._addresses.of_peer(peer) is None and _ID.fullmatch(given):
            return given
        return os.urandom(_ID_BYTES).hex()

    def write(self, scope: HTTPScope, state: RequestState, status: int | None, sent_bytes: int, seconds: float) -> None:
        """Log one request: health checks at `debug`, answers of 500 at `warning`, the others at `info`.

        Args:
            scope: of the request.
            state: of the request.
            status: of the answer; None if none was begun.
            sent_bytes: of the body of the answer.
            seconds: from the start of the request to the end of its answer.
        """
        route = self._routes.get(scope["path"])
        level = logging.DEBUG if route is not None and route.is_always_open else logging.INFO
        if status is not None and status >= 500 and not isinstance(state.error, Unavailable):  # noqa: PLR2004
            level = logging.WARNING
        if log.isEnabledFor(level):
            log.log(level, "request", extra={FIELDS: self._fields(scope, state, route, status, sent_bytes, seconds)})

    def _fields(
        self,
        scope: HTTPScope,
        state: RequestState,
        route: Route | None,
        status: int | None,
        sent_bytes: int,
        seconds: float,
    ) -> dict[str, Any]:
        fields = {
            REQUEST_ID: state.request_id,
            "method": scope["method"],
            "route": "other" if route is None else route.path,
            "status": status or "aborted",
            "duration_ms": round(seconds * 1000, 1),
            "bytes_in": state.received_bytes,
            "bytes_out": sent_bytes,
        }
        if state.user_id is not None:
            fields[USER] = self._name_of(state.user_id)
        if state.error is not None:
            fields["error"] = state.error.code
            fields["cause"] = state.error.with_cause
            if isinstance(state.error, Unavailable) and state.error.failed_call is not None:
                fields["failed_call"] = state.error.failed_call
        return fields
