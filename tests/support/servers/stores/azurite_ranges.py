"""One answer of Azure, in front of Azurite: a range that begins where the blob ends is refused.

Microsoft documents 416 for a range that begins at the blob's size or behind it. Azurite answers so from one byte behind
the end on; at the end, it gives 206 with no bytes (issue 318 of its project, open since 2019).
"""

from __future__ import annotations

import re

from support.servers.in_process.threaded_server import error_document
from support.servers.proxies.http_front import PassOn

_EMPTY_RANGE = re.compile(r"bytes (\d+)-(\d+)/\d+")


class AzuriteRanges(PassOn):
    """See the module."""

    def repaired(self, status: int, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        given = {name.lower(): value for name, value in headers.items()}.get("content-range", "")
        found = _EMPTY_RANGE.fullmatch(given)
        if status == 206 and found is not None and int(found[1]) > int(found[2]):
            return 416, {"x-ms-error-code": "InvalidRange"}, error_document("InvalidRange")
        return status, headers, body
