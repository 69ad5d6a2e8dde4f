"""Responses that came from a proxy, a firewall or a login page instead of the service."""

from __future__ import annotations

from typing import Final

from obscura_backup_client.transport.errors import NotFromService
from obscura_backup_client.transport.responses import (
    PROBLEM_MEDIA_TYPE,
    Response,
    json_object,
    problem_code,
    problem_detail,
    problem_max_bytes,
)

_ASK_OPERATOR: Final = "its operator must let requests to the backup service through"
_ADVICE: Final = {
    400: "it refuses the request's head, which a long token may make too large (nginx: large_client_header_buffers)",
    401: "it requires its own login; its operator must leave authentication to the backup service",
    403: f"it forbids the request; {_ASK_OPERATOR}",
    405: f"it forbids the method; {_ASK_OPERATOR}",
    407: f"it requires its own login; {_ASK_OPERATOR}",
    411: "it requires a length, which was sent but removed on the way; its operator must fix that",
    413: "it blocks uploads of this size; its operator must raise the limit (nginx: client_max_body_size)",
    414: f"the address is too long for it; {_ASK_OPERATOR}",
    431: "the request's head is too large for it, usually because of a long token; its operator must raise the "
    "limit (nginx: large_client_header_buffers)",
    511: "this network requires a login; log in with a browser, then try again",
}
_OTHER: Final = "check the address, and ask its operator"
_NO_SERVICE: Final = {
    502: "a proxy cannot reach the backup service",
    504: "a proxy got no answer from the backup service in time",
}
_NEVER_OURS: Final = frozenset({407, 411, 414, 511, *_NO_SERVICE})


def is_from_proxy(response: Response) -> bool:
    """Whether an error response is not from the service, because it lacks a problem document.

    An empty response counts as the service's own, as for HEAD, unless its `Content-Type` is that of a page. A 413
    decides whether an upload can ever succeed, so it needs the document.
    """
    if response.status in _NEVER_OURS:
        return True
    if response.status == 413:
        return problem_code(response) != "blob-too-large" and problem_max_bytes(response) is None
    if response.status == 401 and response.header("www-authenticate").lower().startswith("bearer"):
        return False
    if not response.body:
        media_type = response.header("content-type").partition(";")[0].strip().lower()
        return media_type not in ("", PROBLEM_MEDIA_TYPE, "application/json")
    return not isinstance(json_object(response).get("type"), str)


def proxy_error(response: Response) -> NotFromService:
    """The error for a response from a proxy."""
    return NotFromService(response.status, _ADVICE.get(response.status, _OTHER))


def retry_reason(response: Response) -> str:
    """Why a response means "later": the status, with the service's detail or the fact that a proxy sent it."""
    status = f"status {response.status}"
    if response.status in _NO_SERVICE:
        return f"{status}, {_NO_SERVICE[response.status]}"
    if response.status == 503 and response.body and is_from_proxy(response):
        return f"{status}, from a proxy and not from the backup service"
    detail = problem_detail(response)
    return f"{status}, {detail}" if detail else status
