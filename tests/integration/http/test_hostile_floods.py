"""Floods: from unknown clients, from one user, and from clients with made-up addresses."""

from __future__ import annotations

import time
from ipaddress import IPv4Address
from random import randrange
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from support.servers.flood import flood
from support.servers.raw_http import say
from support.servers.service import Answer, Person, Service, signed

if TYPE_CHECKING:
    from collections.abc import Iterator

RATE = 20
LOW = {"OBSCURA_BACKUP_RATE_PER_USER": str(RATE), "OBSCURA_BACKUP_RATE_PER_ADDRESS": str(RATE)}


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Low limits, behind a proxy: so each test has an address of its own."""
    trusting = {
        **LOW,
        "OBSCURA_BACKUP_TRUSTED_PROXIES": "127.0.0.0/8, ::1",
        "OBSCURA_BACKUP_CORS_ORIGINS": "https://app.example",
    }
    yield from run(Service(tmp_path_factory.mktemp("limited"), trusting, has_management=True))


@pytest.fixture(scope="module")
def on_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Low limits, and no proxy that is trusted."""
    yield from run(Service(tmp_path_factory.mktemp("own"), LOW))


@pytest.fixture
def address() -> str:
    return str(IPv4Address(int(IPv4Address("198.18.0.0")) + randrange(2**16)))


def run(service: Service) -> Iterator[Service]:
    service.start()
    yield service
    assert service.stop() == 0


def ask(
    service: Service, address: str, token: str | None = None, method: str = "GET", path: str = "/v1/backup"
) -> Answer:
    """One request as the proxy passes it on."""
    body = bytes(100) if method == "POST" else None
    return service.request(method, path, token=token, headers={"X-Forwarded-For": address}, body=body)


def flooded(service: Service, address: str, token: str | None = None) -> list[int]:
    """The answers to more requests than the limit."""
    return [ask(service, address, token).status for _ in range(RATE + 10)]


def test_strangers_are_told_to_come_back(limited: Service, address: str) -> None:
    answers = flooded(limited, address)
    assert answers[:RATE] == [401] * RATE
    assert 429 in answers[RATE:]
    refused = ask(limited, address)
    assert (refused.status, refused.problem) == (429, "too-many-requests")
    assert 1 <= int(refused.headers["retry-after"]) <= 60 / RATE + 1
    assert refused.headers["cache-control"] == "no-store"


def test_known_people_are_served_while_a_stranger_floods_from_their_address(limited: Service, address: str) -> None:
    known = Person.of(limited)
    assert ask(limited, address, known.token, "POST").status == 200
    flooded(limited, address)
    assert ask(limited, address).status == 429
    assert ask(limited, address, known.token).status == 200


def test_new_tokens_wait_while_a_stranger_floods_from_their_address(limited: Service, address: str) -> None:
    """Verification is the work that the limit is there to save."""
    flooded(limited, address)
    answer = ask(limited, address, Person.of(limited).token)
    assert answer.status == 429
    time.sleep(int(answer.headers["retry-after"]) + 0.1)
    assert ask(limited, address, Person.of(limited).token).status == 404


@pytest.mark.parametrize("kind", ["garbage", "forged", "long", "expired"])
def test_bad_tokens_are_strangers(limited: Service, address: str, kind: str) -> None:
    claims = {"sub": str(uuid4()), "exp": int(time.time()) + (-600 if kind == "expired" else 60)}
    token = {
        "garbage": "x.y.z",
        "forged": signed(claims, secret="some other secret of 32 bytes or more"),
        "long": "x" * 20_000,
        "expired": signed(claims),
    }[kind]
    answers = flooded(limited, address, token)
    assert answers[:RATE] == [401] * RATE
    assert 429 in answers


def test_one_user_who_asks_too_often(limited: Service, address: str) -> None:
    busy, other = Person.of(limited), Person.of(limited)
    answers = flooded(limited, address, busy.token)
    assert answers[:RATE] == [404] * RATE
    assert 429 in answers
    assert ask(limited, address, busy.token, "POST").status == 429
    assert ask(limited, "198.51.100.99", busy.token).status == 429, "from elsewhere, too"
    assert ask(limited, address, other.token).status == 404


def test_same_user_by_many_tokens_is_one_user(limited: Service, address: str) -> None:
    user_id = uuid4()
    answers = []
    for number in range(RATE + 10):
        claims = {"sub": str(user_id), "exp": int(time.time()) + 60, "jti": str(number)}
        answers.append(ask(limited, address, signed(claims)).status)
    assert answers[:RATE] == [404] * RATE
    assert 429 in answers


def test_many_people_behind_one_address_do_not_share_its_account(limited: Service, address: str) -> None:
    people = [Person.of(limited) for _ in range(RATE + 10)]
    for _ in range(2):
        assert {ask(limited, address, person.token).status for person in people} == {404}


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_operators_are_never_refused(limited: Service, address: str, path: str) -> None:
    flooded(limited, address)
    assert {ask(limited, address, path=path).status for _ in range(RATE + 10)} == {200}


def test_refusals_are_counted(limited: Service, address: str) -> None:
    flooded(limited, address)
    metrics = limited.request_management("/metrics").body.decode()
    counted = [line for line in metrics.splitlines() if line.startswith("obscura_backup_rate_limited_total")]
    assert any('account="address"' in line and float(line.split()[1]) >= 1 for line in counted)


@pytest.mark.parametrize(("origin", "allowed"), [("https://app.example", True), ("https://evil.example", False)])
def test_pages_can_read_when_to_come_back(limited: Service, address: str, origin: str, *, allowed: bool) -> None:
    flooded(limited, address)
    for path, method, status in (("/v1/backup", "GET", 429), ("/v1/backup/", "GET", 400), ("/v1/backup", "PUT", 405)):
        headers = {"X-Forwarded-For": address, "Origin": origin}
        answer = limited.request(method, path, token=None, headers=headers)
        assert answer.status == status
        assert (answer.headers.get("access-control-allow-origin") == origin) is allowed
        assert ("Retry-After" in answer.headers.get("access-control-expose-headers", "")) is allowed


def test_browsers_of_known_people_get_leave_to_ask_while_a_stranger_floods(limited: Service, address: str) -> None:
    """A preflight carries no token, and would be charged to the address."""
    flooded(limited, address)
    asked = {
        "X-Forwarded-For": address,
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, if-match",
    }
    answers = [limited.request("OPTIONS", token=None, headers=asked) for _ in range(RATE + 10)]
    assert {answer.headers.get("access-control-allow-origin") for answer in answers} == {"https://app.example"}
    assert all(answer.status in (200, 204) for answer in answers)


def test_body_of_a_refused_upload_is_no_request(limited: Service, address: str) -> None:
    flooded(limited, address)
    smuggled = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    head = (
        f"POST /v1/backup HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {address}\r\nContent-Length: {len(smuggled)}\r\n\r\n"
    )
    assert say(limited.port, head.encode() + smuggled).statuses == [429]


def test_made_up_forwarding_has_no_effect_if_no_proxy_is_trusted(on_its_own: Service) -> None:
    answers = [ask(on_its_own, f"203.0.113.{number}").status for number in range(RATE + 10)]
    assert 429 in answers


def test_clients_behind_a_trusted_proxy_can_neither_evade_nor_frame(limited: Service, address: str) -> None:
    """What they send themselves stands left of what the proxy adds."""
    answers = [ask(limited, f"198.51.100.{number}, {address}").status for number in range(RATE + 10)]
    assert 429 in answers
    assert ask(limited, "198.51.100.1").status == 401
    assert ask(limited, address).status == 429


FLOODS = {
    "no token": b"GET /v1/backup HTTP/1.1\r\nHost: x\r\n\r\n",
    "garbage token": b"GET /v1/backup HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a.b.c\r\n\r\n",
    "30 KiB token": b"GET /v1/backup HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + b"a" * 30_000 + b"\r\n\r\n",
    "expect": b"POST /v1/backup HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n",
    "old version": b"GET /v1/backup HTTP/1.0\r\n\r\n",
    "pipelined": b"GET /v1/backup HTTP/1.1\r\nHost: x\r\n\r\n" * 500,
    "nothing": b"",
    "half a head": b"GET /v1/backup HTTP/1.1\r\nHost",
}


@pytest.fixture(scope="module")
def person(service: Service) -> Person:
    """A user who was known before the floods, at the address that they come from."""
    person = Person.of(service)
    assert person.upload(b"0" * 100).status == 200
    return person


@pytest.mark.parametrize("kind", FLOODS)
def test_people_are_served_in_a_flood(service: Service, person: Person, kind: str) -> None:
    with flood(service.port, FLOODS[kind]):
        body = uuid4().bytes * 100
        assert person.upload(body, if_match=person.describe().etag).status == 200
        assert person.download().body == body
        assert service.request("GET", "/health/ready", token=None).status == 200
    assert person.download().status == 200
