"""`/docs`: the API's description and a page to read it on, whose every byte comes from this service.

Each file is made and compressed once, when it is first asked for. Nothing here depends on who asks.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import swagger_ui_bundle  # type: ignore[import-untyped]  # it is one path
from litestar.enums import ScopeType
from litestar.serialization import encode_json

from obscura_backup.entrypoints.http.messages.openapi import DOCS_PATH, is_docs
from obscura_backup.entrypoints.http.middleware.request_guard import refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from litestar.openapi.spec import OpenAPI
    from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

_JAVASCRIPT = "text/javascript; charset=utf-8"
_ASSETS = {
    "swagger-ui-bundle.js": _JAVASCRIPT,
    "swagger-ui-standalone-preset.js": _JAVASCRIPT,
    "swagger-ui.css": "text/css; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
# The library sets styles by itself, and holds images as data; scripts come from here, in files.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_KEPT = b"public, max-age=86400, immutable"
"""Of the library's files: they change with a release."""
_ASKED_AGAIN = b"no-cache"
"""Of what depends on the settings; by its tag it is not sent twice."""
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
# Without the last line the library asks a service elsewhere whether the description is valid.
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
    etag: bytes


@dataclass(frozen=True, slots=True)
class _File:
    plain: _Representation
    compressed: _Representation


class DocsApp:
    """Wraps the framework's application and serves GET of the files below `/docs`.

    Args:
        app: serves everything else.
        document: the API's description, complete when it is first asked for.
    """

    def __init__(self, app: ASGIApp, document: OpenAPI) -> None:
        self._app = app
        self._sources: Mapping[str, _Source] = {
            DOCS_PATH: _Source(_PAGE.encode, "text/html; charset=utf-8", _ASKED_AGAIN),
            f"{DOCS_PATH}/openapi.json": _Source(
                lambda: encode_json(document.to_schema()), "application/vnd.oai.openapi+json", _ASKED_AGAIN
            ),
            f"{DOCS_PATH}/assets/start.js": _Source(_START.encode, _JAVASCRIPT, _ASKED_AGAIN),
            **{
                f"{DOCS_PATH}/assets/{name}": _Source(_asset(name), media_type, _KEPT)
                for name, media_type in _ASSETS.items()
            },
        }
        self._files: dict[str, asyncio.Task[_File]] = {}

    @property
    def methods(self) -> dict[str, set[str]]:
        """By path, what may be asked of it."""
        return {path: {"GET"} for path in self._sources}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] != ScopeType.HTTP or scope["method"] != "GET" or not is_docs(scope["path"]):
            await self._app(scope, receive, send)
            return
        if scope["path"] not in self._sources:
            await refuse(send, 404, "not-found", "Not Found", close=False)
            return
        file = await self._file(scope["path"])
        chosen = file.compressed if _accepts_gzip(_values(scope, b"accept-encoding")) else file.plain
        known = {tag.strip().removeprefix(b"W/") for tag in _values(scope, b"if-none-match")}
        is_known = bool(known & {chosen.etag, b"*"})
        body = b"" if is_known else chosen.body
        headers = [*chosen.headers] if is_known else [*chosen.headers, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 304 if is_known else 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _file(self, path: str) -> _File:
        making = self._files.get(path)
        if making is None or (making.done() and making.exception()):
            # In a thread, since the largest takes a fifth of a second; one for all who ask meanwhile.
            making = self._files[path] = asyncio.create_task(asyncio.to_thread(_make, self._sources[path]))
        return await asyncio.shield(making)


def _make(source: _Source) -> _File:
    body = source.read()
    digest = hashlib.sha256(body).hexdigest()[:32].encode()
    plain = _representation(source, body, b'"%s"' % digest)
    packed = gzip.compress(body, mtime=0)
    if len(packed) >= len(body):
        return _File(plain, plain)
    return _File(plain, _representation(source, packed, b'"%s-gzip"' % digest, (b"content-encoding", b"gzip")))


def _representation(source: _Source, body: bytes, etag: bytes, *more: tuple[bytes, bytes]) -> _Representation:
    headers = (
        (b"content-type", source.media_type.encode()),
        (b"cache-control", source.cache_control),
        (b"etag", etag),
        (b"vary", b"Accept-Encoding"),
        (b"content-security-policy", _POLICY.encode()),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"no-referrer"),
        *more,
    )
    return _Representation(body, headers, etag)


def _asset(name: str) -> Callable[[], bytes]:
    return (Path(swagger_ui_bundle.swagger_ui_path) / name).read_bytes


def _values(scope: HTTPScope, header: bytes) -> list[bytes]:
    """The members of a list that a header holds, in one field or several."""
    whole = b",".join(value for name, value in scope["headers"] if name == header)
    return [member.strip() for member in whole.split(b",") if member.strip()]


def _accepts_gzip(codings: Iterable[bytes]) -> bool:
    """RFC 9110, 12.5.3: gzip by name or by `*`, unless its weight is 0."""
    weights = {}
    for coding in codings:
        name, _, weight = coding.lower().partition(b";")
        weights[name.strip()] = weight.strip().rstrip(b"0.") != b"q="
    return weights.get(b"gzip", weights.get(b"*", False))
