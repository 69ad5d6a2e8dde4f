"""Responses with a wrong length, and endless responses."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable

import pytest

from obscura_backup_client.errors import ClientError
from obscura_backup_client.sealing.errors import Damaged, NotABackup
from obscura_backup_client.sealing.sealed import DEFAULT_MAX_BLOB_BYTES
from obscura_backup_client.transport.errors import Unavailable, UnexpectedResponse
from support.client.devices import KEY
from support.client.hostile_server import EndlessReply, HostileServer
from support.client.known_state import KnownState, Phone, files, honest, require_nothing_from


def chunked(blob: bytes) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(blob), blob)


LENGTHS: dict[str, tuple[Callable[[bytes], bytes], type[ClientError]]] = {
    "a length that is too short": (lambda blob: honest(blob, 2, f"Content-Length: {len(blob) - 1}"), Damaged),
    "a length that is too long": (lambda blob: honest(blob, 2, f"Content-Length: {len(blob) + 1}"), Unavailable),
    "a negative length": (lambda blob: honest(blob, 2, "Content-Length: -1"), Unavailable),
    "a length that is no number": (lambda blob: honest(blob, 2, "Content-Length: 0x10"), Unavailable),
    "two lengths": (
        lambda blob: honest(blob, 2, f"Content-Length: {len(blob)}", "Content-Length: 5"),
        Unavailable,
    ),
    "a length beside chunks": (
        lambda blob: honest(chunked(blob), 2, "Transfer-Encoding: chunked", f"Content-Length: {len(blob)}"),
        Unavailable,
    ),
    "a coding that was not requested": (lambda blob: honest(blob, 2, "Transfer-Encoding: gzip, chunked"), Unavailable),
    "chunks that break off": (
        lambda blob: honest(chunked(blob)[:-200], 2, "Transfer-Encoding: chunked"),
        Unavailable,
    ),
    "no bytes at all": (lambda _: honest(b""), NotABackup),
}


@pytest.mark.parametrize("lie", LENGTHS)
def test_a_wrong_length_changes_nothing(phone: Phone, liar: HostileServer, truth: KnownState, lie: str) -> None:
    made, error = LENGTHS[lie]
    liar.replies["GET"] = made(truth.latest)
    require_nothing_from(phone(), error)


# --- without end ---

PIECE = bytes(64 * 1024)
ENDLESS: dict[str, tuple[EndlessReply, type[ClientError]]] = {
    "a body with a length": (EndlessReply(honest(b"", 2, "Content-Length: 1000000000000"), PIECE), UnexpectedResponse),
    "a body without a length": (
        EndlessReply(b'HTTP/1.1 200 OK\r\nETag: "2"\r\n\r\n', PIECE),
        UnexpectedResponse,
    ),
    "chunks": (
        EndlessReply(honest(b"", 2, "Transfer-Encoding: chunked"), b"10000\r\n" + PIECE + b"\r\n"),
        UnexpectedResponse,
    ),
    "one chunk": (
        EndlessReply(honest(b"ffffffffff\r\n", 2, "Transfer-Encoding: chunked"), PIECE),
        UnexpectedResponse,
    ),
    "lines of a head": (EndlessReply(b"HTTP/1.1 200 OK\r\n", b"X-Filler: " + b"x" * 500 + b"\r\n"), Unavailable),
    "one line of a head": (EndlessReply(b"HTTP/1.1 200 OK\r\nX: ", PIECE.replace(b"\0", b"x")), Unavailable),
    "interim answers": (EndlessReply(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100), Unavailable),
    "early hints": (EndlessReply(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 100), Unavailable),
    "trailers": (
        EndlessReply(honest(b"0\r\n", 2, "Transfer-Encoding: chunked"), b"X: " + b"x" * 500 + b"\r\n"),
        Unavailable,
    ),
    "an extension of a chunk": (
        EndlessReply(honest(b"5;", 2, "Transfer-Encoding: chunked"), b"x" * 1000),
        Unavailable,
    ),
}


@pytest.mark.parametrize("lie", ENDLESS)
def test_an_endless_response_takes_at_most_three_blobs_of_memory(phone: Phone, liar: HostileServer, lie: str) -> None:
    endless, error = ENDLESS[lie]
    liar.replies["GET"] = endless
    client = phone(attempts=1)
    before = files(client)
    tracemalloc.start()
    try:
        with pytest.raises(error) as raised:
            client.push(KEY)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert type(raised.value) is error
    assert peak_bytes < 3 * DEFAULT_MAX_BLOB_BYTES
    # The socket buffers of both sides are counted, too.
    assert endless.taken < 16 * DEFAULT_MAX_BLOB_BYTES
    assert files(client) == before


def test_a_compressed_response_is_not_decompressed(phone: Phone, liar: HostileServer) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    liar.replies["GET"] = honest(bomb, 2, "Content-Encoding: gzip")
    client = phone()
    tracemalloc.start()
    try:
        require_nothing_from(client, UnexpectedResponse)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 3 * DEFAULT_MAX_BLOB_BYTES
