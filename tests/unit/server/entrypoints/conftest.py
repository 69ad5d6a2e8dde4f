from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.servers.in_process.server import Ran, commands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Ran]]:
    """Runs commands in this process."""
    with commands(capsys, monkeypatch) as command:
        yield command
