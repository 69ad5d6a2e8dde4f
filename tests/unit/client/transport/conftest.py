from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.certificates import certificate_for_this_machine
from support.client.scripted import Reply, Server
from support.client.transports import Connect, InMemoryTransport


@pytest.fixture(scope="session", autouse=True)
def one_trusted_certificate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Trust one authority, which issued nothing: to read all those of this machine takes long for each connection."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SSL_CERT_FILE", str(certificate_for_this_machine(tmp_path_factory.mktemp("trusted"))))
        yield


@pytest.fixture
def server() -> Server:
    """A server in memory that answers from a script."""
    return Server()


@pytest.fixture
def waits() -> list[float]:
    """The seconds that `connect`'s transports waited, in order."""
    return []


@pytest.fixture
def connect(server: Server, waits: list[float]) -> Connect:
    """A transport in memory, whose requests are answered by these replies in turn."""

    def make(*script: Reply, **options: Any) -> InMemoryTransport:
        server.script[:] = script
        address = options.pop("address", "http://127.0.0.1")
        return InMemoryTransport(
            address, "aaa.bbb.ccc", respond=server.answer_bytes, sleep=waits.append, jitter=lambda: 1.0, **options
        )

    return make
