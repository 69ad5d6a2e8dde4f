"""The service that the tests of a module share, unless the module has its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.servers.service import Service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("data"))
    service.start()
    yield service
    service.kill()
