"""Answers that the service did not give: a proxy, a firewall or a login page in front of it did."""

from __future__ import annotations

import json
from typing import Final

from obscura_backup_client.transport.errors import NotFromService
from obscura_backup_client.transport.responses import (
    JSON_ERRORS,
    PROBLEM_MEDIA_TYPE,
    Response,
    problem_code,
    problem_detail,
    problem_max_bytes,
)

_ASK_OPERATOR: Final = "its operator has to let requests to the backup service through"
_ADVICE: Final = {
    400: "it refuses the head of the request, which a long token may make too large "
    "(nginx: large_client_header_buffers)",
    401: "it asks for a login of its own; its operator has to leave that to the backup service",
    403: f"it forbids the request; {_ASK_OPERATOR}",
    405: f"it forbids the method; {_ASK_OPERATOR}",
    407: f"it asks for a login of its own; {_ASK_OPERATOR}",
    411: "it wants a length that was sent, so something on the way removed it; its operator has to look",
    413: "it lets no upload of this size through; its operator has to raise the limit (nginx: client_max_body_size)",
    414: f"it finds the address too long; {_ASK_OPERATOR}",
    431: "it finds the head of the request too large, mostly because of a long token; its operator has to raise the "
    "limit (nginx: large_client_header_buffers)",
    511: "this network asks for a login; log in with a browser, then try again",
}
_OTHER: Final = "check the address, and ask its operator"
_NO_SERVICE: Final = {
    502: "a proxy cannot reach the backup service",
    504: "a proxy got no answer from the backup service in time",
}
_NEVER_OURS: Final = frozenset({407, 411, 414, 511, *_NO_SERVICE})


def is_from_proxy(response: Response) -> bool:
    """Whether an error answer is not the service's own: it has no problem document where there should be one.

    An answer with nothing in it is given the benefit of the doubt, as one to HEAD has to be, unless its `Content-Type`
    is that of a page which was left out. A 413 decides whether an upload can ever succeed, and needs the document.
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
    try:
        document = json.loads(response.body)
    except JSON_ERRORS:
        return True
    return not (isinstance(document, dict) and isinstance(document.get("type"), str))


def proxy_error(response: Response) -> NotFromService:
    """The error for a foreign answer."""
    return NotFromService(response.status, _ADVICE.get(response.status, _OTHER))


def retry_reason(response: Response) -> str:
    """Why an answer means "later": the status, and the service's own words or whose answer it is."""
    status = f"status {response.status}"
    if response.status in _NO_SERVICE:
        return f"{status}, {_NO_SERVICE[response.status]}"
    if response.status == 503 and response.body and is_from_proxy(response):
        return f"{status}, from a proxy and not from the backup service"
    detail = problem_detail(response)
    return f"{status}, {detail}" if detail else status
