"""The asyncio client with the real service: several devices on one loop, and cancellation at any moment."""

from __future__ import annotations

import asyncio
import contextlib
import random
from pathlib import Path
from uuid import UUID

from obscura_backup_client import AsyncBackupClient, NewContact
from obscura_backup_client.operations.errors import PushContended
from support.client.devices import KEY, yes
from support.servers.service import Person, Service


def device(service: Service, person: Person, folder: Path) -> AsyncBackupClient:
    return AsyncBackupClient.open(folder, server=f"http://127.0.0.1:{service.port}", token=person.token)


async def pushed(client: AsyncBackupClient) -> None:
    """Push until no other device conflicts."""
    while True:
        with contextlib.suppress(PushContended):
            await client.push(KEY)
            return


async def usernames(client: AsyncBackupClient) -> set[str]:
    return {contact.username for contact in await client.contacts()}


async def test_devices_that_push_at_once_merge_all_edits(service: Service, tmp_path: Path) -> None:
    person = Person.of(service)
    phones = [device(service, person, tmp_path / str(number)) for number in range(4)]
    await phones[0].create("phone")
    await phones[0].push(KEY)
    for phone in phones[1:]:
        await phone.restore(KEY, confirm=yes)
    for number, phone in enumerate(phones, start=1):
        await phone.put_contacts([NewContact(UUID(int=number), f"friend {number}")])
    await asyncio.gather(*(pushed(phone) for phone in phones))
    await asyncio.gather(*(pushed(phone) for phone in phones))
    assert [await usernames(phone) for phone in phones] == [{f"friend {number}" for number in range(1, 5)}] * 4


async def test_a_push_cancelled_at_any_moment_can_be_repeated(service: Service, tmp_path: Path) -> None:
    person, schedule = Person.of(service), random.Random(7)
    phone, laptop = (device(service, person, tmp_path / name) for name in ("phone", "laptop"))
    await phone.create("phone")
    for number in range(1, 31):
        await phone.put_contacts([NewContact(UUID(int=number), f"friend {number}")])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(schedule.uniform(0, 0.03)):
                await phone.push(KEY)
    await phone.push(KEY)
    await laptop.restore(KEY, confirm=yes)
    assert await usernames(laptop) == {f"friend {number}" for number in range(1, 31)}
