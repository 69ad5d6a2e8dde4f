"""A bare Litestar application that takes and returns the same bytes: what the framework alone costs."""

from __future__ import annotations

from typing import Any

from litestar import Litestar, Request, Response, get, head, post
from litestar.exceptions import NotFoundException

# Litestar reads the annotations of handlers at run time.
BareRequest = Request[Any, Any, Any]
PATH = "/v1/backup"

_bodies: dict[str, bytes] = {}
"""By the Authorization header, so that each user gets the bytes back."""


@post(PATH, status_code=200, request_max_body_size=None)
async def upload(request: BareRequest) -> Response[dict[str, Any]]:
    """Keep the body."""
    body = await request.body()
    _bodies[request.headers["authorization"]] = body
    return Response({"version": 1, "size": len(body)}, headers={"ETag": '"1"'})


@get(PATH, media_type="application/octet-stream")
async def download(request: BareRequest) -> Response[bytes]:
    """Return the body."""
    return Response(_bodies[request.headers["authorization"]], headers={"ETag": '"1"'})


@head(PATH)
async def describe() -> None:
    """Say that nothing is stored, so that the generator begins anew.

    Raises:
        NotFoundException: always.
    """
    raise NotFoundException


app = Litestar([upload, download, describe], openapi_config=None, logging_config=None)
