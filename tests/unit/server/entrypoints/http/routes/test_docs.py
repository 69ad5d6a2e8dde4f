"""The files under `/docs`: their headers, compression and caching."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from obscura_backup.domain.model import Limits
from obscura_backup.entrypoints.http.routes import docs
from obscura_backup.entrypoints.http.routes.docs import DocsApp
from support.table import table

if TYPE_CHECKING:
    from litestar.types import Receive, Scope, Send

PATHS = [
    "/docs",
    "/docs/openapi.json",
    "/docs/assets/start.js",
    "/docs/assets/swagger-ui-bundle.js",
    "/docs/assets/swagger-ui-standalone-preset.js",
    "/docs/assets/swagger-ui.css",
    "/docs/assets/favicon-32x32.png",
]
SMALL = ["/docs", "/docs/openapi.json", "/docs/assets/start.js", "/docs/assets/favicon-32x32.png"]


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    messages: list[dict[str, Any]]


async def teapot(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 418, "headers": []})
    await send({"type": "http.response.body", "body": b"the application", "more_body": False})


def documented() -> DocsApp:
    return DocsApp(teapot, Limits(min_bytes=1, max_bytes=2))


async def ask(
    path: str, app: DocsApp | None = None, *, method: str = "GET", kind: str = "http", **headers: str
) -> Answer:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope: Any = {"type": kind, "method": method, "path": path, "headers": fields, "state": {}}
    await (app or documented())(scope, None, send)  # type: ignore[arg-type] # nothing is received
    return Answer(
        sent[0]["status"],
        {name.decode(): value.decode() for name, value in sent[0]["headers"]},
        b"".join(message["body"] for message in sent[1:]),
        sent,
    )


@table("path", SMALL)
async def test_file_is_sent_whole(path: str) -> None:
    answer = await ask(path)
    assert answer.status == 200
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.body
    assert answer.messages[-1]["more_body"] is False


async def test_routes_of_the_docs_serve_get_only() -> None:
    assert {path: route.methods for path, route in documented().routes.items()} == dict.fromkeys(PATHS, ("GET",))


@table(
    ("path", "method", "kind"),
    [("/docs", "POST", "http"), ("/v1/config", "GET", "http"), ("/docsy", "GET", "http"), ("/docs", "GET", "lifespan")],
)
async def test_other_requests_reach_the_application(path: str, method: str, kind: str) -> None:
    assert (await ask(path, method=method, kind=kind)).body == b"the application"


async def test_unknown_file_is_not_found_and_the_connection_stays_open() -> None:
    answer = await ask("/docs/assets/none.js")
    assert answer.status == 404
    assert b"urn:obscura-backup:problem:not-found" in answer.body
    assert "connection" not in answer.headers


@table("path", SMALL)
async def test_etag_is_the_first_128_bits_of_the_digest_of_the_file(path: str) -> None:
    answer = await ask(path)
    assert answer.headers["etag"] == f'"{hashlib.sha256(answer.body).hexdigest()[:32]}"'


async def test_compressed_file_has_its_own_etag_and_the_same_content() -> None:
    plain = await ask("/docs")
    packed = await ask("/docs", accept_encoding="gzip")
    assert packed.headers["etag"] == plain.headers["etag"][:-1] + '-gzip"'
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(packed.body) == plain.body
    assert packed.headers["content-length"] == str(len(packed.body))


async def test_compressed_file_holds_no_time() -> None:
    assert (await ask("/docs", accept_encoding="gzip")).body[4:8] == bytes(4), "the time of compression is in it"


async def test_file_that_compression_makes_longer_is_sent_uncompressed() -> None:
    plain = await ask("/docs/assets/favicon-32x32.png")
    packed = await ask("/docs/assets/favicon-32x32.png", accept_encoding="gzip")
    assert packed.headers == plain.headers
    assert packed.body == plain.body


@table(("size", "is_packed"), [(10, False), (1000, True)])
def test_file_that_compression_does_not_shorten_has_one_representation(size: int, *, is_packed: bool) -> None:
    made = docs._make(docs._Source(lambda: b"a" * size, "text/plain", b"no-cache"))
    assert (made.compressed is not made.plain) is is_packed


def test_file_of_equal_compressed_size_has_one_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gzip, "compress", lambda body, **_: body)
    made = docs._make(docs._Source(lambda: b"a" * 100, "text/plain", b"no-cache"))
    assert made.compressed is made.plain


async def test_file_is_compressed_if_the_client_accepts_gzip() -> None:
    cases: list[tuple[str, bool]] = [
        ("gzip", True),
        ("GZIP", True),
        ("br, gzip;q=0.8", True),
        ("*", True),
        ("gzip;q=0.001", True),
        ("gzip;q=1", True),
        ("gzip ; q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("gzip; q=0.0", False),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("*;q=0, gzip", True),
        ("br", False),
        ("identity", False),
        (" , ", False),
    ]
    for accepted, is_packed in cases:
        answer = await ask("/docs", accept_encoding=accepted)
        assert ("content-encoding" in answer.headers) is is_packed


@table("known", ["{tag}", "W/{tag}", '"another", {tag}', "*"])
async def test_known_file_is_not_sent_again(known: str) -> None:
    tag = (await ask("/docs")).headers["etag"]
    answer = await ask("/docs", if_none_match=known.format(tag=tag))
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["etag"] == tag
    assert "content-length" not in answer.headers


async def test_file_known_in_another_coding_is_sent() -> None:
    tag = (await ask("/docs", accept_encoding="gzip")).headers["etag"]
    assert (await ask("/docs", if_none_match=tag)).status == 200


@table(
    ("path", "media_type", "cache"),
    [
        ("/docs", "text/html; charset=utf-8", "no-cache"),
        ("/docs/openapi.json", "application/vnd.oai.openapi+json", "no-cache"),
        ("/docs/assets/start.js", "text/javascript; charset=utf-8", "no-cache"),
        ("/docs/assets/favicon-32x32.png", "image/png", "public, max-age=86400, immutable"),
    ],
)
async def test_type_and_age_of_a_file(path: str, media_type: str, cache: str) -> None:
    headers = (await ask(path)).headers
    assert (headers["content-type"], headers["cache-control"]) == (media_type, cache)
    assert headers["vary"] == "Accept-Encoding"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


async def test_concurrent_and_later_requests_share_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[docs._Source] = []
    make = docs._make

    def counted(source: docs._Source) -> docs._File:
        made.append(source)
        return make(source)

    monkeypatch.setattr(docs, "_make", counted)
    app = documented()
    await asyncio.gather(*(ask("/docs", app) for _ in range(20)))
    await ask("/docs", app)
    assert len(made) == 1


async def test_failed_file_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    make = docs._make

    def failing(_: docs._Source) -> docs._File:
        raise OSError("no such file")

    app = documented()
    monkeypatch.setattr(docs, "_make", failing)
    with pytest.raises(OSError, match="no such file"):
        await ask("/docs", app)
    monkeypatch.setattr(docs, "_make", make)
    assert (await ask("/docs", app)).status == 200


async def test_cancelled_request_does_not_cancel_the_file_for_others() -> None:
    app = documented()
    first, second = (asyncio.create_task(ask("/docs", app)) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).status == 200
