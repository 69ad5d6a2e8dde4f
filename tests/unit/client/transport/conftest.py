from __future__ import annotations

from typing import Any

import pytest

from support.client.scripted import Reply, Server
from support.client.transports import Connect, InMemoryTransport


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
