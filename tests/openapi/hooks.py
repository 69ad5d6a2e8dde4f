"""What an OpenAPI document cannot say about two fields at once, for the requests that are meant to be valid."""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis import Case, HookContext


@schemathesis.hook
def map_case(context: HookContext, case: Case[Any]) -> Case[Any]:
    """`If-None-Match: *` says that there is nothing yet, which contradicts any version in If-Match but 0."""
    headers = case.headers
    if headers and case.method == "POST" and headers.get("If-None-Match") == "*" and "If-Match" in headers:
        del headers["If-None-Match"]
    return case
