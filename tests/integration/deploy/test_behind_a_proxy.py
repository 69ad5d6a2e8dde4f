"""nginx and HAProxy with TLS, as the samples have them, in front of two real replicas."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from support.servers.balanced_load import BalancedLoad, TlsClient
from support.servers.in_process.bounded_protocol import eventually
from support.servers.proxies.reverse_proxies import Haproxy, Nginx, ReverseProxy
from support.servers.service import Person, Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MIB = 1024 * 1024
NGINX_MAX_BYTES = 3 * MIB
RATE_PER_ADDRESS = 20
USERS = 4
PATIENCE_SECONDS = 60.0
ENVIRONMENT = {
    "OBSCURA_BACKUP_NOTICE_SECONDS": "3",  # as the sample for HAProxy has it
    "OBSCURA_BACKUP_TRUSTED_PROXIES": "127.0.0.1",
    "OBSCURA_BACKUP_RATE_PER_ADDRESS": str(RATE_PER_ADDRESS),
}


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Service]]:
    """Two services on the same stores, and so with the same secret."""
    data = tmp_path_factory.mktemp("replicas") / "data"
    services = [Service(data, ENVIRONMENT) for _ in range(2)]
    try:
        for service in services:
            service.start()
        yield services
    finally:
        for service in services:
            service.kill()


@pytest.fixture(scope="module")
def proxies(replicas: list[Service], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ReverseProxy]]:
    """One of each kind, both in front of the same replicas."""
    started: dict[str, ReverseProxy] = {}
    try:
        for kind in (Nginx, Haproxy):
            started[kind.name] = kind(tmp_path_factory.mktemp(kind.name), [service.port for service in replicas])
            started[kind.name].start()
        assert eventually(lambda: all(proxy.has_replicas() for proxy in started.values()), PATIENCE_SECONDS)
        yield started
    finally:
        for proxy in started.values():
            proxy.stop()


@pytest.fixture(params=["nginx", "haproxy"])
def proxy(request: pytest.FixtureRequest, proxies: dict[str, ReverseProxy]) -> ReverseProxy:
    return proxies[request.param]


@pytest.fixture
def connect(proxy: ReverseProxy) -> Callable[..., TlsClient]:
    return lambda **options: TlsClient(proxy.port, proxy.certificate, **options)


@pytest.fixture
def person(replicas: list[Service]) -> Person:
    return Person.of(replicas[0])


def test_largest_backup_passes_both_ways(connect: Callable[..., TlsClient], person: Person) -> None:
    body = os.urandom(2 * MIB)
    with connect() as client:
        status, headers, _ = client.ask("POST", token=person.token, body=body)
        assert (status, headers["ETag"]) == (200, '"1"')
        assert client.ask("GET", token=person.token)[::2] == (200, body)
        assert client.ask("POST", token=person.token, body=body[:64])[0] == 409


@pytest.mark.parametrize("size", [2 * MIB + 1, 8 * MIB])
def test_larger_backup_is_refused_and_the_next_request_is_served(
    connect: Callable[..., TlsClient], proxy: ReverseProxy, person: Person, size: int
) -> None:
    """The refusal arrives whole although the client is still sending. Only nginx has a limit of its own."""
    with connect() as client:
        status, headers, body = client.ask("POST", token=person.token, body=b"x" * size)
        assert status == 413
        if size < NGINX_MAX_BYTES or not isinstance(proxy, Nginx):
            assert headers["Content-Type"] == "application/problem+json"
            assert b"blob-too-large" in body
        assert client.ask("GET", token=person.token)[0] == 404
        assert client.ask("POST", token=person.token, body=b"x" * 64)[0] == 200


def test_slow_body_does_not_hold_up_others(connect: Callable[..., TlsClient], person: Person) -> None:
    with connect() as slow, connect() as other:
        slow.connection.putrequest("POST", "/v1/backup")
        slow.connection.putheader("Authorization", f"Bearer {person.token}")
        slow.connection.putheader("Content-Length", "3000")
        slow.connection.endheaders()
        for _ in range(3):
            slow.connection.send(b"x" * 1000)
            time.sleep(0.3)
            assert other.ask("GET", "/v1/config")[0] == 200
        assert slow.connection.getresponse().read()
        assert other.ask("GET", token=person.token)[::2] == (200, b"x" * 3000)


def test_requests_go_on_over_a_reload(
    connect: Callable[..., TlsClient], proxy: ReverseProxy, replicas: list[Service], person: Person
) -> None:
    """An upload under way ends well. Kept connections may end between two requests, but never in one."""
    with load_through(proxy, replicas) as load, connect() as slow:
        slow.connection.putrequest("POST", "/v1/backup")
        slow.connection.putheader("Authorization", f"Bearer {person.token}")
        slow.connection.putheader("Content-Length", "2000")
        slow.connection.endheaders(b"x" * 1000)
        proxy.reload()
        until_served([load])
        slow.connection.send(b"x" * 1000)
        assert slow.connection.getresponse().status == 200
    assert load.failures == []


def test_clients_are_told_apart_by_address_and_cannot_forge_one(connect: Callable[..., TlsClient]) -> None:
    """One address uses up its limit under many forged names; another one is still served."""

    def statuses(address: str, count: int) -> list[int]:
        with connect(address=address) as client:
            return [client.ask("GET", X_Forwarded_For=f"192.0.2.{number}")[0] for number in range(count)]

    assert 429 in statuses("127.0.0.2", 5 * RATE_PER_ADDRESS)  # two replicas, each with a limit of its own
    assert statuses("127.0.0.3", 2) == [401, 401]


def test_replicas_restart_one_by_one_under_load_and_no_request_fails(
    proxies: dict[str, ReverseProxy], replicas: list[Service]
) -> None:
    with ExitStack() as stack:
        loads = [stack.enter_context(load_through(proxy, replicas)) for proxy in proxies.values()]
        for service in replicas:
            assert service.stop() == 0
            until_served(loads)
            service.start()
            assert eventually(lambda: all(proxy.has_replicas() for proxy in proxies.values()), PATIENCE_SECONDS)
        until_served(loads)
    assert [load.failures for load in loads] == [[], []]


def test_crash_of_a_replica_fails_no_upload_behind_nginx(
    proxies: dict[str, ReverseProxy], replicas: list[Service]
) -> None:
    """It has received the whole request, and repeats it at the other replica."""
    with load_through(proxies["nginx"], replicas) as load:
        until_served([load])
        replicas[0].kill()
        until_served([load])
        replicas[0].start()
    assert [failure for failure in load.failures if failure.startswith("POST")] == []


def load_through(proxy: ReverseProxy, replicas: list[Service]) -> BalancedLoad:
    return BalancedLoad(proxy.port, proxy.certificate, [Person.of(replicas[0]) for _ in range(USERS)])


def until_served(loads: list[BalancedLoad]) -> None:
    """Wait until each load had several more requests answered."""
    seen = [load.requests for load in loads]
    assert eventually(
        lambda: all(load.requests > before + 3 * USERS for load, before in zip(loads, seen, strict=True)),
        PATIENCE_SECONDS,
    )
