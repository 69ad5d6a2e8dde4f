"""What the HTTP API promises of downloads and deletions."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime

import pytest

from contracts.http_people import PersonFixture, blob
from support.servers.service import Person, Service, digest_field


class DownloadContract(PersonFixture):
    """GET and HEAD."""

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


class DeletionContract(PersonFixture):
    """DELETE."""

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
