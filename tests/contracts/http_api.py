"""What the HTTP API promises, spoken over a real port. Run over every pair of stores by a `service` fixture."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from uuid import uuid4

import pytest

from servers.service import Person, Service, digest_field, signed

MIB = 1024 * 1024


def blob(size: int = 1000) -> bytes:
    return os.urandom(size)


class HttpContract:
    """The table of calls and refusals."""

    @pytest.fixture
    def person(self, service: Service) -> Person:
        return Person.of(service)

    # uploads

    def test_first_upload(self, person: Person) -> None:
        body = blob()
        answer = person.upload(body)
        assert (answer.status, answer.etag) == (200, '"1"')
        assert answer.json["version"] == 1
        assert answer.json["size"] == len(body)
        assert answer.json["sha256"] == hashlib.sha256(body).hexdigest()
        assert answer.json["updated_at"].endswith("Z")

    @pytest.mark.parametrize("headers", [{"If-Match": "0"}, {"If-Match": '"0"'}, {"If-None-Match": "*"}])
    def test_other_ways_to_say_first_upload(self, person: Person, headers: dict[str, str]) -> None:
        assert person.upload(blob(), **headers).etag == '"1"'
        refused = person.upload(blob(), **headers)
        assert (refused.status, refused.problem) == (409, "version-mismatch")

    @pytest.mark.parametrize("form", ["1", '"1"', ' "1" '])
    def test_update_with_the_version_in_either_form(self, person: Person, form: str) -> None:
        person.upload(blob())
        answer = person.upload(blob(), if_match=form)
        assert (answer.status, answer.etag) == (200, '"2"')

    @pytest.mark.parametrize("if_match", [None, "1", "3", '"99"', "0"])
    def test_mismatch_tells_the_current_version(self, person: Person, if_match: str | None) -> None:
        person.upload(blob())
        kept = blob()
        person.upload(kept, if_match="1")
        answer = person.upload(blob(), if_match=if_match)
        assert (answer.status, answer.problem, answer.etag) == (409, "version-mismatch", '"2"')
        assert answer.json["current_version"] == 2
        assert person.download().body == kept

    def test_update_of_nothing_is_a_mismatch(self, person: Person) -> None:
        answer = person.upload(blob(), if_match="4")
        assert (answer.status, answer.json["current_version"]) == (409, 0)

    @pytest.mark.parametrize(
        "if_match",
        ["*", 'W/"1"', '"1", "2"', "1,2", "one", "-1", "1.0", "01", '"1', "", "1" * 40, "0x1", "'1'", "1 2", "+1"],
    )
    def test_malformed_if_match(self, person: Person, if_match: str) -> None:
        kept = blob()
        person.upload(kept)
        answer = person.upload(blob(), if_match=if_match)
        assert (answer.status, answer.problem) == (400, "malformed-header")
        assert person.download().body == kept

    def test_two_if_match_headers(self, service: Service, person: Person) -> None:
        person.upload(blob())
        headers = [("If-Match", "1"), ("If-Match", "1")]
        answer = service.request("POST", token=person.token, headers=headers, body=blob())
        assert answer.status == 400

    @pytest.mark.parametrize("value", ['"1"', "1", "*, *"])
    def test_if_none_match_on_upload_takes_a_star_only(self, person: Person, value: str) -> None:
        assert person.upload(blob(), If_None_Match=value).status == 400

    def test_contradicting_conditions(self, person: Person) -> None:
        assert person.upload(blob(), if_match="1", If_None_Match="*").status == 400

    @pytest.mark.parametrize("size", [32, 33, 65_536, 65_537, MIB, 2 * MIB])
    def test_sizes_within_the_limits(self, person: Person, size: int) -> None:
        body = blob(size)
        assert person.upload(body).status == 200
        assert person.download().body == body

    @pytest.mark.parametrize("size", [0, 1, 31])
    def test_too_short(self, person: Person, size: int) -> None:
        kept = blob()
        person.upload(kept)
        answer = person.upload(blob(size), if_match="1")
        assert (answer.status, answer.problem, answer.json["min_bytes"]) == (400, "blob-too-small", 32)
        assert person.download().body == kept

    @pytest.mark.parametrize("size", [2 * MIB + 1, 3 * MIB])
    def test_too_long(self, person: Person, size: int) -> None:
        answer = person.upload(blob(size))
        assert (answer.status, answer.problem, answer.json["max_bytes"]) == (413, "blob-too-large", 2 * MIB)
        assert person.download().status == 404

    def test_too_long_is_refused_before_the_body_is_read(self, service: Service, person: Person) -> None:
        head = (
            f"POST /v1/backup HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {person.token}\r\n"
            f"Content-Length: {50 * MIB}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
            connection.sendall(head.encode())
            assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")

    def test_mismatch_is_refused_before_a_large_body_is_read(self, service: Service, person: Person) -> None:
        person.upload(blob())
        head = (
            f"POST /v1/backup HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {person.token}\r\n"
            f"If-Match: 7\r\nContent-Length: {MIB}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
            connection.sendall(head.encode())
            assert connection.recv(4096).startswith(b"HTTP/1.1 409 ")

    @pytest.mark.parametrize(
        ("pieces", "size", "status"), [(1, 100, 200), (40, 50_000, 200), (1, 31, 400), (50, 50_000, 413)]
    )
    def test_limits_hold_without_a_declared_length(
        self, service: Service, person: Person, pieces: int, size: int, status: int
    ) -> None:
        body = [blob(size) for _ in range(pieces)]
        try:
            answer = service.request("POST", token=person.token, body=iter(body))
        except (BrokenPipeError, ConnectionResetError):
            assert status == 413  # refused while it was still being sent
        else:
            assert answer.status == status
        assert person.download().body == b"".join(body) if status == 200 else person.download().status == 404

    @pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=x", "Multipart/Mixed"])
    def test_multipart_is_refused(self, person: Person, content_type: str) -> None:
        answer = person.upload(blob(), Content_Type=content_type)
        assert (answer.status, answer.problem) == (415, "unsupported-media-type")

    @pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip"])
    def test_content_coding_is_refused(self, person: Person, coding: str) -> None:
        assert person.upload(blob(), Content_Encoding=coding).status == 415

    @pytest.mark.parametrize("content_type", ["application/octet-stream", "application/json", "text/plain", ""])
    def test_any_other_type_will_do(self, person: Person, content_type: str) -> None:
        assert person.upload(blob(), Content_Type=content_type).status == 200

    def test_matching_digest(self, person: Person) -> None:
        body = blob()
        assert person.upload(body, Content_Digest=digest_field(body)).status == 200

    def test_other_digest_algorithms_are_passed_over(self, person: Person) -> None:
        body = blob()
        field = f"sha-512=:{base64.b64encode(bytes(64)).decode()}:, {digest_field(body)}"
        assert person.upload(body, Content_Digest=field).status == 200

    def test_digest_mismatch(self, person: Person) -> None:
        answer = person.upload(blob(), Content_Digest=digest_field(b"something else"))
        assert (answer.status, answer.problem) == (400, "digest-mismatch")
        assert person.download().status == 404

    @pytest.mark.parametrize("field", ["sha-256=abc", "sha-256=:abc:", "sha-256=:AAAA:", "sha-256=", "sha-256=::"])
    def test_malformed_digest(self, person: Person, field: str) -> None:
        answer = person.upload(blob(), Content_Digest=field)
        assert (answer.status, answer.problem) == (400, "malformed-header")

    def test_retry_after_a_lost_answer_is_stored_once(self, person: Person) -> None:
        first, second = blob(), blob()
        assert person.upload(first).etag == person.upload(first).etag == '"1"'
        assert person.upload(second, if_match="1").etag == person.upload(second, if_match="1").etag == '"2"'
        assert person.upload(second, if_match="2").etag == '"2"'

    def test_body_that_never_ends_is_stored_never(self, service: Service, person: Person) -> None:
        head = (
            f"POST /v1/backup HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {person.token}\r\n"
            "Content-Length: 1000\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
            connection.sendall(head.encode() + blob(500))
        assert person.download().status == 404
        assert person.upload(blob()).etag == '"1"'

    def test_expect_100_continue(self, service: Service, person: Person) -> None:
        head = (
            f"POST /v1/backup HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {person.token}\r\n"
            "Expect: 100-continue\r\nContent-Length: 100\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
            connection.sendall(head.encode())
            assert connection.recv(4096).startswith(b"HTTP/1.1 100 ")
            connection.sendall(blob(100))
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")

    def test_mismatch_is_told_before_a_body_is_asked_for(self, service: Service, person: Person) -> None:
        person.upload(blob())
        head = (
            f"POST /v1/backup HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {person.token}\r\n"
            "If-Match: 9\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
            connection.sendall(head.encode())
            assert connection.recv(4096).startswith(b"HTTP/1.1 409 ")

    @pytest.mark.parametrize(
        ("header", "value", "status"),
        [
            ("Content-Digest", f"sha-256=a{' ' * 20_000}a", 400),
            ("Content-Digest", "," * 20_000, 400),
            ("If-Match", " " * 20_000 + "x", 400),
            ("If-None-Match", "*" * 20_000, 400),
        ],
    )
    def test_long_nonsense_is_read_as_quickly_as_short(
        self, service: Service, person: Person, header: str, value: str, status: int
    ) -> None:
        answer = service.request("POST", token=person.token, headers={header: value}, body=blob(), timeout_seconds=2)
        assert answer.status == status

    def test_long_range_is_passed_over_quickly(self, service: Service, person: Person) -> None:
        person.upload(blob())
        headers = {"Range": f"bytes={' ' * 25_000}x"}
        answer = service.request("GET", token=person.token, headers=headers, timeout_seconds=2)
        assert answer.status == 200

    def test_field_in_a_trailer_counts_for_nothing(self, service: Service, person: Person) -> None:
        request = (
            "POST /v1/backup HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            f"28\r\n{'x' * 40}\r\n0\r\nAuthorization: Bearer {person.token}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
            connection.sendall(request.encode())
            assert connection.recv(4096).startswith(b"HTTP/1.1 401 ")
        assert person.download().status == 404

    def test_transfer_coding_other_than_chunked(self, service: Service, person: Person) -> None:
        request = (
            f"POST /v1/backup HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {person.token}\r\n"
            f"Transfer-Encoding: gzip, chunked\r\n\r\n28\r\n{'x' * 40}\r\n0\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
            connection.sendall(request.encode())
            assert connection.recv(4096).startswith(b"HTTP/1.1 415 ")

    def test_client_that_asks_for_an_upgrade(self, service: Service, person: Person) -> None:
        """As curl and others do in clear text when they would like to speak HTTP/2."""
        headers = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__"}
        body = blob(5000)
        assert service.request("POST", token=person.token, headers=headers, body=body).status == 200
        assert person.download().body == body

    def test_of_uploads_at_once_one_is_accepted(self, person: Person) -> None:
        person.upload(blob())
        with ThreadPoolExecutor(12) as threads:
            answers = list(threads.map(lambda _: person.upload(blob(5000), if_match="1"), range(12)))
        assert sorted(answer.status for answer in answers) == [200] + [409] * 11
        assert {answer.etag for answer in answers} == {'"2"'}

    def test_of_first_uploads_at_once_one_is_accepted(self, person: Person) -> None:
        with ThreadPoolExecutor(12) as threads:
            answers = list(threads.map(lambda _: person.upload(blob(5000)), range(12)))
        assert sorted(answer.status for answer in answers) == [200] + [409] * 11

    # downloads

    def test_download(self, person: Person) -> None:
        body = blob(100_000)
        stored = person.upload(body)
        answer = person.download()
        assert (answer.status, answer.body, answer.etag) == (200, body, '"1"')
        assert answer.headers["content-length"] == "100000"
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["repr-digest"] == digest_field(body)
        assert answer.headers["cache-control"] == "private, no-store"
        assert answer.headers["accept-ranges"] == "bytes"
        modified = parsedate_to_datetime(answer.headers["last-modified"]).strftime("%Y-%m-%dT%H:%M:%S")
        assert stored.json["updated_at"].startswith(modified)

    def test_nothing_to_download(self, person: Person) -> None:
        answer = person.download()
        assert (answer.status, answer.problem) == (404, "backup-not-found")

    def test_answers_are_never_compressed(self, person: Person) -> None:
        body = bytes(100_000)
        person.upload(body)
        answer = person.download(Accept_Encoding="gzip, br, zstd")
        assert "content-encoding" not in answer.headers
        assert answer.body == body

    def test_users_do_not_see_each_other(self, service: Service, person: Person) -> None:
        person.upload(blob())
        assert Person.of(service).download().status == 404

    @pytest.mark.parametrize("value", ['"1"', "1", 'W/"1"', '"7", "1"', "*"])
    def test_not_modified(self, person: Person, value: str) -> None:
        person.upload(blob())
        answer = person.download(If_None_Match=value)
        assert (answer.status, answer.body, answer.etag) == (304, b"", '"1"')
        assert person.describe(If_None_Match=value).status == 304

    @pytest.mark.parametrize("value", ['"2"', "0", "nonsense", '"1'])
    def test_modified(self, person: Person, value: str) -> None:
        body = blob()
        person.upload(body)
        assert person.download(If_None_Match=value).body == body

    @pytest.mark.parametrize(
        ("field", "part", "content_range"),
        [
            ("bytes=0-0", slice(0, 1), "bytes 0-0/1000"),
            ("bytes=10-19", slice(10, 20), "bytes 10-19/1000"),
            ("bytes=990-", slice(990, None), "bytes 990-999/1000"),
            ("bytes=990-5000", slice(990, None), "bytes 990-999/1000"),
            ("bytes=-5", slice(-5, None), "bytes 995-999/1000"),
            ("bytes=-5000", slice(0, None), "bytes 0-999/1000"),
            ("Bytes=1-2", slice(1, 3), "bytes 1-2/1000"),
        ],
    )
    def test_range(self, person: Person, field: str, part: slice, content_range: str) -> None:
        body = blob(1000)
        person.upload(body)
        answer = person.download(Range=field)
        assert (answer.status, answer.body) == (206, body[part])
        assert answer.headers["content-range"] == content_range
        assert answer.headers["content-length"] == str(len(body[part]))
        assert answer.headers["repr-digest"] == digest_field(body)

    @pytest.mark.parametrize("field", ["bytes=1000-", "bytes=5000-6000", "bytes=-0"])
    def test_range_that_cannot_be_satisfied(self, person: Person, field: str) -> None:
        person.upload(blob(1000))
        answer = person.download(Range=field)
        assert (answer.status, answer.problem) == (416, "range-not-satisfiable")
        assert answer.headers["content-range"] == "bytes */1000"

    @pytest.mark.parametrize("field", ["bytes=5-2", "lines=1-2", "bytes=a-b", "bytes=1-2,4-5", "bytes", "bytes=-"])
    def test_range_that_is_passed_over(self, person: Person, field: str) -> None:
        body = blob(1000)
        person.upload(body)
        answer = person.download(Range=field)
        assert (answer.status, answer.body) == (200, body)

    def test_range_if_still_the_same(self, person: Person) -> None:
        body = blob(1000)
        person.upload(body)
        modified = person.describe().headers["last-modified"]
        for validator in ('"1"', modified):
            answer = person.download(Range="bytes=0-9", If_Range=validator)
            assert (answer.status, answer.body) == (206, body[:10])

    @pytest.mark.parametrize("validator", ['"2"', 'W/"1"', "Sun, 06 Nov 1994 08:49:37 GMT"])
    def test_whole_if_not_the_same(self, person: Person, validator: str) -> None:
        body = blob(1000)
        person.upload(body)
        answer = person.download(Range="bytes=0-9", If_Range=validator)
        assert (answer.status, answer.body) == (200, body)

    def test_not_modified_comes_before_range(self, person: Person) -> None:
        person.upload(blob(1000))
        assert person.download(Range="bytes=5000-", If_None_Match='"1"').status == 304

    def test_head_says_what_get_says(self, person: Person) -> None:
        person.upload(blob(100_000))
        described, downloaded = person.describe(), person.download()
        assert (described.status, described.body) == (200, b"")
        for name in ("etag", "content-length", "repr-digest", "last-modified", "content-type", "cache-control"):
            assert described.headers[name] == downloaded.headers[name]

    def test_head_of_nothing(self, person: Person) -> None:
        answer = person.describe()
        assert (answer.status, answer.body) == (404, b"")

    # deletions

    def test_delete(self, person: Person) -> None:
        person.upload(blob())
        assert person.delete(if_match='"1"').status == 204
        assert person.download().status == person.describe().status == 404

    def test_delete_again(self, person: Person) -> None:
        person.upload(blob())
        assert [person.delete(if_match="1").status for _ in range(3)] == [204, 204, 204]

    def test_delete_of_what_never_was(self, person: Person) -> None:
        answer = person.delete(if_match="1")
        assert (answer.status, answer.problem) == (404, "backup-not-found")

    def test_delete_needs_a_version(self, person: Person) -> None:
        person.upload(blob())
        answer = person.delete()
        assert (answer.status, answer.problem) == (428, "precondition-required")
        assert person.download().status == 200

    def test_delete_of_another_version(self, person: Person) -> None:
        person.upload(blob())
        person.upload(blob(), if_match="1")
        answer = person.delete(if_match="1")
        assert (answer.status, answer.json["current_version"]) == (409, 2)
        assert person.download().status == 200

    @pytest.mark.parametrize("if_match", ["*", 'W/"1"', "1,2"])
    def test_delete_with_a_malformed_version(self, person: Person, if_match: str) -> None:
        person.upload(blob())
        assert person.delete(if_match=if_match).status == 400

    @pytest.mark.parametrize("if_match", [None, "0", "2", '"2"'])
    def test_upload_after_a_deletion_goes_on_counting(self, person: Person, if_match: str | None) -> None:
        person.upload(blob())
        person.delete(if_match="1")
        body = blob()
        answer = person.upload(body, if_match=if_match)
        assert (answer.status, answer.etag) == (200, '"3"')
        assert person.download().body == body

    def test_late_retry_does_not_bring_a_deleted_backup_back(self, person: Person) -> None:
        person.upload(blob())
        late = blob()
        person.upload(late, if_match="1")
        person.delete(if_match="2")
        assert person.upload(late, if_match="1").status == 409
        assert person.download().status == 404

    def test_range_does_not_tell_that_there_is_a_tombstone(self, person: Person) -> None:
        person.upload(blob())
        person.delete(if_match="1")
        for field in ("bytes=0-3", "bytes=100-", "bytes=-4"):
            assert person.download(Range=field).status == 404

    # who is asking

    @pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
    def test_token_is_needed(self, service: Service, method: str) -> None:
        answer = service.request(method, token=None, body=blob() if method == "POST" else None)
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")

    @pytest.mark.parametrize(
        "authorization", ["", "Bearer", "Bearer ", "Basic dTpw", "Bearer x.y.z", "Bearer a b", "Token abc", "bearer"]
    )
    def test_no_proper_bearer_token(self, service: Service, authorization: str) -> None:
        answer = service.request("GET", token=None, headers={"Authorization": authorization})
        assert (answer.status, answer.problem) == (401, "unauthenticated")

    def test_bearer_in_any_case(self, service: Service, person: Person) -> None:
        answer = service.request("GET", token=None, headers={"Authorization": f"bEARER {person.token}"})
        assert answer.status == 404

    def test_two_tokens(self, service: Service, person: Person) -> None:
        headers = [("Authorization", f"Bearer {person.token}")]
        assert service.request("GET", token=person.token, headers=headers).status == 401

    @pytest.mark.parametrize(
        "claims",
        [
            {},
            {"exp": -10},
            {"exp": 3600, "nbf": 1800},
            {"exp": 3600, "sub": "alice"},
            {"exp": 3600, "sub": 7},
            {"exp": 3600, "sub": "00112233445566778899aabbccddeeff"},
            {"exp": 3600, "sub": None},
        ],
    )
    def test_token_with_bad_claims(self, service: Service, claims: dict[str, object]) -> None:
        now = int(time.time())
        whole: dict[str, object] = {"sub": str(uuid4()), **claims}
        for name in ("exp", "nbf"):
            if isinstance(offset := whole.get(name), int):
                whole[name] = now + offset
        if whole["sub"] is None:
            del whole["sub"]
        answer = service.request("GET", token=signed(whole) if whole.get("sub") != 7 else _hand_made(whole))
        assert (answer.status, answer.problem) == (401, "unauthenticated")
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]

    def test_token_of_another_secret(self, service: Service) -> None:
        claims = {"sub": str(uuid4()), "exp": int(time.time()) + 60}
        answer = service.request("GET", token=signed(claims, secret="some other secret of 32 bytes or more"))
        assert answer.status == 401

    @pytest.mark.parametrize("algorithm", ["none", "HS512"])
    def test_algorithm_is_the_keys_not_the_tokens(self, service: Service, algorithm: str) -> None:
        claims = {"sub": str(uuid4()), "exp": int(time.time()) + 60}
        if algorithm == "none":
            head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
            token = f"{head}.{signed(claims).split('.')[1]}."
        else:
            token = signed(claims, secret="x" * 64, algorithm=algorithm)
        assert service.request("GET", token=token).status == 401

    def test_token_by_the_command(self, service: Service) -> None:
        user_id = uuid4()
        token = service.token(user_id, "--ttl", "90s")
        assert service.request("POST", token=token, body=blob()).status == 200
        same = Person(service, user_id, signed({"sub": str(user_id).upper(), "exp": int(time.time()) + 60}))
        assert same.download().status == 200

    def test_refusal_quotes_no_token(self, service: Service) -> None:
        token = signed({"sub": "nobody", "exp": int(time.time()) + 60})
        assert token.encode() not in service.request("GET", token=token).body

    # the rest

    def test_config(self, service: Service) -> None:
        answer = service.request("GET", "/v1/config", token=None)
        assert answer.status == 200
        assert (answer.json["min_bytes"], answer.json["max_bytes"]) == (32, 2 * MIB)

    def test_health(self, service: Service) -> None:
        assert service.request("GET", "/health/live", token=None).status == 200
        ready = service.request("GET", "/health/ready", token=None)
        assert (ready.status, ready.json) == (200, {"status": "ok", "metadata": "ok", "blobs": "ok"})

    def test_metrics_count_and_name_no_user(self, service: Service, person: Person) -> None:
        person.upload(blob())
        answer = service.request("GET", "/metrics", token=None)
        assert b'obscura_backup_requests_total{method="POST",route="/v1/backup",status="200"}' in answer.body
        assert str(person.user_id).encode() not in answer.body

    def test_metrics_have_no_label_that_a_stranger_makes_up(self, service: Service) -> None:
        service.request("GET", "/made/up", token=None)
        service.request("BREW", "/v1/config", token=None)
        answer = service.request("GET", "/metrics", token=None)
        assert b"made/up" not in answer.body
        assert b"BREW" not in answer.body

    @pytest.mark.parametrize("path", ["/v1/config", "/health/live", "/health/ready"])
    def test_head_of_what_probes_look_at(self, service: Service, path: str) -> None:
        answer = service.request("HEAD", path, token=None)
        assert (answer.status, answer.body) == (200, b"")

    @pytest.mark.parametrize("name", ["%00", "../app.py", "a" * 5000, "swagger-ui.js.map", ""])
    def test_docs_serve_their_own_files_alone(self, service: Service, name: str) -> None:
        assert service.request("GET", f"/docs/assets/{name}", token=None).status == 404

    def test_docs_load_nothing_from_elsewhere(self, service: Service) -> None:
        page = service.request("GET", "/docs", token=None)
        assert page.status == 200
        assert b"http://" not in page.body.replace(b"http://www.w3.org", b"")
        assert b"https://" not in page.body
        for asset in ("swagger-ui-bundle.js", "swagger-ui.css"):
            assert asset.encode() in page.body
            assert service.request("GET", f"/docs/assets/{asset}", token=None).status == 200

    def test_openapi_names_every_call(self, service: Service) -> None:
        document = service.request("GET", "/docs/openapi.json", token=None).json
        assert set(document["paths"]["/v1/backup"]) == {"get", "head", "post", "delete"}
        assert {"/v1/config", "/health/live", "/health/ready"} <= set(document["paths"])
        assert "409" in document["paths"]["/v1/backup"]["post"]["responses"]

    def test_unknown_path(self, service: Service) -> None:
        answer = service.request("GET", "/v2/backup", token=None)
        assert (answer.status, answer.problem) == (404, "not-found")

    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    def test_unknown_method(self, service: Service, person: Person, method: str) -> None:
        answer = service.request(method, token=person.token, body=blob())
        assert (answer.status, answer.problem) == (405, "method-not-allowed")
        assert "POST" in answer.headers["allow"]

    def test_head_of_a_request_is_bounded(self, service: Service) -> None:
        with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
            connection.sendall(b"GET /v1/backup HTTP/1.1\r\nX-Long: ")
            status = b""
            try:
                for _ in range(100):
                    connection.sendall(b"x" * 4096)
                status = connection.recv(100)
            except (BrokenPipeError, ConnectionResetError):
                status = status or b"HTTP/1.1 431 "
            assert status.startswith(b"HTTP/1.1 431 ")

    @pytest.mark.parametrize("junk", [b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"NONSENSE / HTTP/9.9\r\n\r\n"])
    def test_what_is_no_http_is_sent_away(self, service: Service, junk: bytes) -> None:
        with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
            connection.sendall(junk + b"\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 400 ")

    def test_connection_is_kept_for_many_requests(self, service: Service, person: Person) -> None:
        import http.client  # noqa: PLC0415  # the one test that keeps a connection

        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
        headers = {"Authorization": f"Bearer {person.token}"}
        local_ports = set()
        for _ in range(5):
            connection.request("GET", "/v1/backup", headers=headers)
            connection.getresponse().read()
            local_ports.add(connection.sock.getsockname()[1])
        connection.close()
        assert len(local_ports) == 1

    def test_readers_and_a_writer_see_whole_versions(self, person: Person) -> None:
        bodies = {f'"{version}"': bytes([version]) * 200_000 for version in range(1, 9)}
        person.upload(bodies['"1"'])
        done = threading.Event()

        def read() -> None:
            newest = 0
            while not done.is_set():
                answer = person.download()
                assert answer.body == bodies[answer.etag]
                version = int(answer.etag.strip('"'))
                assert version >= newest
                newest = version

        with ThreadPoolExecutor(3) as threads:
            readers = [threads.submit(read) for _ in range(3)]
            for version in range(2, 9):
                assert person.upload(bodies[f'"{version}"'], if_match=str(version - 1)).status == 200
            done.set()
            for reader in readers:
                reader.result()


def _hand_made(claims: dict[str, object]) -> str:
    """A token with a `sub` that the library would refuse to sign."""
    import hmac  # noqa: PLC0415  # for one case
    import json  # noqa: PLC0415

    from servers.service import SECRET  # noqa: PLC0415

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    signing_input = f"{part(json.dumps({'alg': 'HS256'}).encode())}.{part(json.dumps(claims).encode())}"
    return f"{signing_input}.{part(hmac.digest(SECRET.encode(), signing_input.encode(), 'sha256'))}"
