"""The service that the tests of a module share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.servers.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """The settings of the service; a module that needs others has a fixture of this name."""
    return {}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Iterator[Service]:
    """One service for all tests of a module, on embedded stores; it has to end in order."""
    service = Service(tmp_path_factory.mktemp("service") / "new", environment, has_management=True)
    service.start()
    yield service
    assert service.stop() == 0
