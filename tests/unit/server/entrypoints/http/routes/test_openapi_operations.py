"""The OpenAPI document states for each operation its token, headers, refusals and links."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from typing import Any

import pytest

from contracts import samples
from obscura_backup.domain.model import Limits
from obscura_backup.entrypoints.http.messages.errors import MalformedHeader
from obscura_backup.entrypoints.http.messages.headers import expected_version
from obscura_backup.entrypoints.http.messages.problems import problem
from obscura_backup.entrypoints.http.routes.docs import openapi_document
from support.servers.in_process.app import App
from support.table import table

BACKUP = "/v1/backup"


DOCUMENT: dict[str, Any] = json.loads(openapi_document(Limits(min_bytes=33, max_bytes=99)))


def resolved(node: Any) -> Any:
    """A part of the document with its references replaced by their targets, except those to schemas."""
    if isinstance(node, list):
        return [resolved(each) for each in node]
    if not isinstance(node, dict):
        return node
    _, _, kind, name = node.get("$ref", "#/components/schemas/").split("/")
    if kind != "schemas":
        return resolved(DOCUMENT["components"][kind][name])
    return {key: resolved(each) for key, each in node.items()}


OPERATIONS: dict[tuple[str, str], dict[str, Any]] = {
    (path, method): resolved(operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
RESPONSES = [
    (method, path, int(status), response)
    for (path, method), operation in OPERATIONS.items()
    for status, response in operation["responses"].items()
    if path.startswith("/v1")
]
REFUSAL_HEADERS = {
    401: {"WWW-Authenticate"},
    409: {"ETag"},
    416: {"Content-Range"},
    429: {"Retry-After"},
    503: {"Retry-After"},
}
DOWNLOAD_HEADERS = {"Accept-Ranges", "ETag", "Last-Modified", "Repr-Digest"}
OF_EVERY_ANSWER = {"x-request-id", "content-type", "content-length", "cache-control"}
"""For the HTTP library of a client, not for its author. OpenAPI has another place for the first."""


def test_refusal_is_a_problem_document_except_to_head() -> None:
    for method, path, status, response in RESPONSES:
        if method == "head":
            assert "content" not in response, (path, status)
        elif status >= 400:
            ((media_type, content),) = response["content"].items()
            assert (media_type, content["schema"]) == (
                "application/problem+json",
                {"$ref": "#/components/schemas/Problem"},
            ), (method, path, status)


def test_headers_of_a_refusal_follow_from_its_status() -> None:
    for method, path, status, response in RESPONSES:
        if status >= 400:
            told = set(response.get("headers", {}))
            assert told == REFUSAL_HEADERS.get(status, set()), (method, path, status)


def test_header_of_an_answer_is_always_there() -> None:
    for method, path, status, response in RESPONSES:
        assert all(header["required"] for header in response.get("headers", {}).values()), (method, path, status)


@table(
    ("method", "status", "headers"),
    [
        ("post", "200", {"ETag"}),
        ("get", "200", DOWNLOAD_HEADERS),
        ("get", "206", {*DOWNLOAD_HEADERS, "Content-Range"}),
        ("get", "304", {"ETag"}),
        ("head", "200", DOWNLOAD_HEADERS),
        ("head", "304", {"ETag"}),
    ],
)
def test_headers_of_a_success(method: str, status: str, headers: set[str]) -> None:
    assert set(OPERATIONS[BACKUP, method]["responses"][status]["headers"]) == headers


@pytest.fixture(scope="module")
def app() -> App:
    return App(min_bytes=1)


@pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")
@table(
    ("method", "headers", "status"),
    [
        ("POST", {"If-Match": '"1"'}, 200),
        ("POST", {"If-Match": '"9"'}, 409),
        ("GET", {}, 200),
        ("GET", {"Range": "bytes=1-2"}, 206),
        ("GET", {"If-None-Match": '"1"'}, 304),
        ("GET", {"Range": "bytes=99-"}, 416),
        ("GET", {"Authorization": "Bearer none"}, 401),
        ("HEAD", {}, 200),
        ("HEAD", {"If-None-Match": '"1"'}, 304),
        ("HEAD", {"Authorization": "Bearer none"}, 401),
        ("DELETE", {"If-Match": '"1"'}, 204),
        ("DELETE", {"If-Match": '"9"'}, 409),
    ],
)
async def test_headers_of_an_answer_are_the_described_ones(
    app: App, method: str, headers: dict[str, str], status: int
) -> None:
    user = samples.user()
    assert (await app.ask("POST", BACKUP, b"a backup", user=user)).status == 200
    answer = await app.ask(
        method,
        BACKUP,
        b"another" if method == "POST" else b"",
        headers={"Authorization": f"Bearer {app.token(user)}", **headers},
    )
    described = OPERATIONS[BACKUP, method.lower()]["responses"][str(status)].get("headers", {})
    assert (answer.status, set(answer.headers) - OF_EVERY_ANSWER) == (status, {name.lower() for name in described})
    for name, header in described.items():
        assert re.search(header["schema"].get("pattern", ""), answer.headers[name.lower()])


@table(
    ("method", "parameters"),
    [
        ("post", {"If-Match": False, "If-None-Match": False, "Content-Digest": False}),
        ("get", {"If-None-Match": False, "Range": False, "If-Range": False}),
        ("head", {"If-None-Match": False}),
        ("delete", {"If-Match": True}),
    ],
)
def test_only_a_deletion_requires_a_header(method: str, parameters: dict[str, bool]) -> None:
    found = OPERATIONS[BACKUP, method]["parameters"]
    assert {each["name"]: each.get("required", False) for each in found} == parameters
    assert {each["in"] for each in found} == {"header"}


def test_pattern_of_a_version_is_what_the_service_accepts() -> None:
    cases: list[tuple[str, bool]] = [
        ('"3"', True), ("3", True), ("0", True), ('"0"', True), ("9" * 18, True), ("9" * 19, False), ("03", False),
        ('"3', False), ('3"', False), ('W/"3"', False), ("*", False), ("", False), ("-1", False),
    ]  # fmt: skip
    for value, is_version in cases:
        pattern = DOCUMENT["components"]["schemas"]["VersionCondition"]["pattern"]
        assert (re.search(pattern, value) is not None) is is_version
        with nullcontext() if is_version else pytest.raises(MalformedHeader):
            expected_version([value], [])


@table(("method", "has_outcome"), [("post", True), ("delete", True), ("get", False), ("head", False)])
def test_503_explains_the_outcome_of_a_change(method: str, *, has_outcome: bool) -> None:
    description = OPERATIONS[BACKUP, method]["responses"]["503"]["description"]
    assert all((outcome in description) is has_outcome for outcome in ("`not-stored`", "`unknown`"))


def test_upload_needs_a_body_of_bytes_within_the_limits() -> None:
    bytes_of_a_backup = {"type": "string", "contentMediaType": "application/octet-stream", "minLength": 33}
    assert OPERATIONS[BACKUP, "post"]["requestBody"] == {
        "content": {"application/octet-stream": {"schema": {**bytes_of_a_backup, "maxLength": 99}}},
        "required": True,
    }


def test_links_lead_from_an_upload_to_operations_that_exist() -> None:
    links = OPERATIONS[BACKUP, "post"]["responses"]["200"]["links"]
    identifiers = {operation["operationId"] for operation in OPERATIONS.values()}
    assert {name for name, link in links.items() if link["operationId"] in identifiers} == {
        "download",
        "describe",
        "replace",
        "delete",
    }
    for name in ("replace", "delete"):
        assert links[name]["parameters"] == {"header.If-Match": "$response.header.ETag"}


@table(("path", "method"), OPERATIONS)
def test_backup_needs_a_token_and_nothing_else_does(path: str, method: str) -> None:
    operation = OPERATIONS[path, method]
    assert operation.get("security") == ([{"bearer": []}] if path == BACKUP else None)
    assert operation["tags"] == ["backup" if path == BACKUP else "service"]
    assert operation["description"]


def test_titles_of_the_examples_are_those_of_the_answers() -> None:
    """Also those that differ between versions of Python."""
    examples = [
        content["example"]
        for *_, response in RESPONSES
        for content in response.get("content", {}).values()
        if isinstance(content.get("example"), dict) and "title" in content["example"]
    ]
    assert {413, 416} <= {example["status"] for example in examples}
    for example in examples:
        answer = problem(example["status"], "detail", code="code")
        assert json.loads(answer.body)["title"] == example["title"]
