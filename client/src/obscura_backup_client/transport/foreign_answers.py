"""Answers that the service did not give: a proxy, a firewall or a login page in front of it did."""

from __future__ import annotations

import json
from typing import Final

from obscura_backup_client.transport.answers import (
    PROBLEM_MEDIA_TYPE,
    UNREADABLE_JSON,
    Answer,
    detail_of,
    max_bytes_of,
    problem_code,
)
from obscura_backup_client.transport.errors import NotFromService

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


def is_foreign(answer: Answer) -> bool:
    """Whether an error answer is not the service's own: it has no problem document where there should be one.

    An answer with nothing in it is given the benefit of the doubt, as one to HEAD has to be, unless its `Content-Type`
    is that of a page which was left out. A 413 decides whether an upload can ever succeed, and needs the document.
    """
    if answer.status in _NEVER_OURS:
        return True
    if answer.status == 413:
        return problem_code(answer) != "blob-too-large" and max_bytes_of(answer) is None
    if answer.status == 401 and answer.header("www-authenticate").lower().startswith("bearer"):
        return False
    if not answer.body:
        media_type = answer.header("content-type").partition(";")[0].strip().lower()
        return media_type not in ("", PROBLEM_MEDIA_TYPE, "application/json")
    try:
        document = json.loads(answer.body)
    except UNREADABLE_JSON:
        return True
    return not (isinstance(document, dict) and isinstance(document.get("type"), str))


def not_from_service(answer: Answer) -> NotFromService:
    """The error for a foreign answer."""
    return NotFromService(answer.status, _ADVICE.get(answer.status, _OTHER))


def reason_of(answer: Answer) -> str:
    """Why an answer means "later": the status, and the service's own words or whose answer it is."""
    status = f"status {answer.status}"
    if answer.status in _NO_SERVICE:
        return f"{status}, {_NO_SERVICE[answer.status]}"
    if answer.status == 503 and answer.body and is_foreign(answer):
        return f"{status}, from a proxy and not from the backup service"
    detail = detail_of(answer)
    return f"{status}, {detail}" if detail else status
