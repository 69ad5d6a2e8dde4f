"""The OpenAPI description; `docs.py` serves it."""

from __future__ import annotations

import http
from dataclasses import dataclass
from typing import TYPE_CHECKING

from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import (
    Components,
    Link,
    OpenAPI,
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Parameter,
    Reference,
    RequestBody,
    Schema,
    SecurityScheme,
)

from obscura_backup import __version__
from obscura_backup.entrypoints.http.messages.problems import MEDIA_TYPE, Problem

if TYPE_CHECKING:
    from obscura_backup.domain.model import Limits

DOCS_PATH = "/docs"
_BEARER = "bearer"
_OCTETS = "application/octet-stream"
_TEXT = Schema(type=OpenAPIType.STRING)
_BINARY = Schema(type=OpenAPIType.STRING, content_media_type=_OCTETS)
_VERSION = r'^("(0|[1-9][0-9]{0,17})"|0|[1-9][0-9]{0,17})$'
_TAG = OpenAPIHeader(
    schema=Schema(type=OpenAPIType.STRING, pattern=r'^"[0-9]+"$'), required=True, description="The version, in quotes."
)
_CURRENT = OpenAPIHeader(
    schema=Schema(type=OpenAPIType.STRING, pattern=r'^"[0-9]+"$'), required=True, description="The current version."
)
_DATE = OpenAPIHeader(schema=_TEXT, required=True, description="When this version was accepted.")
_SHA256 = OpenAPIHeader(schema=_TEXT, required=True, description="`sha-256=:…:` of the whole (RFC 9530).")
_WAIT = OpenAPIHeader(
    schema=Schema(type=OpenAPIType.INTEGER, minimum=1), required=True, description="Seconds until it is worth trying."
)
_CHALLENGE = OpenAPIHeader(schema=_TEXT, required=True, description="`Bearer`, and what is wrong with the token.")
_OUTCOME = (
    "Service Unavailable. `outcome` says whether this request can have changed anything: "
    "`not-stored` (it has not, and is not going to) or `unknown`."
)
_HEADERS: dict[str, dict[str, OpenAPIHeader | Reference]] = {
    "401": {"WWW-Authenticate": _CHALLENGE},
    "429": {"Retry-After": _WAIT},
    "503": {"Retry-After": _WAIT},
}


def is_docs(path: str) -> bool:
    """Whether a path is that of the description's page or below it."""
    return path == DOCS_PATH or path.startswith(f"{DOCS_PATH}/")


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


def _header(name: str, text: str, *, pattern: str | None = None, required: bool = False) -> Parameter:
    schema = Schema(type=OpenAPIType.STRING, pattern=pattern)
    return Parameter(name=name, param_in="header", schema=schema, description=text, required=required)


def _link(operation_id: str, text: str, **parameters: str) -> Link:
    named = {f"header.{name.replace('_', '-')}": value for name, value in parameters.items()}
    return Link(operation_id=operation_id, description=text, parameters=dict(named))


_STORED_VERSION = "$response.header.ETag"


@dataclass
class LimitedOperation(Operation):
    """What may be asked too often, or of a service that is too busy."""

    def __post_init__(self) -> None:
        for status, response in (self.responses or {}).items():
            if status in _HEADERS and isinstance(response, OpenAPIResponse):
                response.headers = {**(response.headers or {}), **_HEADERS[status]}

    def _answer(self, status: str) -> OpenAPIResponse:
        response = (self.responses or {})[status]
        if not isinstance(response, OpenAPIResponse):
            raise TypeError(f"the answer {status} is described elsewhere")
        return response


@dataclass
class _Authenticated(LimitedOperation):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.security = [{_BEARER: []}]


@dataclass
class UploadOperation(_Authenticated):
    """POST: conditions, digest, and the blob as it is."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.parameters = [
            _header(
                "If-Match",
                'The version to replace: `"3"` or `3`; `0` or none at all for the first upload.',
                pattern=_VERSION,
            ),
            Parameter(
                name="If-None-Match",
                param_in="header",
                schema=Schema(type=OpenAPIType.STRING, enum=["*"]),
                description="`*`: another way to say that this is the first upload.",
                required=False,
            ),
            _header("Content-Digest", "`sha-256=:…:` (RFC 9530) is verified; other algorithms are passed over."),
        ]
        self.request_body = RequestBody(content={_OCTETS: OpenAPIMediaType(schema=_BINARY)}, required=True)
        stored = self._answer("200")
        stored.headers = {"ETag": _TAG}
        stored.links = {
            "download": _link("V1BackupDownload", "What was stored."),
            "describe": _link("V1BackupDescribe", "What was stored, without its bytes."),
            "replace": _link("V1BackupUpload", "The version after it.", If_Match=_STORED_VERSION),
            "delete": _link("V1BackupDelete", "Its deletion.", If_Match=_STORED_VERSION),
        }
        self._answer("409").headers = {"ETag": _CURRENT}
        self._answer("503").description = _OUTCOME


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
        for status in ("200", "206"):
            self._answer(status).headers = {"ETag": _TAG, "Last-Modified": _DATE, "Repr-Digest": _SHA256}
            self._answer(status).content = {_OCTETS: OpenAPIMediaType(schema=_BINARY)}
        self._answer("304").headers = {"ETag": _TAG}


@dataclass
class DescribeOperation(_Authenticated):
    """HEAD: conditions."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.parameters = [_header("If-None-Match", "As for GET.")]
        self._answer("200").headers = {"ETag": _TAG, "Last-Modified": _DATE, "Repr-Digest": _SHA256}
        for response in (self.responses or {}).values():
            if isinstance(response, OpenAPIResponse):
                response.content = None
        self._answer("304").headers = {"ETag": _TAG}


@dataclass
class DeleteOperation(_Authenticated):
    """DELETE: the version is required."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.parameters = [_header("If-Match", "The version to delete.", pattern=_VERSION, required=True)]
        self._answer("409").headers = {"ETag": _CURRENT}
        self._answer("503").description = _OUTCOME


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
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        use_handler_docstrings=True,
    )


def state_limits(document: OpenAPI, limits: Limits) -> None:
    """Write into the description how long a blob may be here."""
    path = (document.paths or {})["/v1/backup"]
    upload = path.post
    if upload is None or not isinstance(upload.request_body, RequestBody):
        raise TypeError("an upload has a body")
    upload.request_body.content[_OCTETS].schema = Schema(
        type=OpenAPIType.STRING,
        content_media_type=_OCTETS,
        min_length=limits.min_bytes,
        max_length=limits.max_bytes,
    )
