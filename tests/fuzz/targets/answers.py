"""What a server may answer, a token may claim and an address may say: read as meant, or refused by a TransportError."""

from __future__ import annotations

import base64
import ipaddress
import json
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from uuid import UUID

from urllib3.util import parse_url

from fuzz.choices import Choices
from obscura_backup_client.content.model import MAX_INTEGER
from obscura_backup_client.transport.address import normalize_address
from obscura_backup_client.transport.bearer_token import user_id_of
from obscura_backup_client.transport.errors import (
    BackupLost,
    ServerRefused,
    TokenUnusable,
    TransportError,
    UnexpectedResponse,
    VersionMismatch,
)
from obscura_backup_client.transport.exchange import exchange
from obscura_backup_client.transport.responses import (
    NoResponseError,
    Response,
    body_length,
    error_for,
    make_response,
    parse_count,
    problem_code,
    problem_max_bytes,
    repr_sha256,
    require_version,
    retry_after_seconds,
)
from obscura_backup_client.transport.retries import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES: Final = 2048
_NOW: Final = datetime(2026, 9, 21, 12, tzinfo=UTC)
_STATUSES: Final = (400, 401, 404, 408, 409, 412, 413, 429, 500, 503, 302, 200, 206, 599)
_HEADERS: Final = ("etag", "retry-after", "location", "content-type", "repr-digest")
_USER: Final = "00112233-4455-6677-8899-aabbccddeeff"
_VALUES: Final = (
    ('"7"', "120", "https://other.example/v1", "application/problem+json", f"sha-256=:{'A' * 43}=:"),
    ('W/"0"', "Wed, 21 Sep 2026 12:00:30 GMT", "//[::1", "text/html", "md5=:x:, sha-256=::"),
    ('"9007199254740993"', "Fri, 31 Dec 9999 23:59:59 -2359", "/", "", f"sha-512=:x:,sha-256=:{'/' * 43}=:"),
)
_BODIES: Final = (
    '{"type":"urn:obscura:problem:backup-lost","current_version":3,"detail":"x"}',
    '{"type":"https://x/problems/version-mismatch/","current_version":true}',
    '{"type":5,"max_bytes":"2097152","detail":["x"],"current_version":1e999}',
    "[" * 1500,
)
_METHODS: Final = ("GET", "HEAD", "POST")
_LONGEST: Final = 1000
_WHOLE: Final = (
    b'HTTP/1.1 200 OK\r\nETag: "7"\r\nContent-Length: 5\r\n\r\nbytes',
    b"HTTP/1.1 103 Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 204 Gone\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nbytes\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nX: a\r\n b\r\n\r\nbytes without a length",
    b"HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
)
_ADDRESSES: Final = (
    "https://backup.example/", "http://localhost:8400/a/", "http://127.0.0.1", "http://[::1]:8400", "https://B\xdccher.example:443",
    "http://127.1/", "http://evil.example#@localhost/", "https://user:pass@h/", "http://localhost\\@evil.example", "https://h:0?",
    "http://[::1%25eth0]/", "https://xn--bcher-kva.example/%2e%2e/;a=b", "http://localhost.:80//x", "HTTPS://[::ffff:1.2.3.4]/",
)  # fmt: skip


def seeds() -> Iterator[bytes]:
    """Answers of each status, tokens, addresses."""
    for number, _ in enumerate(_STATUSES):
        head = bytes([0, number])
        yield head + "\n".join([*_VALUES[number % 3], _BODIES[number % 4]]).encode()
    claims: object
    for claims in ({"sub": _USER}, {"sub": 5}, [], {"sub": _USER.upper().replace("-", "")}):
        yield b"\1x." + base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=") + b".y"
    yield b"\1" + b"x." + b"W" * 400 + b".y"
    yield from (bytes([2, index % 2]) + each.encode() for index, each in enumerate(_ADDRESSES))
    for named in (
        "Content-Length:7",
        "content-length:7\nContent-Length:07",
        "transfer-encoding:Chunked\nETag:1\netag:2",
    ):
        yield b"\4" + named.encode()
    yield from (bytes([5, index % 3, index]) + each for index, each in enumerate(_WHOLE))
    yield from (b"\3" + each for each in (b"7", b"999999999999999", b"1e5", b" 1", b"\xd9\xa1"))


def check(data: bytes) -> None:
    """See the module."""
    choices = Choices(data)
    way = choices.below(6)
    if way == 0:
        _check_answer(choices)
    elif way == 1:
        _check_token(choices.rest().decode("utf-8", "surrogateescape"))
    elif way == 2:
        insecure = choices.flag()
        _check_address(choices.rest().decode("utf-8", "surrogateescape"), insecure=insecure)
    elif way == 4:
        _check_head(choices.rest().decode("latin-1"))
    elif way == 5:
        _check_bytes(choices.pick(_METHODS), 1 + choices.below(64), choices.rest())
    else:
        text = choices.rest().decode("utf-8", "replace")
        count = parse_count(text)
        assert count is None or (text.isascii() and text.isdigit() and count == int(text) < 10**15)


def _check_answer(choices: Choices) -> None:
    status = choices.pick(_STATUSES)
    *values, body = choices.rest().split(b"\n", len(_HEADERS))
    headers = {name: value.decode("latin-1") for name, value in zip(_HEADERS, values, strict=False)}
    answer = Response(status, headers, body)
    error = error_for(answer, _NOW)
    assert isinstance(error, TransportError)
    assert len(str(error)) < 1000 + len(answer.header("location"))
    if isinstance(error, VersionMismatch):
        assert type(error.current_version) is int
        assert 0 <= error.current_version <= MAX_INTEGER
    if isinstance(error, BackupLost):
        assert error.version is None or (type(error.version) is int and 1 <= error.version <= MAX_INTEGER)
    assert isinstance(problem_code(answer), str)
    seconds, digest, most = retry_after_seconds(answer, _NOW), repr_sha256(answer), problem_max_bytes(answer)
    assert seconds is None or (seconds >= 0 and math.isfinite(seconds))
    assert digest is None or len(digest) == 32
    assert most is None or (type(most) is int and 0 <= most <= MAX_INTEGER)
    try:
        version = require_version(answer)
    except UnexpectedResponse:
        return
    assert 1 <= version <= MAX_INTEGER
    assert answer.header("etag").removeprefix("W/") == f'"{version}"'


def _check_head(text: str) -> None:
    headers = [(name, value) for name, _, value in (line.partition(":") for line in text.split("\n"))]
    answer = make_response(200, headers, b"")
    for name, value in headers:
        assert value in answer.header(name)
    lengths = {value for name, value in headers if name.lower() == "content-length"}
    codings = [value for name, value in headers if name.lower() == "transfer-encoding"]
    try:
        length = body_length(headers)
    except NoResponseError:
        assert lengths or codings, "nothing was said of a length, and it was refused"
        return
    assert length is None or (len(lengths) == 1 and int(next(iter(lengths))) == length and not codings)


def _check_bytes(method: str, piece_bytes: int, received: bytes) -> None:
    """Read one answer whole and in pieces: where both are answers, they are the same one."""
    whole, pieces = (_read(method, size, received) for size in (8192, piece_bytes))
    assert whole is None or pieces is None or whole == pieces, "the pieces that an answer came in change it"
    for answer in filter(None, (whole, pieces)):
        assert 200 <= answer.status <= 999
        assert len(answer.body) <= _LONGEST
        for name, value in answer.headers.items():
            assert name.isascii()
            assert not any(each < " " and each != "\t" for each in name + value)


def _read(method: str, piece_bytes: int, received: bytes) -> Response | None:
    steps = exchange(
        Request(method, "/v1/backup", {}, max_response_bytes=_LONGEST), "http://127.0.0.1", lambda *_: None
    )
    pieces = (received[at : at + piece_bytes] for at in range(0, len(received), piece_bytes))
    try:
        wanted = next(steps)
        for _ in range(4 * MAX_BYTES):
            wanted = steps.send(next(pieces, b"") if wanted is None else b"")
    except StopIteration as end:
        found: Response = end.value
        return found
    except (NoResponseError, UnexpectedResponse):
        return None
    raise AssertionError("reading does not end")


def _check_token(token: str) -> None:
    try:
        user_id = user_id_of(token)
    except TokenUnusable as refused:
        assert len(token) < 8 or token not in str(refused), "the token is quoted"
        return
    assert isinstance(user_id, UUID)
    assert token.isascii()
    assert not any(each.isspace() for each in token)


def _check_address(url: str, *, insecure: bool) -> None:
    try:
        address = normalize_address(url, allow_insecure_http=insecure)
    except ServerRefused as refused:
        str(refused).encode()
        return
    assert "@" not in urlsplit(url).netloc, "credentials were dropped without a word"
    parts, read = urlsplit(address), parse_url(address)
    assert parts.scheme in ("http", "https")
    assert parts.hostname
    assert read.host is not None
    assert (read.scheme, read.host.strip("[]"), read.port) == (parts.scheme, parts.hostname, parts.port)
    assert read.auth is parts.username is parts.password is None, "credentials are in it"
    assert not any([parts.query, parts.fragment, read.query, read.fragment])
    assert address.isprintable()
    assert insecure or parts.scheme == "https" or _is_this_machine(parts.hostname), "http to another machine"
    assert normalize_address(address, allow_insecure_http=insecure) == address, "the normal form is not final"


def _is_this_machine(host: str) -> bool:
    return host == "localhost" or ipaddress.ip_address(host).is_loopback
