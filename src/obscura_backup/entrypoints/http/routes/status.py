"""`/status` on the management listener: the state of the service as a page or as JSON, behind its own password."""

from __future__ import annotations

import base64
import binascii
import hmac
import math
import os
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import MediaType, Request, Response, get

from obscura_backup import __version__
from obscura_backup.entrypoints.http import route_table
from obscura_backup.entrypoints.http.limits.rate_limiter import RateLimit
from obscura_backup.entrypoints.http.messages.errors import TooManyRequests
from obscura_backup.entrypoints.http.messages.problems import problem
from obscura_backup.entrypoints.http.request_state import RequestState
from obscura_backup.entrypoints.http.routes.management import StoreDetails, StoreKinds, store_details
from obscura_backup.entrypoints.http.routes.service import (
    ReadinessCheck,  # noqa: TC001  # Litestar reads the annotation at run time
)
from obscura_backup.entrypoints.http.status.history import (
    History,  # noqa: TC001  # as above
)
from obscura_backup.entrypoints.http.status.page import HEADERS, page
from obscura_backup.entrypoints.http.status.report import report_on
from obscura_backup.entrypoints.http.status.samples import StoreState

if TYPE_CHECKING:
    from litestar.types import HTTPScope

    from obscura_backup.entrypoints.http.limits.client_address import ClientAddress
    from obscura_backup.entrypoints.http.messages.problems import ProblemAnswer

ATTEMPTS_PER_MINUTE = 10
"""Wrong passwords per address. Further requests from there are refused, whatever their password."""
_CHALLENGE = 'Basic realm="Obscura Backup status", charset="UTF-8"'


class StatusAccess:
    """Lets in requests with the password (HTTP Basic, RFC 7617; any user name).

    Args:
        password: the right one.
        addresses: finds the client's address.
    """

    def __init__(self, password: str, addresses: ClientAddress) -> None:
        self._password = password.encode()
        self._address_of = addresses.of
        self._attempts = RateLimit(ATTEMPTS_PER_MINUTE)

    def refusal(self, scope: HTTPScope) -> ProblemAnswer | None:
        """The answer to a request without the password; None for the others.

        Raises:
            TooManyRequests: too many wrong passwords came from there.
        """
        state = RequestState.of(scope)
        given = _basic_password(state.values(b"authorization"))
        if given is not None:
            address = self._address_of(scope)
            wait_seconds = self._attempts.take(address)
            if wait_seconds > 0:
                raise TooManyRequests("address", math.ceil(wait_seconds))
            if hmac.compare_digest(given, self._password):
                self._attempts.refund(address)
                return None
        detail = "The password of the status page is required (OBSCURA_BACKUP_STATUS_PASSWORD), with any user name."
        return problem(401, detail, headers={"WWW-Authenticate": _CHALLENGE}, request_id=state.request_id)


def _basic_password(authorizations: list[str]) -> bytes | None:
    if len(authorizations) != 1:
        return None
    scheme, _, credentials = authorizations[0].partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(credentials.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""  # counts as a wrong one
    return decoded.partition(b":")[2]


@get(route_table.STATUS.path)
async def status(
    request: Request[Any, Any, Any],
    status_access: StatusAccess,
    history: History,
    readiness_check: ReadinessCheck,
    store_kinds: StoreKinds,
) -> Response[Any]:
    """The page, or JSON if the client accepts it by name."""
    refusal = status_access.refusal(request.scope)
    if refusal is not None:
        return refusal.to_response()
    metadata, blobs = await readiness_check.store_health()
    stores = (
        _state("metadata", store_details(store_kinds.metadata, metadata), metadata.since),
        _state("blobs", store_details(store_kinds.blobs, blobs), blobs.since),
    )
    report = report_on(history.until_now(), stores, version=__version__, pid=os.getpid())
    headers = {**HEADERS, "Cache-Control": "no-store", "Vary": "Accept"}
    if MediaType.JSON in request.headers.get("accept", ""):
        return Response(msgspec.json.encode(report), headers=headers, media_type=MediaType.JSON)
    return Response(page(report), headers=headers, media_type=MediaType.HTML)


def _state(name: str, details: StoreDetails, since: float | None) -> StoreState:
    return StoreState(name, details.kind, details.status, details.error, since)
