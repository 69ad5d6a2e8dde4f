from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field, fields, replace
from typing import Any

import pytest

from obscura_backup_client.async_client import AsyncBackupClient
from obscura_backup_client.client import BackupClient
from obscura_backup_client.content.editing import NewContact
from obscura_backup_client.operations.errors import NotConfirmed
from obscura_backup_client.operations.keys import Purpose
from obscura_backup_client.operations.results import DeletionPreview, RestorePreview, Step
from obscura_backup_client.sealing import sealed
from obscura_backup_client.sealing.errors import WrongPassword
from obscura_backup_client.sealing.kdf_parameters import KdfParameters
from obscura_backup_client.transport.errors import NotFound
from support.client.cheap_kdf import cheap_argon2id
from support.client.contents import ALICE, BOB
from support.client.devices import KEY, LOW_MEMORY, Device, yes
from support.client.server_in_memory import ServerInMemory
from support.client.transports import OnTheLoop

PASSWORD = "correct horse battery"


@dataclass
class Gate:
    """Blocks one method of a transport for ever, and sets an event when it is called."""

    method: str
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, method: str) -> None:
        if method == self.method:
            self.reached.set()
            await asyncio.Event().wait()


def on_the_loop(client: BackupClient, server: ServerInMemory, **hooks: Any) -> AsyncBackupClient:
    return AsyncBackupClient(replace(client, transport=None), OnTheLoop(server, **hooks))


async def cancelled(operation: Coroutine[Any, Any, Any], reached: asyncio.Event) -> None:
    task = asyncio.create_task(operation)
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name == "obscura-backup"]


async def test_two_devices_on_one_loop_merge_both_edits(
    phone: BackupClient, laptop: BackupClient, server: ServerInMemory
) -> None:
    both = [on_the_loop(each, server) for each in (phone, laptop)]
    await both[0].put_contacts([NewContact(BOB, "bob")])
    await both[1].remove_contact(ALICE)
    await asyncio.gather(*(each.push(KEY) for each in both))
    await asyncio.gather(*(each.push(KEY) for each in both))
    assert [[contact.username for contact in await each.contacts()] for each in both] == [["bob"], ["bob"]]


async def test_every_operation_can_be_awaited(device: Device, server: ServerInMemory) -> None:
    phone = on_the_loop(device("phone"), server)
    await phone.create("phone")
    await phone.put_contacts([NewContact(ALICE, "alice")])
    await phone.set_profile("avatar", b"D" * 32)
    assert (await phone.push(KEY)).uploaded
    laptop = on_the_loop(device("laptop"), server)
    assert (await laptop.restore(KEY, confirm=yes)).new_device
    assert (await laptop.verify(KEY)).is_ok
    await laptop.import_payload(await phone.export_payload(), confirm=lambda _: True)
    assert (await laptop.sync(KEY, confirm=yes)).pushed.version == 1
    assert (await laptop.status()).contact_count == 1
    assert (await laptop.delete(confirm=lambda _: True)).version == 1


@pytest.mark.usefixtures("cheap_kdf")
async def test_a_password_can_be_changed(phone: BackupClient, server: ServerInMemory) -> None:
    client = on_the_loop(phone, server)
    await client.push(KEY)
    await client.change_password(KEY, PASSWORD, parameters=LOW_MEMORY)
    with pytest.raises(WrongPassword):
        await client.verify("another horse battery")


@pytest.fixture
def slow_kdf(monkeypatch: pytest.MonkeyPatch) -> None:
    """A derivation takes 50 ms, in which it waits."""

    def derived(password: bytes, salt: bytes, parameters: KdfParameters) -> bytes:
        time.sleep(0.05)
        return cheap_argon2id(password, salt, parameters)

    monkeypatch.setattr(sealed, "argon2id", derived)


async def test_the_loop_runs_during_a_key_derivation(
    phone: BackupClient, server: ServerInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def derived(*_: object) -> bytes:
        begun.set()
        # Only the loop ends it: on the loop, it would wait for itself.
        assert may_end.wait(10)
        return bytes(32)

    monkeypatch.setattr(sealed, "argon2id", derived)
    pushing = asyncio.create_task(on_the_loop(phone, server).push(PASSWORD, parameters=LOW_MEMORY))
    assert await asyncio.to_thread(begun.wait, 10)
    may_end.set()
    assert (await pushing).uploaded


@pytest.mark.parametrize("method", ["fetch", "push"])
async def test_an_operation_cancelled_before_its_request_arrives_changes_nothing(
    phone: BackupClient, server: ServerInMemory, method: str
) -> None:
    gate = Gate(method)
    before = phone.directory.read().content
    await cancelled(on_the_loop(phone, server, arriving=gate).push(KEY), gate.reached)
    assert (server.slot.version, phone.directory.read().content, threads()) == (0, before, [])
    assert (await on_the_loop(phone, server).push(KEY)).version == 1


async def test_a_push_cancelled_after_it_arrived_is_not_repeated(phone: BackupClient, server: ServerInMemory) -> None:
    gate = Gate("push")
    await cancelled(on_the_loop(phone, server, answering=gate).push(KEY), gate.reached)
    again = await on_the_loop(phone, server).push(KEY)
    assert (again.uploaded, again.version) == (False, 1)


async def test_a_deletion_cancelled_after_it_arrived_is_not_an_alarm(
    phone: BackupClient, server: ServerInMemory
) -> None:
    gate = Gate("delete")
    await on_the_loop(phone, server).push(KEY)
    await cancelled(on_the_loop(phone, server, answering=gate).delete(confirm=lambda _: True), gate.reached)
    assert (await on_the_loop(phone, server).push(KEY)).uploaded


@pytest.mark.usefixtures("slow_kdf")
async def test_an_operation_cancelled_during_a_derivation_sends_nothing(
    phone: BackupClient, server: ServerInMemory
) -> None:
    deriving = asyncio.Event()
    client = replace(phone, on_step=lambda step: deriving.set() if step is Step.DERIVING else None)
    await cancelled(on_the_loop(client, server).push(PASSWORD, parameters=LOW_MEMORY), deriving)
    assert (server.pushed, threads()) == ([], [])
    assert (await on_the_loop(phone, server).push(KEY)).uploaded


@pytest.mark.usefixtures("slow_kdf")
async def test_a_second_cancellation_does_not_leave_a_thread_behind(
    phone: BackupClient, server: ServerInMemory
) -> None:
    deriving = asyncio.Event()
    client = replace(phone, on_step=lambda step: deriving.set() if step is Step.DERIVING else None)
    task = asyncio.create_task(on_the_loop(client, server).push(PASSWORD, parameters=LOW_MEMORY))
    await deriving.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert threads() == []


async def test_an_operation_can_be_cancelled_while_the_person_is_asked(
    phone: BackupClient, server: ServerInMemory
) -> None:
    await on_the_loop(phone, server).push(KEY)
    before, asked = phone.directory.read(), asyncio.Event()

    async def confirm(_found: RestorePreview) -> bool:
        asked.set()
        await asyncio.Event().wait()
        return True

    await cancelled(on_the_loop(phone, server).restore(KEY, confirm=confirm), asked)
    assert phone.directory.read() == before


async def test_an_operation_can_be_cancelled_while_another_holds_the_state(
    phone: BackupClient, server: ServerInMemory
) -> None:
    gate, waiting = Gate("fetch"), asyncio.Event()
    first = asyncio.create_task(on_the_loop(phone, server, arriving=gate).push(KEY))
    await gate.reached.wait()
    second = asyncio.create_task(on_the_loop(phone, server).put_contacts([NewContact(BOB, "bob")]))
    asyncio.get_running_loop().call_later(0.01, waiting.set)
    await waiting.wait()
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert not first.done()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_wait_between_two_attempts_can_be_cancelled(
    phone: BackupClient, laptop: BackupClient, server: ServerInMemory
) -> None:
    refused = asyncio.Event()

    async def other_device_is_faster(method: str) -> None:
        if method == "push":
            laptop.put_contacts([NewContact(BOB, "bob")])
            laptop.push(KEY)
            refused.set()

    phone.put_contacts([NewContact(ALICE, "alicia")])
    # It would wait for a day.
    patient = replace(phone, jitter=lambda: 1_000_000.0)
    await cancelled(on_the_loop(patient, server, arriving=other_device_is_faster).push(KEY), refused)
    assert threads() == []
    assert (await on_the_loop(phone, server).push(KEY)).uploaded


@pytest.mark.usefixtures("cheap_kdf")
async def test_callbacks_may_be_async(phone: BackupClient, server: ServerInMemory) -> None:
    asked: list[Purpose] = []

    async def secret(purpose: Purpose) -> str:
        await asyncio.sleep(0)
        asked.append(purpose)
        return PASSWORD

    async def no(_doomed: DeletionPreview) -> bool:
        await asyncio.sleep(0)
        return False

    client = on_the_loop(phone, server)
    await client.push(secret, parameters=LOW_MEMORY)
    with pytest.raises(NotConfirmed):
        await client.delete(confirm=no)
    assert asked == [Purpose.SET]


async def test_callbacks_run_in_the_loops_thread(phone: BackupClient, server: ServerInMemory) -> None:
    where: set[int] = set()

    def on_step(_step: Step) -> None:
        where.add(threading.get_ident())

    def confirm(_found: RestorePreview) -> bool:
        where.add(threading.get_ident())
        return True

    client = on_the_loop(replace(phone, on_step=on_step), server)
    await client.push(KEY)
    await client.restore(KEY, confirm=confirm)
    assert where == {threading.get_ident()}


async def test_a_callback_may_read_the_state(phone: BackupClient, server: ServerInMemory) -> None:
    client = on_the_loop(phone, server)

    async def confirm(_found: RestorePreview) -> bool:
        return len(await client.contacts()) == 1

    await client.push(KEY)
    assert (await client.restore(KEY, confirm=confirm)).contact_count == 1


async def test_errors_are_raised_unchanged(phone: BackupClient, server: ServerInMemory) -> None:
    client, trouble = on_the_loop(phone, server), ZeroDivisionError()

    def confirm(_doomed: DeletionPreview) -> bool:
        raise trouble

    with pytest.raises(NotFound):
        await client.delete(confirm=confirm)
    await client.push(KEY)
    with pytest.raises(ZeroDivisionError) as raised:
        await client.delete(confirm=confirm)
    assert raised.value is trouble


async def test_an_operation_can_have_a_time_out(phone: BackupClient, server: ServerInMemory) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await on_the_loop(phone, server, arriving=Gate("fetch")).push(KEY)
    assert threads() == []
    assert (await on_the_loop(phone, server).push(KEY)).uploaded


def test_it_has_every_method_of_the_blocking_client_with_the_same_parameters() -> None:
    def methods(of: type) -> dict[str, list[tuple[str, Any, Any]]]:
        settings = {each.name for each in fields(of)}
        found = [each for each in inspect.getmembers(of, inspect.isfunction) if each[0] not in settings]
        return {
            name: [(each.name, each.kind, each.default) for each in inspect.signature(method).parameters.values()]
            for name, method in found
            if not name.startswith("_")
        }

    assert methods(AsyncBackupClient) == methods(BackupClient)
