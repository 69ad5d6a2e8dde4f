"""What obstore really raises, against servers that fail in each way."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import obstore
import pytest
from obstore.store import S3Store

from obscura_backup.adapters.object_stores.failed_request import FailedRequest, Failure
from obscura_backup.adapters.object_stores.obstore_driver.errors import DRIVER_ERRORS, failed_request, object_size_in
from support.servers.programs.native import free_port
from support.table import table

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "backups/user"
LATE_SECONDS = 5.0
CREDENTIALS = {"access_key_id": "key", "secret_access_key": "secret", "token": None, "expires_at": None}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


def store_at(endpoint: str, *, connect_seconds: float = 60, read_seconds: float = 60, **more: Any) -> S3Store:
    return S3Store(
        "bucket",
        **{
            "endpoint": endpoint,
            "region": "us-east-1",
            "credential_provider": lambda: CREDENTIALS,
            "client_options": {
                "allow_http": True,
                "connect_timeout": timedelta(seconds=connect_seconds),
                "read_timeout": timedelta(seconds=read_seconds),
            },
            "retry_config": {"max_retries": 0, "retry_timeout": timedelta(0)},
            **more,
        },
    )


@contextmanager
def answering(*pieces: bytes, hold: bool = False, instead: list[bytes] | None = None) -> Iterator[str]:
    """The endpoint of a server that gives this answer to each request, and then hangs up or says nothing more.

    A test may change the answer that it gives as `instead`.
    """
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        asked = b""
                        while b"\r\n\r\n" not in asked and (piece := connection.recv(65536)):
                            asked += piece
                        for piece in instead or pieces:
                            connection.sendall(piece)
                        if hold:
                            done.wait(LATE_SECONDS)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            done.set()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


async def failure_of_put(store: S3Store) -> FailedRequest:
    with pytest.raises(DRIVER_ERRORS) as raised:
        await obstore.put_async(store, KEY, b"sealed", mode="create", use_multipart=False)
    return failed_request(raised.value, "PutObject")


def error_answer(status: str, code: str, more: str = "") -> bytes:
    body = f"<Error><Code>{code}</Code>{more}</Error>".encode() if code else b""
    return f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def test_status_and_code_of_an_answer() -> None:
    cases = [
        ("304 Not Modified", "", "304"),
        ("400 Bad Request", "BadDigest", "BadDigest"),
        ("401 Unauthorized", "Who", "Who"),
        ("403 Forbidden", "AccessDenied", "AccessDenied"),
        ("404 Not Found", "NoSuchBucket", "NoSuchBucket"),
        ("404 Not Found", "NoSuchKey", "NoSuchKey"),
        ("404 Not Found", "", "404"),
        ("409 Conflict", "ConditionalRequestConflict", "ConditionalRequestConflict"),
        ("412 Precondition Failed", "PreconditionFailed", "PreconditionFailed"),
        ("429 Too Many Requests", "", "429"),
        ("500 Internal Server Error", "InternalError", "InternalError"),
        ("501 Not Implemented", "NotImplemented", "NotImplemented"),
        ("503 Service Unavailable", "SlowDown", "SlowDown"),
    ]
    conditions: list[Any] = ["create", {"e_tag": '"a-tag"'}]
    answer = [b""]
    with answering(instead=answer) as endpoint:
        store = store_at(endpoint)
        for (status, sent_code, code), condition in itertools.product(cases, conditions):
            answer[0] = error_answer(status, sent_code)
            with pytest.raises(DRIVER_ERRORS) as raised:
                await obstore.put_async(store, KEY, b"x", mode=condition)
            failed = failed_request(raised.value, "PutObject")
            assert (failed.failure, failed.status, failed.code) == (Failure.ANSWERED, int(status[:3]), code)
            assert failed.operation == "PutObject"


async def test_redirect_without_a_place_is_an_answer() -> None:
    with answering(error_answer("301 Moved Permanently", "PermanentRedirect")) as endpoint:
        failed = await failure_of_put(store_at(endpoint))
    assert (failed.failure, failed.status, failed.code) == (Failure.ANSWERED, 301, "PermanentRedirect")


async def test_text_of_the_store_is_not_taken_for_the_librarys() -> None:
    """A store that talks of connections in its answer has still answered."""
    lie = "kind: Timeout, legacy::Error( Connect, External AWS credential provider"
    with answering(error_answer("400 Bad Request", "Liar", f"<Message>{lie}</Message>")) as endpoint:
        failed = await failure_of_put(store_at(endpoint))
    assert (failed.failure, failed.code) == (Failure.ANSWERED, "Liar")
    assert "Connect" not in f"{failed} {failed.detail}"
    assert failed.__cause__ is None


async def test_refused_connection_was_not_sent() -> None:
    failed = await failure_of_put(store_at(f"http://127.0.0.1:{free_port()}"))
    assert failed.failure is Failure.UNREACHABLE


async def test_unknown_host_was_not_sent() -> None:
    failed = await failure_of_put(store_at("http://store.invalid:9"))
    assert failed.failure is Failure.UNREACHABLE


async def test_slow_connection_was_not_sent() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        filling = [socket.socket() for _ in range(3)]  # none is accepted, and the queue is full
        for each in filling:
            each.settimeout(0)
            with suppress(BlockingIOError):
                each.connect(listening.getsockname())
        endpoint = f"http://127.0.0.1:{listening.getsockname()[1]}"
        failed = await failure_of_put(store_at(endpoint, connect_seconds=0.2))
        for each in filling:
            each.close()
    assert failed.failure is Failure.CONNECT_TIMEOUT


async def test_server_that_speaks_no_tls_may_have_got_nothing() -> None:
    with answering(hold=True) as endpoint:
        failed = await failure_of_put(store_at(endpoint.replace("http:", "https:"), connect_seconds=0.2))
    assert failed.failure in (Failure.UNREACHABLE, Failure.CONNECT_TIMEOUT)


async def test_request_without_credentials_was_not_sent() -> None:
    def fail() -> Any:
        raise RuntimeError("the text of a secret service")

    with answering(error_answer("200 OK", "")) as endpoint:
        failed = await failure_of_put(store_at(endpoint, credential_provider=fail))
    assert failed.failure is Failure.NO_CREDENTIALS
    assert "secret" not in str(failed)


@table("answer", [b"", b"HTTP/1.1 2", b'HTTP/1.1 200 OK\r\nETag: "a-tag"\r\nx-amz-meta-version: 1'])
async def test_connection_that_ends_without_a_whole_head_is_no_answer(answer: bytes) -> None:
    with answering(answer) as endpoint:
        failed = await failure_of_put(store_at(endpoint))
    assert failed.failure is Failure.NO_ANSWER


async def test_silence_is_no_answer_in_time() -> None:
    with answering(hold=True) as endpoint:
        failed = await failure_of_put(store_at(endpoint, read_seconds=0.2))
    assert failed.failure is Failure.READ_TIMEOUT


async def test_own_time_out_is_the_same() -> None:
    with answering(hold=True) as endpoint, pytest.raises(DRIVER_ERRORS) as raised:
        async with asyncio.timeout(0.2):
            await obstore.put_async(store_at(endpoint), KEY, b"x", mode="create")
    assert failed_request(raised.value, "PutObject").failure is Failure.READ_TIMEOUT


async def test_answer_without_a_tag_is_none_of_these() -> None:
    with answering(error_answer("200 OK", "")) as endpoint:
        failed = await failure_of_put(store_at(endpoint))
    assert failed.failure is Failure.OTHER


@table("hold", [False, True])
async def test_body_that_breaks_off_is_told(*, hold: bool) -> None:
    head = b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\nETag: "t"\r\nLast-Modified: Wed, 25 Nov 2026 00:00:00 GMT\r\n\r\n'
    with answering(head, b"half", hold=hold) as endpoint:
        result = await obstore.get_async(store_at(endpoint, read_seconds=1 if hold else 60), KEY)
        with pytest.raises(DRIVER_ERRORS) as raised:
            await anext(result.stream(min_chunk_size=9))
    failed = failed_request(raised.value, "GetObject")
    assert failed.failure is (Failure.READ_TIMEOUT if hold else Failure.CUT_ANSWER)


async def test_size_that_the_store_names_with_a_refused_range() -> None:
    size = "<ActualObjectSize>116</ActualObjectSize>"
    for more, found in ((size, 116), ("", None)):
        with answering(error_answer("416 Range Not Satisfiable", "InvalidRange", more)) as endpoint:
            with pytest.raises(DRIVER_ERRORS) as raised:
                await obstore.get_async(store_at(endpoint), KEY, options={"range": (900, 901)})
            assert object_size_in(raised.value) == found
            assert failed_request(raised.value, "GetObject").status == 416
