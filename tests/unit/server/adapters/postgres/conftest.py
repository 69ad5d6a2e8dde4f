from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.servers.in_process.scripted_postgres import MakePool, ScriptedPool

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pool_of() -> Iterator[MakePool]:
    """Makes a pool of one connection per script; its sockets are closed after the test."""
    pools: list[ScriptedPool] = []

    def make(*scripts: tuple[Any, ...], size: int = 4) -> ScriptedPool:
        pools.append(ScriptedPool(*scripts, size=size))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close_sockets()
