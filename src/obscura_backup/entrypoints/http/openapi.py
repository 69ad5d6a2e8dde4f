"""The OpenAPI description, and a page to read it on whose every byte comes from this service."""

from __future__ import annotations

import http
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import swagger_ui_bundle  # type: ignore[import-untyped]  # it is one path
from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import (
    Components,
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    Parameter,
    RequestBody,
    Schema,
    SecurityScheme,
)

from obscura_backup import __version__
from obscura_backup.entrypoints.http.problems import MEDIA_TYPE, Problem

DOCS_PATH = "/docs"
_BEARER = "bearer"
_ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui-standalone-preset.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
_TEXT = Schema(type=OpenAPIType.STRING)
_BINARY = Schema(type=OpenAPIType.STRING, content_encoding="binary", content_media_type="application/octet-stream")


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """The problem documents that an operation may answer with."""
    return {
        status: ResponseSpec(
            Problem, generate_examples=False, description=http.HTTPStatus(status).phrase, media_type=MEDIA_TYPE
        )
        for status in statuses
    }


def without_body(*statuses: int) -> dict[int, ResponseSpec]:
    """The answers that say all in their status and headers, or in bytes that are no JSON."""
    return {status: ResponseSpec(None, description=http.HTTPStatus(status).phrase) for status in statuses}


def _header(name: str, text: str) -> Parameter:
    return Parameter(name=name, param_in="header", schema=_TEXT, description=text, required=False)


@dataclass
class _Authenticated(Operation):
    def __post_init__(self) -> None:
        self.security = [{_BEARER: []}]


@dataclass
class UploadOperation(_Authenticated):
    """POST: conditions, digest, and the blob as it is."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.parameters = [
            _header("If-Match", 'The version to replace: `"3"` or `3`; `0` or none at all for the first upload.'),
            _header("If-None-Match", "`*`: another way to say that this is the first upload."),
            _header("Content-Digest", "`sha-256=:…:` (RFC 9530), verified, and handed on to the store."),
        ]
        self.request_body = RequestBody(
            content={"application/octet-stream": OpenAPIMediaType(schema=_BINARY)}, required=True
        )


@dataclass
class DownloadOperation(_Authenticated):
    """GET: conditions and ranges."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.parameters = [
            _header("If-None-Match", "The version at hand; answered with 304 where it is still the newest."),
            _header("Range", "`bytes=…`, one range."),
            _header("If-Range", "The version that the range belongs to."),
        ]


@dataclass
class DescribeOperation(_Authenticated):
    """HEAD: conditions."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.parameters = [_header("If-None-Match", "As for GET.")]


@dataclass
class DeleteOperation(_Authenticated):
    """DELETE: the version is required."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.parameters = [
            Parameter(name="If-Match", param_in="header", schema=_TEXT, description="The version.", required=True)
        ]


def openapi_config() -> OpenAPIConfig:
    """Where the description and its page are served, and what stands above the operations."""
    return OpenAPIConfig(
        title="Obscura Backup",
        version=__version__,
        description=(
            "One opaque, end-to-end encrypted backup a user, with optimistic locking. The service stores bytes and "
            "knows nothing of what is in them."
        ),
        path=DOCS_PATH,
        components=Components(
            security_schemes={_BEARER: SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")}
        ),
        render_plugins=[
            SwaggerRenderPlugin(
                path="/",
                js_url=f"{DOCS_PATH}/assets/swagger-ui-bundle.js",
                css_url=f"{DOCS_PATH}/assets/swagger-ui.css",
                standalone_preset_js_url=f"{DOCS_PATH}/assets/swagger-ui-standalone-preset.js",
                favicon=f'<link rel="icon" type="image/png" href="{DOCS_PATH}/assets/favicon-32x32.png">',
            )
        ],
        use_handler_docstrings=True,
    )


@get(f"{DOCS_PATH}/assets/{{name:str}}", include_in_schema=False, sync_to_thread=False)
def docs_asset(name: str) -> Response[bytes]:
    """One of the page's four files, from the installed package; nothing else that a path could name."""
    media_type = _ASSETS.get(name)
    if media_type is None:
        raise NotFoundException
    headers = {"Cache-Control": "public, max-age=86400"}
    return Response(_asset(name), media_type=media_type, headers=headers)


@cache
def _asset(name: str) -> bytes:
    return (Path(swagger_ui_bundle.swagger_ui_path) / name).read_bytes()
