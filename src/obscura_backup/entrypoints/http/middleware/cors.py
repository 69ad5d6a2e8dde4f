"""Cross-origin requests of browsers (the CORS protocol): all of it, for answers of handlers and for refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from obscura_backup.entrypoints.http.request_state import RequestState

METHODS = "DELETE, GET, HEAD, POST"
REQUEST_HEADERS = "Authorization, Content-Digest, Content-Type, If-Match, If-None-Match, If-Range, Range"
EXPOSED_HEADERS = "ETag, Repr-Digest, Last-Modified, Content-Range, Accept-Ranges, Retry-After, X-Request-Id"
PREFLIGHT_SECONDS = 600
"""How long a browser may keep the answer to a preflight request."""

_EXPOSE = (b"access-control-expose-headers", EXPOSED_HEADERS.encode())
_VARY = (b"vary", b"Origin")
_PERMISSIONS = (
    (b"access-control-allow-methods", METHODS.encode()),
    (b"access-control-allow-headers", REQUEST_HEADERS.encode()),
    (b"access-control-max-age", b"%d" % PREFLIGHT_SECONDS),
)


class CorsPolicy:
    """The CORS headers of each answer to an allowed origin.

    Refusals need them, too: a page would take a 429 without them for a broken network. The request guard answers
    preflight requests, as it answers every OPTIONS.

    Args:
        origins: the allowed ones, as `scheme://host[:port]`; `*` allows all.
    """

    def __init__(self, origins: tuple[str, ...] = ()) -> None:
        self._allows_all = "*" in origins
        self._origins = frozenset(origin.encode() for origin in origins)

    def fields(self, state: RequestState) -> Sequence[tuple[bytes, bytes]]:
        """The headers to add to the answer to this request; none if its origin is not allowed."""
        if not state.has(b"origin"):
            return ()
        origin = (state.value(b"origin") or "").encode("latin-1")
        if not origin or not (self._allows_all or origin in self._origins):
            return ()
        allowed = ((b"access-control-allow-origin", b"*" if self._allows_all else origin), _EXPOSE)
        vary = () if self._allows_all else (_VARY,)
        return (*allowed, *vary, *(_PERMISSIONS if state.is_preflight else ()))
