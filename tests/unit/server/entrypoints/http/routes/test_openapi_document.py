"""The OpenAPI document names every route, every method, and every problem with its status."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from litestar.routes import ASGIRoute, HTTPRoute

import obscura_backup
from obscura_backup.domain import errors
from obscura_backup.domain.model import Limits
from obscura_backup.entrypoints.container import Container
from obscura_backup.entrypoints.http.app import create_litestar
from obscura_backup.entrypoints.http.messages import errors as http_errors
from obscura_backup.entrypoints.http.messages.problems import STATUSES, TYPE_PREFIX, Problem
from obscura_backup.entrypoints.http.route_table import ROUTES
from obscura_backup.entrypoints.http.routes.backup import HANDLERS
from obscura_backup.entrypoints.http.routes.docs import DocsApp, openapi_document
from obscura_backup.entrypoints.http.routes.service import ReadinessCheck
from obscura_backup.entrypoints.settings import load_settings
from support.table import table

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT: dict[str, Any] = json.loads(openapi_document(Limits(min_bytes=40, max_bytes=41)))
UPLOAD, DOWNLOAD, DESCRIBE, DELETE = (("/v1/backup", method) for method in ("post", "get", "head", "delete"))
CONFIG = ("/v1/config", "get")
BACKUP = {UPLOAD, DOWNLOAD, DESCRIBE, DELETE}
CHANGES = {UPLOAD, DELETE}

OPERATIONS_OF: dict[type[errors.ObscuraError], set[tuple[str, str]]] = {
    http_errors.ClientDisconnected: {UPLOAD},
    http_errors.MalformedHeader: CHANGES,
    http_errors.UploadTooSlow: {UPLOAD},
    http_errors.UnsupportedMediaType: {UPLOAD},
    http_errors.MisdirectedRequest: BACKUP,
    http_errors.PreconditionRequired: {DELETE},
    http_errors.TooManyRequests: {*BACKUP, CONFIG},
    errors.BlobTooSmall: {UPLOAD},
    errors.BlobTooLarge: {UPLOAD},
    errors.DigestMismatch: {UPLOAD},
    errors.Unauthenticated: BACKUP,
    errors.BackupNotFound: {DOWNLOAD, DESCRIBE, DELETE},
    errors.VersionMismatch: CHANGES,
    errors.RangeNotSatisfiable: {DOWNLOAD},
    errors.TooManyUploads: {UPLOAD},
    errors.TooManyDownloads: {DOWNLOAD},
    errors.BackupDamaged: BACKUP,
    errors.BackupLost: {DOWNLOAD, DESCRIBE},
    errors.Unavailable: BACKUP,
    errors.MetadataUnavailable: BACKUP,
    errors.BlobStoreUnavailable: BACKUP,
    errors.SlotBusy: BACKUP,
    errors.OutcomeUnknown: CHANGES,
}
"""Where each error can be the answer. `OutcomeUnknown` is also what the request guard calls an upload or a deletion
that the end of the service cut off after it began.
"""
OF_THE_GUARD = {"busy": {*BACKUP, CONFIG}, "stopping": {*BACKUP, CONFIG}}
NEVER_ANSWERED = {errors.ObscuraError, errors.PutRefused, errors.StoreUnusable}
OF_EVERY_PATH = {
    400: "bad-request",
    404: "not-found",
    405: "method-not-allowed",
    500: "internal-error",
    505: "http-version-not-supported",
}


def kinds(root: type[errors.ObscuraError] = errors.ObscuraError) -> Iterator[type[errors.ObscuraError]]:
    """All classes of errors that a handler can raise: those of the domain and of HTTP."""
    yield root
    for kind in root.__subclasses__():
        if kind.__module__ in (errors.__name__, http_errors.__name__):
            yield from kinds(kind)


def described(operation: tuple[str, str]) -> dict[str, set[str]]:
    """By status, the problems that the document names for an operation."""
    path, method = operation
    responses = DOCUMENT["paths"][path][method]["responses"]
    return {
        status: set(re.findall(r"`([a-z]+(?:-[a-z]+)*)`", str(_resolved(response)["description"])))
        for status, response in responses.items()
    }


def _resolved(response: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in response:
        found: dict[str, Any] = DOCUMENT["components"]["responses"][response["$ref"].rpartition("/")[2]]
        return found
    return response


def expected(operation: tuple[str, str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for kind, operations in OPERATIONS_OF.items():
        if operation in operations:
            status = next(status for known, status in STATUSES.items() if issubclass(kind, known))
            found.setdefault(str(status), set()).add(kind.code)
    for code, operations in OF_THE_GUARD.items():
        if operation in operations:
            found.setdefault("503", set()).add(code)
    return found


@table("operation", sorted({*BACKUP, CONFIG}))
def test_each_operation_names_its_problems_with_their_statuses(operation: tuple[str, str]) -> None:
    problems = {status: named for status, named in described(operation).items() if int(status) >= 400}
    other_words = {"outcome", "not-stored", "unknown", "size", "version"}
    assert {status: named - other_words for status, named in problems.items()} == expected(operation)


@table("operation", sorted({*BACKUP, CONFIG}))
def test_each_problem_has_an_example_that_its_description_names(operation: tuple[str, str]) -> None:
    path, method = operation
    named = described(operation)
    for status, response in DOCUMENT["paths"][path][method]["responses"].items():
        whole = _resolved(response)
        if int(status) >= 400 and "content" in whole:
            example = whole["content"]["application/problem+json"]["example"]
            problem = msgspec.convert(example, Problem)
            assert example["status"] == int(status)
            assert problem.type.removeprefix(TYPE_PREFIX) in named[status]
            assert ("outcome" in example) is (int(status) == 503 and operation in CHANGES)


def test_no_error_is_left_out() -> None:
    assert set(kinds()) == OPERATIONS_OF.keys() | NEVER_ANSWERED


@table(("status", "code"), OF_EVERY_PATH.items())
def test_problems_of_every_path_are_named_once_for_all(status: int, code: str) -> None:
    assert re.search(rf"\b{status}\s`{code}`", DOCUMENT["info"]["description"])


@pytest.mark.filterwarnings("ignore::litestar.exceptions.LitestarDeprecationWarning")  # of the next version
def test_each_route_and_method_is_described_and_served() -> None:
    settings = load_settings({"metadata_url": "memory:", "blobs_url": "memory:", "auth_secret": "s" * 32}, {})
    container = Container(settings=settings)
    readiness = ReadinessCheck(container.metadata(), container.blobs(), lambda: False, timeout_seconds=1)
    app = create_litestar(container, readiness)
    served = {
        (route.path, str(method))
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods
        if method != "OPTIONS"
    }
    served |= {(route.path, method) for route in app.routes if isinstance(route, ASGIRoute) for method in HANDLERS}
    assert served == {(route.path, method) for route in ROUTES.values() for method in route.methods}
    in_document = {(path, method.upper()) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert in_document == served


def test_limits_and_version_are_those_of_the_service() -> None:
    schema = DOCUMENT["paths"]["/v1/backup"]["post"]["requestBody"]["content"]["application/octet-stream"]["schema"]
    assert (schema["minLength"], schema["maxLength"]) == (40, 41)
    assert DOCUMENT["info"]["version"] == obscura_backup.__version__


def test_document_in_the_folder_of_documentation_is_the_one_in_the_package() -> None:
    packaged = Path(obscura_backup.__file__).parent / "entrypoints/http/routes/openapi.yaml"
    assert (Path(__file__).parents[6] / "docs/openapi.yaml").resolve() == packaged.resolve()


def test_pages_of_the_documentation_are_routes_of_their_own() -> None:
    async def app(*_: object) -> None:
        """Serve nothing."""

    docs = DocsApp(app, Limits(min_bytes=1, max_bytes=2))
    assert docs.routes.keys() >= {"/docs", "/docs/openapi.json"}
    assert not docs.routes.keys() & ROUTES.keys()
    assert {route.metrics_label for route in docs.routes.values()} == {"other"}
