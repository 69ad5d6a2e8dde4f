"""The real service's two kinds of 404: no backup yet, and no such path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from obscura_backup_client.client import BackupClient
from obscura_backup_client.operations.results import RemoteState
from obscura_backup_client.transport.errors import NotFound, UnexpectedResponse
from support.client.devices import KEY
from support.servers.service import Person, Service


@pytest.fixture
def newcomer(service: Service, tmp_path: Path) -> Callable[[str], BackupClient]:
    """A new device of a new user, whose server address has this path."""

    def make(path: str) -> BackupClient:
        address, token = f"http://127.0.0.1:{service.port}{path}", Person.of(service).token
        client = BackupClient.open(tmp_path / "phone", server=address, token=token)
        client.create("phone")
        return client

    return make


def test_the_services_404_means_that_there_is_no_backup_yet(newcomer: Callable[[str], BackupClient]) -> None:
    client = newcomer("")
    with pytest.raises(NotFound):
        client.restore(KEY, confirm=lambda _: True)
    assert client.status().remote_state is RemoteState.NONE
    assert client.push(KEY).version == 1


def test_the_404_of_another_path_means_that_there_is_no_server(newcomer: Callable[[str], BackupClient]) -> None:
    client = newcomer("/elsewhere")
    with pytest.raises(UnexpectedResponse):
        client.status()
    with pytest.raises(UnexpectedResponse):
        client.push(KEY)
    assert client.directory.read().seq == 0
