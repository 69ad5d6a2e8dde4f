"""The OpenAPI description says of each operation what it takes and how it answers."""

from __future__ import annotations

from typing import Any

import pytest
from obscura_backup.entrypoints.http.messages.openapi import LimitedOperation, is_docs, state_limits

from obscura_backup import __version__
from obscura_backup.entrypoints.container import Container
from obscura_backup.entrypoints.http.app import create_litestar
from obscura_backup.entrypoints.http.limits.client_address import ClientAddress
from obscura_backup.entrypoints.http.middleware.rate_limits import RateLimits
from obscura_backup.entrypoints.http.server.shutdown import ShutdownState
from obscura_backup.entrypoints.settings import Settings

# Of the framework's next version.
pytestmark = pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")

BACKUP = "/v1/backup"
CONFIG = "/v1/config"
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
BYTES = {"type": "string", "contentMediaType": "application/octet-stream"}
OF_A_DOWNLOAD = {"ETag", "Last-Modified", "Repr-Digest"}
BOTH_OUTCOMES = ("`not-stored`", "`unknown`")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """As it is served, for blobs of 33 to 99 bytes."""
    settings = Settings(metadata_url="memory:", blobs_url="memory:", auth_secret="x" * 32, min_bytes=33, max_bytes=99)
    container = Container(settings=settings)
    app = create_litestar(container, ShutdownState(), RateLimits(0, 0, ClientAddress()))
    state_limits(app.openapi_schema, container.limits())
    return app.openapi_schema.to_schema()


def operation(document: dict[str, Any], path: str, method: str) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][path][method]
    return found


OPERATIONS = {
    (BACKUP, "post"): {200, 400, 401, 408, 409, 413, 415, 429, 503},
    (BACKUP, "get"): {200, 206, 304, 401, 404, 416, 429, 500, 503},
    (BACKUP, "head"): {200, 304, 401, 404, 429, 500, 503},
    (BACKUP, "delete"): {204, 400, 401, 404, 409, 428, 429, 503},
    (CONFIG, "get"): {200, 429, 503},
    ("/health/live", "get"): {200},
    ("/health/ready", "get"): {200, 503},
}


def test_these_operations_are_described_and_no_others(document: dict[str, Any]) -> None:
    found = {(path, method) for path, methods in document["paths"].items() for method in methods}
    assert found == set(OPERATIONS)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_each_status_of_an_operation_is_described(document: dict[str, Any], path: str, method: str) -> None:
    found = {int(status) for status in operation(document, path, method)["responses"]}
    assert found == OPERATIONS[path, method]


@pytest.mark.parametrize(
    ("path", "method"), [key for key in OPERATIONS if key[0].startswith("/v1") and key[1] != "head"]
)
def test_each_refusal_is_a_problem_document(document: dict[str, Any], path: str, method: str) -> None:
    for status, response in operation(document, path, method)["responses"].items():
        if int(status) >= 400:
            assert response["content"] == PROBLEM, status


def test_no_answer_to_head_has_content(document: dict[str, Any]) -> None:
    responses = operation(document, BACKUP, "head")["responses"]
    assert [status for status, response in responses.items() if "content" in response] == []


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("post", {200: {"ETag"}, 401: {"WWW-Authenticate"}, 409: {"ETag"}, 429: {"Retry-After"}, 503: {"Retry-After"}}),
        (
            "get",
            {
                200: OF_A_DOWNLOAD,
                206: OF_A_DOWNLOAD,
                304: {"ETag"},
                401: {"WWW-Authenticate"},
                429: {"Retry-After"},
                503: {"Retry-After"},
            },
        ),
        (
            "head",
            {
                200: OF_A_DOWNLOAD,
                304: {"ETag"},
                401: {"WWW-Authenticate"},
                429: {"Retry-After"},
                503: {"Retry-After"},
            },
        ),
        ("delete", {401: {"WWW-Authenticate"}, 409: {"ETag"}, 429: {"Retry-After"}, 503: {"Retry-After"}}),
    ],
)
def test_headers_of_each_answer(document: dict[str, Any], method: str, headers: dict[int, set[str]]) -> None:
    found = {
        int(status): set(response["headers"])
        for status, response in operation(document, BACKUP, method)["responses"].items()
        if response.get("headers")
    }
    assert found == headers


def test_every_header_of_an_answer_is_always_there(document: dict[str, Any]) -> None:
    fields = [
        (path, method, status, name)
        for path, method in OPERATIONS
        for status, response in operation(document, path, method)["responses"].items()
        for name, header in (response.get("headers") or {}).items()
        if header.get("required") is not True
    ]
    assert fields == []


def test_seconds_to_wait_are_at_least_one(document: dict[str, Any]) -> None:
    header = operation(document, CONFIG, "get")["responses"]["429"]["headers"]["Retry-After"]
    assert header["schema"] == {"type": "integer", "minimum": 1}


def test_tag_of_an_answer_is_a_version_in_quotes(document: dict[str, Any]) -> None:
    for method, status in (("post", "200"), ("post", "409"), ("get", "304"), ("delete", "409")):
        header = operation(document, BACKUP, method)["responses"][status]["headers"]["ETag"]
        assert header["schema"] == {"type": "string", "pattern": '^"[0-9]+"$'}


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("post", {"If-Match": False, "If-None-Match": False, "Content-Digest": False}),
        ("get", {"If-None-Match": False, "Range": False, "If-Range": False}),
        ("head", {"If-None-Match": False}),
        ("delete", {"If-Match": True}),
    ],
)
def test_header_that_an_operation_takes_is_required_or_not(
    document: dict[str, Any], method: str, parameters: dict[str, bool]
) -> None:
    found = operation(document, BACKUP, method)["parameters"]
    assert {each["name"]: each["required"] for each in found} == parameters
    assert {each["in"] for each in found} == {"header"}


@pytest.mark.parametrize("method", ["post", "delete"])
def test_version_to_replace_or_delete_has_a_pattern(document: dict[str, Any], method: str) -> None:
    parameter = operation(document, BACKUP, method)["parameters"][0]
    assert parameter["schema"]["pattern"] == r'^("(0|[1-9][0-9]{0,17})"|0|[1-9][0-9]{0,17})$'


def test_if_none_match_of_an_upload_is_a_star(document: dict[str, Any]) -> None:
    parameter = operation(document, BACKUP, "post")["parameters"][1]
    assert (parameter["name"], parameter["schema"]) == ("If-None-Match", {"type": "string", "enum": ["*"]})


@pytest.mark.parametrize("method", ["post", "delete"])
def test_a_503_to_a_change_says_what_outcome_means(document: dict[str, Any], method: str) -> None:
    description = operation(document, BACKUP, method)["responses"]["503"]["description"]
    assert all(outcome in description for outcome in BOTH_OUTCOMES)


@pytest.mark.parametrize(("path", "method"), [(BACKUP, "get"), (BACKUP, "head"), (CONFIG, "get")])
def test_a_503_to_a_question_has_no_outcome(document: dict[str, Any], path: str, method: str) -> None:
    assert operation(document, path, method)["responses"]["503"]["description"] == "Service Unavailable"


def test_a_body_is_bytes_within_the_limits_and_has_to_be_there(document: dict[str, Any]) -> None:
    assert operation(document, BACKUP, "post")["requestBody"] == {
        "content": {"application/octet-stream": {"schema": {**BYTES, "minLength": 33, "maxLength": 99}}},
        "required": True,
    }


@pytest.mark.parametrize("status", ["200", "206"])
def test_a_download_is_bytes(document: dict[str, Any], status: str) -> None:
    response = operation(document, BACKUP, "get")["responses"][status]
    assert response["content"] == {"application/octet-stream": {"schema": BYTES}}


def test_links_lead_from_an_upload_to_what_can_follow(document: dict[str, Any]) -> None:
    links = operation(document, BACKUP, "post")["responses"]["200"]["links"]
    version = {"header.If-Match": "$response.header.ETag"}
    assert {name: (link["operationId"], link["parameters"]) for name, link in links.items()} == {
        "download": ("V1BackupDownload", {}),
        "describe": ("V1BackupDescribe", {}),
        "replace": ("V1BackupUpload", version),
        "delete": ("V1BackupDelete", version),
    }
    identifiers = {operation(document, *key)["operationId"] for key in OPERATIONS}
    assert {link["operationId"] for link in links.values()} <= identifiers


def test_a_token_is_asked_for_where_the_backup_is_and_nowhere_else(document: dict[str, Any]) -> None:
    for path, method in OPERATIONS:
        is_asked_for = operation(document, path, method).get("security") == [{"bearer": []}]
        assert is_asked_for is (path == BACKUP)
    assert document["components"]["securitySchemes"] == {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }


def test_operations_have_a_group_and_a_description(document: dict[str, Any]) -> None:
    for path, method in OPERATIONS:
        found = operation(document, path, method)
        assert found["tags"] == ["backup" if path == BACKUP else "service"]
        assert found["description"]


def test_the_metrics_are_not_part_of_the_api(document: dict[str, Any]) -> None:
    assert "/metrics" not in document["paths"]


def test_the_description_names_the_service_and_its_release(document: dict[str, Any]) -> None:
    assert (document["info"]["title"], document["info"]["version"]) == ("Obscura Backup", __version__)


def test_an_operation_without_answers_describes_none() -> None:
    with pytest.raises(KeyError):
        LimitedOperation()._answer("200")


@pytest.mark.parametrize(
    ("path", "belongs"), [("/docs", True), ("/docs/", True), ("/docs/a/b", True), ("/docsy", False), ("/v1", False)]
)
def test_what_is_below_the_page_of_the_description(path: str, *, belongs: bool) -> None:
    assert is_docs(path) is belongs
