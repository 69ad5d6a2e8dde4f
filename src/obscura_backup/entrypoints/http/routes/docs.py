"""`/docs`: the OpenAPI document, and a page that shows it. Nothing is loaded from another server.

Each file is made and compressed once, on the first request. No answer depends on the caller.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import swagger_ui_bundle  # type: ignore[import-untyped]  # its only content is a path
from litestar.enums import ScopeType

from obscura_backup import __version__
from obscura_backup.entrypoints.http.messages.problems import problem
from obscura_backup.entrypoints.http.request_state import RequestState
from obscura_backup.entrypoints.http.route_table import BACKUP, DOCS_PATH, Route, is_docs, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from litestar.types import ASGIApp, Receive, Scope, Send

    from obscura_backup.domain.model import Limits

_OPENAPI = Path(__file__).with_name("openapi.yaml")
_JAVASCRIPT = "text/javascript; charset=utf-8"
_ASSETS = {
    "swagger-ui-bundle.js": _JAVASCRIPT,
    "swagger-ui-standalone-preset.js": _JAVASCRIPT,
    "swagger-ui.css": "text/css; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
# Swagger UI sets inline styles and uses data: images. Scripts are files of this service.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_CACHED = b"public, max-age=86400, immutable"
"""For the files of Swagger UI, which change with a release only."""
_REVALIDATED = b"no-cache"
"""For files that depend on the settings; the ETag saves sending them again."""
_PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Obscura Backup</title>
<link rel="icon" type="image/png" href="{DOCS_PATH}/assets/favicon-32x32.png">
<link rel="stylesheet" href="{DOCS_PATH}/assets/swagger-ui.css">
<script defer src="{DOCS_PATH}/assets/swagger-ui-bundle.js"></script>
<script defer src="{DOCS_PATH}/assets/swagger-ui-standalone-preset.js"></script>
<script defer src="{DOCS_PATH}/assets/start.js"></script>
</head>
<body>
<div id="page"></div>
</body>
</html>
"""
# With a validatorUrl, Swagger UI would send the document to a validator on another server.
_START = f"""SwaggerUIBundle({{
  url: "{DOCS_PATH}/openapi.json",
  dom_id: "#page",
  deepLinking: true,
  showExtensions: true,
  showCommonExtensions: true,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset],
  validatorUrl: null,
}});
"""


@dataclass(frozen=True, slots=True)
class _Source:
    read: Callable[[], bytes]
    media_type: str
    cache_control: bytes


@dataclass(frozen=True, slots=True)
class _Representation:
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    etag: str


@dataclass(frozen=True, slots=True)
class _File:
    plain: _Representation
    compressed: _Representation


class DocsApp:
    """Serves GET of the files under `/docs`, and passes every other request on.

    Args:
        app: the application behind.
        limits: of this service, for the OpenAPI document.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._sources: Mapping[str, _Source] = {
            DOCS_PATH: _Source(_PAGE.encode, "text/html; charset=utf-8", _REVALIDATED),
            f"{DOCS_PATH}/openapi.json": _Source(
                lambda: openapi_document(limits), "application/vnd.oai.openapi+json", _REVALIDATED
            ),
            f"{DOCS_PATH}/assets/start.js": _Source(_START.encode, _JAVASCRIPT, _REVALIDATED),
            **{
                f"{DOCS_PATH}/assets/{name}": _Source(_asset(name), media_type, _CACHED)
                for name, media_type in _ASSETS.items()
            },
        }
        self._files: dict[str, asyncio.Task[_File]] = {}

    @property
    def routes(self) -> Mapping[str, Route]:
        """The paths that are served here."""
        return table(Route(path, ("GET",)) for path in self._sources)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on."""
        if scope["type"] != ScopeType.HTTP or scope["method"] != "GET" or not is_docs(scope["path"]):
            await self._app(scope, receive, send)
            return
        if scope["path"] not in self._sources:
            await problem(404, "Not Found").send(send)
            return
        file = await self._file(scope["path"])
        state = RequestState.of(scope)
        chosen = file.compressed if _accepts_gzip(_members(state, b"accept-encoding")) else file.plain
        known = {tag.removeprefix("W/") for tag in _members(state, b"if-none-match")}
        is_known = bool(known & {chosen.etag, "*"})
        body = b"" if is_known else chosen.body
        headers = [*chosen.headers] if is_known else [*chosen.headers, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 304 if is_known else 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _file(self, path: str) -> _File:
        making = self._files.get(path)
        if making is None or (making.done() and making.exception()):
            # In a thread, since the largest file takes 0.2 s; requests that arrive meanwhile share it.
            making = self._files[path] = asyncio.create_task(asyncio.to_thread(_make, self._sources[path]))
        return await asyncio.shield(making)


def openapi_document(limits: Limits) -> bytes:
    """The OpenAPI document of this service, as JSON: `openapi.yaml` with the version and the limits filled in."""
    document = msgspec.yaml.decode(_OPENAPI.read_bytes())
    document["info"]["version"] = __version__
    body = document["paths"][BACKUP.path]["post"]["requestBody"]["content"]["application/octet-stream"]
    body["schema"] |= {"minLength": limits.min_bytes, "maxLength": limits.max_bytes}
    return msgspec.json.encode(document)


def _make(source: _Source) -> _File:
    body = source.read()
    digest = hashlib.sha256(body).hexdigest()[:32]
    plain = _representation(source, body, f'"{digest}"')
    packed = gzip.compress(body, mtime=0)
    if len(packed) >= len(body):
        return _File(plain, plain)
    return _File(plain, _representation(source, packed, f'"{digest}-gzip"', (b"content-encoding", b"gzip")))


def _representation(source: _Source, body: bytes, etag: str, *more: tuple[bytes, bytes]) -> _Representation:
    headers = (
        (b"content-type", source.media_type.encode()),
        (b"cache-control", source.cache_control),
        (b"etag", etag.encode()),
        (b"vary", b"Accept-Encoding"),
        (b"content-security-policy", _POLICY.encode()),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"no-referrer"),
        *more,
    )
    return _Representation(body, headers, etag)


def _asset(name: str) -> Callable[[], bytes]:
    return (Path(swagger_ui_bundle.swagger_ui_path) / name).read_bytes


def _members(state: RequestState, header: bytes) -> list[str]:
    """The members of a list in one or several headers of this name."""
    return [member.strip() for member in ",".join(state.values(header)).split(",") if member.strip()]


def _accepts_gzip(codings: Iterable[str]) -> bool:
    """RFC 9110, 12.5.3: gzip by name or by `*`, unless its weight is 0."""
    weights = {}
    for coding in codings:
        name, _, weight = coding.lower().partition(";")
        weights[name.strip()] = weight.strip().rstrip("0.") != "q="
    return weights.get("gzip", weights.get("*", False))
