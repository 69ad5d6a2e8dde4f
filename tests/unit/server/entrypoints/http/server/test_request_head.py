"""Valid and invalid hosts, targets and request lines, and the refusal of each."""

from __future__ import annotations

from obscura_backup.entrypoints.http.server.request_head import find_head_fault, is_host, is_target
from support.table import table

HOST = (b"host", b"backup.example")


def fault(
    url: bytes = b"/v1/backup", *headers: tuple[bytes, bytes], version: str = "1.1", strict: bool = True
) -> tuple[int, str] | None:
    return find_head_fault(url, headers, version, has_strict_line=strict)


@table("version", ["1.1", "1.0"])
def test_request_with_one_host_is_valid(version: str) -> None:
    assert fault(b"/v1/backup", HOST, (b"accept", b"*/*"), version=version) is None


def test_only_http_1_0_may_omit_host() -> None:
    assert fault(version="1.0") is None
    assert fault() == (400, "Invalid Host: send one Host header with one host.")


@table("second", [HOST, (b"host", b"other.example")])
def test_two_hosts_are_refused(second: tuple[bytes, bytes]) -> None:
    found = fault(b"/", HOST, second)
    assert found is not None
    assert found[0] == 400


@table("version", ["1.1", "1.0"])
def test_malformed_host_is_refused(version: str) -> None:
    assert fault(b"/", (b"host", b"a,b"), version=version) is not None


def test_malformed_second_host_is_refused_in_http_1_0_too() -> None:
    assert fault(b"/", HOST, (b"host", b"a b"), version="1.0") is not None


@table("version", ["2.0", "0.9", "1.2", "3"])
def test_other_http_versions_are_refused_with_505(version: str) -> None:
    found = fault(b"/", HOST, version=version)
    assert found is not None
    assert found[0] == 505


def test_ambiguous_request_line_is_refused() -> None:
    found = fault(b"/", HOST, strict=False)
    assert found is not None
    assert (found[0], "one space between them" in found[1]) == (400, True)


def test_malformed_target_is_refused() -> None:
    found = fault(b"v1/backup", HOST)
    assert found is not None
    assert (found[0], found[1] == "Invalid request target.") == (400, True)


def test_valid_hosts() -> None:
    cases: list[bytes] = [
        b"", b"backup.example", b"backup.example:443", b"backup.example:", b"192.0.2.1", b"[2001:db8::1]",
        b"[2001:db8::1]:8400", b"[::ffff:192.0.2.1]", b"a:0", b"a:65535", b"under_score", b"%41",
    ]  # fmt: skip
    for host in cases:
        assert is_host(host)


def test_invalid_hosts() -> None:
    cases: list[bytes] = [
        b"a,b", b"a b", b"a/b", b"user@a", b"a:65536", b"a:99999", b"a:123456", b"a:b", b"a:1:2", b"2001:db8::1",
        b"[2001:db8::1", b"[::g]", b"[1:2:3]", b"[]", b"[::1]x", b"a?b", b"a#b", b"\xe4",
    ]  # fmt: skip
    for host in cases:
        assert not is_host(host)


def test_valid_targets() -> None:
    cases: list[bytes] = [
        b"/", b"/v1/backup", b"/a?b=c", b"/%41", b"*", b"http://a/", b"https://a:443/v1", b"HTTP://a/",
        b"http://[::1]:80/a", b"/a//b", b"/!~",
    ]  # fmt: skip
    for target in cases:
        assert is_target(target)


def test_invalid_targets() -> None:
    cases: list[bytes] = [
        b"", b"v1", b"http://a", b"http:///a", b"ftp://a/", b"http://user@a/", b"http://a:65536/", b"http://[::g]/",
        b"/a#b", b"/a b", b"/\x7f", b"/\xe4", b"//a#", b"**", b"a:80",
    ]  # fmt: skip
    for target in cases:
        assert not is_target(target)
