"""The client for asyncio applications: the methods of `BackupClient`, without blocking the event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from obscura_backup_client.async_bridge import Bridge, BridgedTransport
from obscura_backup_client.client import BackupClient
from obscura_backup_client.device.directory import StateDirectory
from obscura_backup_client.device.state import Account
from obscura_backup_client.operations.keys import Purpose
from obscura_backup_client.sealing.kdf import refuse_memory
from obscura_backup_client.sealing.kdf_parameters import KdfParameters
from obscura_backup_client.sealing.sealed import SealingKey
from obscura_backup_client.transport.interface import DEFAULT_SERVER

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import Any
    from uuid import UUID

    from obscura_backup_client.content.editing import NewContact
    from obscura_backup_client.content.merge import Keep
    from obscura_backup_client.content.model import Contact, Profile
    from obscura_backup_client.device.state import State
    from obscura_backup_client.operations.export import ImportPreview
    from obscura_backup_client.operations.keys import NewSecret, Secret
    from obscura_backup_client.operations.results import (
        DeletionPreview,
        ImportResult,
        PushResult,
        RestorePreview,
        RestoreResult,
        Status,
        SyncResult,
        UndoPreview,
        VerifyResult,
    )
    from obscura_backup_client.transport.interface import AsyncTransport, FetchedBackup

AsyncNewSecret = str | Callable[[Purpose], str | Awaitable[str]]
"""A new password, or a function, plain or async, that returns it when it is needed."""

AsyncSecret = SealingKey | AsyncNewSecret
"""A password, a kept key, or a function, plain or async, that returns the password when it is needed."""

AsyncConfirmMemory = Callable[[KdfParameters], bool | Awaitable[bool]]
"""As `ConfirmMemory`, plain or async."""

T = TypeVar("T")


@dataclass(frozen=True)
class AsyncBackupClient:
    """One device's identity, contacts and backup, for asyncio. Its methods are those of `BackupClient`: see there.

    Blocking work (key derivation, the state's lock, syncing its file) runs in one thread per operation. The network and
    the application's callbacks (passwords, confirmations, steps, progress) run on the event loop. Callbacks may be
    plain or async; plain ones should not block. The state is locked during a callback: it may read (`contacts`,
    `status`), but must not wait for an operation that changes the state.

    Concurrent operations take turns, as processes do: the second waits for some seconds, then raises `StateBusy`.

    Cancelling an operation ends its network call at once and its thread soon after. Then the cancellation continues:
    the lock is free, nothing is half done, and the operation can be repeated. A cancelled upload or deletion may have
    arrived; the next `push` finds out. A key derivation cannot be interrupted, so a cancellation waits for its end,
    about a second.

    Args:
        client: the blocking client without a transport; its `on_step` is called on the loop.
        transport: sends requests to the server; None without a server.
    """

    client: BackupClient
    transport: AsyncTransport | None = None

    @classmethod
    def open(
        cls,
        state: Path | str,
        *,
        server: str = DEFAULT_SERVER,
        token: str | None = None,
        user_claim: str = "sub",
        allow_insecure_http: bool = False,
        password_is_typed: bool = True,
    ) -> AsyncBackupClient:
        """See `BackupClient.open`. Opens no connection yet.

        Raises:
            TokenUnusable, ServerRefused, StateUnusable: see there.
        """
        if token is None:
            return cls(BackupClient(StateDirectory.at(state), password_is_typed=password_is_typed))
        from obscura_backup_client.transport.asyncio_transport import AsyncHttpTransport
        from obscura_backup_client.transport.bearer_token import user_id_of

        user_id = user_id_of(token, user_claim)
        transport = AsyncHttpTransport(server, token, allow_insecure_http=allow_insecure_http)
        account = Account(transport.server, user_id)
        client = BackupClient(StateDirectory.at(state), account=account, password_is_typed=password_is_typed)
        return cls(client, transport)

    async def create(self, device_name: str = "") -> State:
        """See `BackupClient.create`."""
        return await self._run(lambda client, _: client.create(device_name))

    async def contacts(self) -> tuple[Contact, ...]:
        """See `BackupClient.contacts`."""
        return await self._run(lambda client, _: client.contacts())

    async def contact(self, user_id: UUID) -> Contact:
        """See `BackupClient.contact`."""
        return await self._run(lambda client, _: client.contact(user_id))

    async def put_contacts(self, contacts: Iterable[NewContact]) -> ImportResult:
        """See `BackupClient.put_contacts`."""
        wanted = list(contacts)
        return await self._run(lambda client, _: client.put_contacts(wanted))

    async def rename_contact(self, user_id: UUID, username: str) -> Contact:
        """See `BackupClient.rename_contact`."""
        return await self._run(lambda client, _: client.rename_contact(user_id, username))

    async def remove_contact(self, user_id: UUID) -> None:
        """See `BackupClient.remove_contact`."""
        await self._run(lambda client, _: client.remove_contact(user_id))

    async def profile(self) -> Profile | None:
        """See `BackupClient.profile`."""
        return await self._run(lambda client, _: client.profile())

    async def set_profile(self, attachment_id: str, decryption_key: bytes) -> None:
        """See `BackupClient.set_profile`."""
        await self._run(lambda client, _: client.set_profile(attachment_id, decryption_key))

    async def export_payload(self, *, with_identity: bool = True) -> bytes:
        """See `BackupClient.export_payload`."""
        return await self._run(lambda client, _: client.export_payload(with_identity=with_identity))

    async def import_payload(
        self,
        exported: bytes,
        *,
        confirm: Callable[[ImportPreview], bool | Awaitable[bool]],
        keep: Keep | None = None,
        new_device_name: str = "",
    ) -> ImportPreview:
        """See `BackupClient.import_payload`."""
        return await self._run(
            lambda client, bridge: client.import_payload(
                exported, confirm=bridge.to_sync(confirm), keep=keep, new_device_name=new_device_name
            )
        )

    async def undo(self, *, confirm: Callable[[UndoPreview], bool | Awaitable[bool]]) -> UndoPreview:
        """See `BackupClient.undo`."""
        return await self._run(lambda client, bridge: client.undo(confirm=bridge.to_sync(confirm)))

    async def push(
        self,
        secret: AsyncSecret,
        *,
        parameters: KdfParameters | None = None,
        keep: Keep | None = None,
        accept_rollback: bool = False,
        confirm_memory: AsyncConfirmMemory = refuse_memory,
    ) -> PushResult:
        """See `BackupClient.push`."""
        return await self._run(
            lambda client, bridge: client.push(
                _secret(bridge, secret),
                parameters=parameters,
                keep=keep,
                accept_rollback=accept_rollback,
                confirm_memory=bridge.to_sync(confirm_memory),
            )
        )

    async def change_password(
        self,
        secret: AsyncSecret,
        new_secret: AsyncNewSecret,
        *,
        parameters: KdfParameters | None = None,
        keep: Keep | None = None,
        accept_rollback: bool = False,
        confirm_memory: AsyncConfirmMemory = refuse_memory,
    ) -> PushResult:
        """See `BackupClient.change_password`."""
        return await self._run(
            lambda client, bridge: client.change_password(
                _secret(bridge, secret),
                _new_secret(bridge, new_secret),
                parameters=parameters,
                keep=keep,
                accept_rollback=accept_rollback,
                confirm_memory=bridge.to_sync(confirm_memory),
            )
        )

    async def restore(
        self,
        secret: AsyncSecret,
        *,
        confirm: Callable[[RestorePreview], bool | Awaitable[bool]],
        device_name: str | None = None,
        new_device_name: str = "",
        keep: Keep | None = None,
        accept_rollback: bool = False,
        confirm_memory: AsyncConfirmMemory = refuse_memory,
    ) -> RestoreResult:
        """See `BackupClient.restore`."""
        return await self._run(
            lambda client, bridge: client.restore(
                _secret(bridge, secret),
                confirm=bridge.to_sync(confirm),
                device_name=device_name,
                new_device_name=new_device_name,
                keep=keep,
                accept_rollback=accept_rollback,
                confirm_memory=bridge.to_sync(confirm_memory),
            )
        )

    async def sync(
        self,
        secret: AsyncSecret,
        *,
        confirm: Callable[[RestorePreview], bool | Awaitable[bool]],
        device_name: str = "",
        keep: Keep | None = None,
        accept_rollback: bool = False,
        confirm_memory: AsyncConfirmMemory = refuse_memory,
    ) -> SyncResult:
        """See `BackupClient.sync`."""
        return await self._run(
            lambda client, bridge: client.sync(
                _secret(bridge, secret),
                confirm=bridge.to_sync(confirm),
                device_name=device_name,
                keep=keep,
                accept_rollback=accept_rollback,
                confirm_memory=bridge.to_sync(confirm_memory),
            )
        )

    async def verify(self, secret: AsyncSecret, *, confirm_memory: AsyncConfirmMemory = refuse_memory) -> VerifyResult:
        """See `BackupClient.verify`."""
        return await self._run(
            lambda client, bridge: client.verify(_secret(bridge, secret), confirm_memory=bridge.to_sync(confirm_memory))
        )

    async def fetch_sealed(self) -> FetchedBackup:
        """See `BackupClient.fetch_sealed`."""
        return await self._run(lambda client, _: client.fetch_sealed())

    async def delete(self, *, confirm: Callable[[DeletionPreview], bool | Awaitable[bool]]) -> DeletionPreview:
        """See `BackupClient.delete`."""
        return await self._run(lambda client, bridge: client.delete(confirm=bridge.to_sync(confirm)))

    async def status(self, *, ask_server: bool = True) -> Status:
        """See `BackupClient.status`."""
        return await self._run(lambda client, _: client.status(ask_server=ask_server))

    async def _run(self, operation: Callable[[BackupClient, Bridge[Any]], T]) -> T:
        bridge: Bridge[T] = Bridge()
        client = replace(
            self.client,
            directory=replace(self.client.directory, sleep=bridge.sleep),
            transport=None if self.transport is None else BridgedTransport(bridge, self.transport),
            sleep=bridge.sleep,
            on_step=bridge.to_sync(self.client.on_step),
        )
        return await bridge.run(lambda: operation(client, bridge))


def _secret(bridge: Bridge[Any], secret: AsyncSecret) -> Secret:
    return secret if isinstance(secret, SealingKey) else _new_secret(bridge, secret)


def _new_secret(bridge: Bridge[Any], secret: AsyncNewSecret) -> NewSecret:
    return secret if isinstance(secret, str) else bridge.to_sync(secret)
