from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from obscura_backup_client.client import BackupClient
from obscura_backup_client.content.editing import NewContact
from obscura_backup_client.device.directory import StateDirectory
from obscura_backup_client.device.state import Account
from obscura_backup_client.transport.retries import RetryPolicy
from support.client.contents import ALICE, BOB
from support.client.devices import KEY, USER, counting_random
from support.client.hostile_server import HostileServer, serving
from support.client.known_state import CAROL, SOMEBODY_ELSE, TOKEN, Elsewhere, KnownState, Phone
from support.client.server_in_memory import ServerInMemory
from support.client.transports import TRANSPORTS


@pytest.fixture(scope="session")
def listener() -> Iterator[HostileServer]:
    one = HostileServer()
    with serving(one.serve) as address:
        one.address = address
        yield one


@pytest.fixture(scope="session")
def second_listener() -> Iterator[Elsewhere]:
    arrived: list[int] = []
    with serving(lambda _: arrived.append(1)) as address:
        yield Elsewhere(address, arrived)


@pytest.fixture
def liar(listener: HostileServer) -> HostileServer:
    listener.replies, listener.heads = {}, []
    return listener


@pytest.fixture
def elsewhere(second_listener: Elsewhere) -> Iterator[Elsewhere]:
    yield second_listener
    assert second_listener.arrived == []


@pytest.fixture(scope="session")
def truth(listener: HostileServer, tmp_path_factory: pytest.TempPathFactory) -> KnownState:
    folder, random = tmp_path_factory.mktemp("truth"), counting_random()

    def device(name: str, user_id: UUID) -> tuple[BackupClient, ServerInMemory]:
        server, account = ServerInMemory(), Account(listener.address, user_id)
        client = BackupClient(StateDirectory(folder / name), transport=server, account=account, random=random)
        client.create(name)
        client.put_contacts([NewContact(ALICE, "alice")])
        client.push(KEY)
        return client, server

    phone, server = device("phone", USER)
    phone.put_contacts([NewContact(CAROL, "carol")])
    phone.push(KEY)
    phone.put_contacts([NewContact(BOB, "bob")])
    _, other = device("stranger", SOMEBODY_ELSE)
    first, latest = server.pushed
    return KnownState(folder / "phone", first, latest, other.pushed[0])


@pytest.fixture(params=TRANSPORTS)
def phone(request: pytest.FixtureRequest, truth: KnownState, liar: HostileServer, tmp_path: Path) -> Phone:
    """The device with the known state, connected to the hostile server."""
    shutil.copytree(truth.state, tmp_path / "phone")

    def make(attempts: int = 2, address: str = liar.address) -> BackupClient:
        retry_policy = RetryPolicy(attempts=attempts, read_timeout_seconds=5, total_timeout_seconds=5)
        transport = TRANSPORTS[request.param](address, TOKEN, retry_policy=retry_policy, sleep=lambda _: None)
        account = Account(liar.address, USER)
        return BackupClient(
            StateDirectory(tmp_path / "phone"), transport=transport, account=account, sleep=lambda _: None
        )

    return make
