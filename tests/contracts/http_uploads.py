"""What the HTTP API promises of uploads."""

from __future__ import annotations

import base64
import hashlib
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from contracts.http_people import PersonFixture, blob
from support.servers.service import Person, Service, digest_field

MIB = 1024 * 1024


class UploadContract(PersonFixture):
    """POST."""

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
        head = person.post_head(f"Content-Length: {50 * MIB}\r\n\r\n")
        with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
            connection.sendall(head.encode())
            assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")

    def test_mismatch_is_refused_before_a_large_body_is_read(self, service: Service, person: Person) -> None:
        person.upload(blob())
        head = person.post_head(f"If-Match: 7\r\nContent-Length: {MIB}\r\n\r\n")
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
        head = person.post_head("Content-Length: 1000\r\n\r\n")
        with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
            connection.sendall(head.encode() + blob(500))
        assert person.download().status == 404
        assert person.upload(blob()).etag == '"1"'

    def test_expect_100_continue(self, service: Service, person: Person) -> None:
        head = person.post_head("Expect: 100-continue\r\nContent-Length: 100\r\n\r\n")
        with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
            connection.sendall(head.encode())
            assert connection.recv(4096).startswith(b"HTTP/1.1 100 ")
            connection.sendall(blob(100))
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")

    def test_mismatch_is_told_before_a_body_is_asked_for(self, service: Service, person: Person) -> None:
        person.upload(blob())
        head = person.post_head("If-Match: 9\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n")
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

    def test_transfer_coding_other_than_chunked(self, service: Service, person: Person) -> None:
        request = (
            f"POST /v1/backup HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {person.token}\r\n"
            f"Transfer-Encoding: gzip, chunked\r\n\r\n28\r\n{'x' * 40}\r\n0\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
            connection.sendall(request.encode())
            assert connection.recv(4096).startswith(b"HTTP/1.1 415 ")

    def test_body_behind_an_upgrade_is_refused(self, service: Service, person: Person) -> None:
        """As some clients send it in clear text when they prefer HTTP/2. A download is answered without it."""
        headers = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__"}
        body = blob(5000)
        assert person.upload(body).status == 200
        refused = service.request("POST", token=person.token, headers={**headers, "If-Match": "1"}, body=blob(6000))
        assert (refused.status, b"Upgrade" in refused.body) == (400, True)
        assert service.request("GET", token=person.token, headers=headers).body == body

    def test_of_uploads_at_once_one_is_accepted(self, person: Person) -> None:
        person.upload(blob())
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: person.upload(blob(5000), if_match="1"), range(8)))
        assert sorted(answer.status for answer in answers) == [200] + [409] * 7
        assert {answer.etag for answer in answers} == {'"2"'}

    def test_of_first_uploads_at_once_one_is_accepted(self, person: Person) -> None:
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: person.upload(blob(5000)), range(8)))
        assert sorted(answer.status for answer in answers) == [200] + [409] * 7
