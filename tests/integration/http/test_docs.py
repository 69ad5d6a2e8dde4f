"""The pages under `/docs`: compressed, cacheable, harmless in a browser, counted apart, and off on request."""

from __future__ import annotations

import gzip
import itertools
import re
from typing import TYPE_CHECKING

import pytest

from obscura_backup.entrypoints.http.middleware.rate_limits import DOCS_PER_MINUTE
from support.servers.service import Person, Service

if TYPE_CHECKING:
    from support.servers.service import Answer

NUMBERS = itertools.count(1)
BUNDLE = "/docs/assets/swagger-ui-bundle.js"
PATHS = [
    "/docs",
    "/docs/openapi.json",
    "/docs/assets/start.js",
    BUNDLE,
    "/docs/assets/swagger-ui-standalone-preset.js",
    "/docs/assets/swagger-ui.css",
    "/docs/assets/favicon-32x32.png",
]


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """Behind a proxy, so that each test has an address of its own."""
    return {"OBSCURA_BACKUP_TRUSTED_PROXIES": "127.0.0.1"}


@pytest.fixture
def ask(service: Service) -> Asker:
    return Asker(service, f"198.51.100.{next(NUMBERS)}")


class Asker:
    def __init__(self, service: Service, address: str) -> None:
        self._service = service
        self._address = address

    def __call__(self, path: str, token: str | None = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._service.request("GET", path, token=token, headers={"X-Forwarded-For": self._address, **named})


@pytest.mark.parametrize("path", PATHS)
def test_browser_may_neither_frame_nor_guess_nor_load_from_elsewhere(ask: Asker, path: str) -> None:
    answer = ask(path)
    assert answer.status == 200
    policy = answer.headers["content-security-policy"]
    assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= set(policy.split("; "))
    assert "http" not in policy
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_page_needs_no_script_that_its_policy_forbids(ask: Asker) -> None:
    page = ask("/docs").body.decode()
    assert re.findall(r"<script(?! defer src=\"/docs/assets/[a-z.-]+\"></script>)", page) == []
    assert re.search(r"\son\w+=", page) is None
    for path in re.findall(r"(?:src|href)=\"([^\"]+)\"", page):
        assert ask(path).status == 200


@pytest.mark.parametrize("path", PATHS[:-1])
def test_file_is_compressed_for_those_who_take_it(ask: Asker, path: str) -> None:
    plain, packed = ask(path), ask(path, Accept_Encoding="br, gzip;q=0.8")
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"
    assert plain.headers["etag"] != packed.headers["etag"]


@pytest.mark.parametrize(
    "accepted", ["", "br", "gzip;q=0", "gzip; q=0.000", "*;q=0", "identity", "xgzip", "gzip;q=0, *"]
)
def test_file_is_not_compressed_for_those_who_do_not(ask: Asker, accepted: str) -> None:
    assert "content-encoding" not in ask(BUNDLE, Accept_Encoding=accepted).headers


@pytest.mark.parametrize("accepted", ["gzip", "GZIP", "*", "br;q=1.0, gzip;q=0.1", "identity;q=0, gzip ; q=1"])
def test_ways_to_accept(ask: Asker, accepted: str) -> None:
    assert ask(BUNDLE, Accept_Encoding=accepted).headers["content-encoding"] == "gzip"


@pytest.mark.parametrize("path", PATHS)
def test_file_is_not_sent_twice(ask: Asker, path: str) -> None:
    for coding in ("gzip", "identity"):
        first = ask(path, Accept_Encoding=coding)
        for known in (first.etag, f"W/{first.etag}", f'"other", {first.etag}', "*"):
            again = ask(path, Accept_Encoding=coding, If_None_Match=known)
            assert (again.status, again.body, again.etag) == (304, b"", first.etag)
            assert again.headers["cache-control"] == first.headers["cache-control"]
        assert ask(path, Accept_Encoding=coding, If_None_Match='"other"').status == 200


def test_files_of_the_library_are_kept_by_browsers(ask: Asker) -> None:
    assert ask(BUNDLE).headers["cache-control"] == "public, max-age=86400, immutable"
    assert ask("/docs/openapi.json").headers["cache-control"] == "no-cache"


def test_description_is_counted_apart(service: Service, ask: Asker) -> None:
    """A token does not raise the limit, and a client over the limit is still served everything else."""
    person = Person.of(service)
    tokens = (None, person.token)
    statuses = [ask(PATHS[number % 7], tokens[number % 2]).status for number in range(DOCS_PER_MINUTE)]
    assert set(statuses) == {200}
    for path, token in ((BUNDLE, None), ("/docs/openapi.json", person.token), ("/docs/none", None)):
        assert any(ask(path, token).status == 429 for _ in range(DOCS_PER_MINUTE)), "it fills up by one a second"
    assert ask("/v1/config").status == 200
    assert ask("/v1/backup").status == 401
    assert ask("/v1/backup", person.token).status == 404
    assert Asker(service, "203.0.113.77")(BUNDLE).status == 200


def test_description_is_off_where_that_is_wanted(service: Service, tmp_path_factory: pytest.TempPathFactory) -> None:
    without = Service(tmp_path_factory.mktemp("off"), {"OBSCURA_BACKUP_DOCS": "off"})
    without.start()
    try:
        for path in PATHS:
            answer = without.request("GET", path, token=None)
            assert (answer.status, answer.problem) == (404, "not-found")
        assert without.request("GET", "/v1/config", token=None).status == 200
        assert Person.of(without).upload(bytes(100)).status == 200
    finally:
        assert without.stop() == 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/config", 200),
        ("GET", "/v1/backup", 401),
        ("PUT", "/v1/backup", 405),
        ("GET", "/none", 404),
        ("GET", "//", 400),
        ("GET", "/health/live", 200),
        ("OPTIONS", "/v1/config", 204),
        ("GET", "/" + "a" * 100_000, 431),
    ],
)
def test_every_answer_forbids_to_guess_its_type(service: Service, method: str, path: str, status: int) -> None:
    answer = service.request(method, path, token=None)
    assert (answer.status, answer.headers["x-content-type-options"]) == (status, "nosniff")


def test_backup_forbids_to_guess_its_type_and_is_never_compressed(service: Service) -> None:
    person = Person.of(service)
    assert person.upload(bytes(100_000)).headers["x-content-type-options"] == "nosniff"
    answer = person.download(Accept_Encoding="gzip")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "content-encoding" not in answer.headers
    assert answer.body == bytes(100_000)
