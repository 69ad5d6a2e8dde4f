"""The part of the client that asks the server and changes nothing there."""

from __future__ import annotations

import random as random_module
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from obscura_backup_client.device import calibrated_parameters
from obscura_backup_client.device.directory import StateDirectory
from obscura_backup_client.device.state import Account
from obscura_backup_client.local_client import LocalClient
from obscura_backup_client.operations.keys import NewSecret, Secret, Unlocker
from obscura_backup_client.operations.push import BackupSession
from obscura_backup_client.operations.results import Step
from obscura_backup_client.operations.status import read_status
from obscura_backup_client.operations.verify import verify
from obscura_backup_client.sealing.kdf import refuse_memory
from obscura_backup_client.sealing.kdf_parameters import DEFAULT_PROFILE
from obscura_backup_client.sealing.sealed import DEFAULT_MAX_BLOB_BYTES
from obscura_backup_client.transport.errors import NotFound, TokenUnusable
from obscura_backup_client.transport.interface import DEFAULT_SERVER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self

    from obscura_backup_client.operations.results import Status, VerifyResult
    from obscura_backup_client.sealing.kdf import ConfirmMemory
    from obscura_backup_client.transport.interface import FetchedBackup, Transport


@dataclass(frozen=True)
class ReadingClient(LocalClient):
    """One device's state, and what it can learn from the server.

    Args:
        transport: sends requests to the server; None without a server.
        account: the user and the server.
        sleep: waits for a number of seconds.
        jitter: returns a random number from 0 to 1.
        on_step: called before each slow step.
        max_blob_bytes: the largest sealed backup, checked before sealing.
        password_is_typed: whether a person types the passwords that are given as secrets. False for passwords from a
            file or a key store: opening a backup with these does not show that the person still knows them.
    """

    transport: Transport | None = None
    account: Account | None = None
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random_module.random
    on_step: Callable[[Step], None] = lambda _step: None
    max_blob_bytes: int = DEFAULT_MAX_BLOB_BYTES
    password_is_typed: bool = True

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
    ) -> Self:
        """Create a client for a state directory and, with a token, for the backup of the token's user.

        Args:
            state: the state directory.
            server: the server's address.
            token: a JWT; white space at its ends is dropped. None for a client without a server.
            user_claim: the claim of the token with the user's id, as on the server.
            allow_insecure_http: allow sending the token over plain http to another machine.
            password_is_typed: see the class.

        Raises:
            TokenUnusable: the token is not a JWT, or its claim `user_claim` is not a UUID.
            ServerRefused: the token may not be sent to this address.
            StateUnusable: the path begins with `~`, and there is no such home directory.
        """
        directory = StateDirectory.at(state)
        if token is None:
            return cls(directory, password_is_typed=password_is_typed)
        # Imported here so that clients without a server do not load the network.
        from obscura_backup_client.transport.bearer_token import user_id_of
        from obscura_backup_client.transport.blocking_transport import HttpTransport

        user_id = user_id_of(token, user_claim)
        transport = HttpTransport(server, token, allow_insecure_http=allow_insecure_http)
        account = Account(transport.server, user_id)
        return cls(directory, transport=transport, account=account, password_is_typed=password_is_typed)

    def verify(self, secret: Secret, *, confirm_memory: ConfirmMemory = refuse_memory) -> VerifyResult:
        """Fetch and open the backup, and compare it with this device. Changes neither.

        If a typed password opened it, this device records when, so that `status` need not suggest it for a while.

        Args:
            secret: as for `push`.
            confirm_memory: as for `push`.

        Raises:
            WrongPassword, Damaged, NotABackup, NewerFormat, RefusedParameters, PayloadError: it cannot be opened.
            RollbackSuspected: there is no backup, although this device has seen one.
            NotFound: there is no backup.
            BackupLost and other transport errors: the backup cannot be fetched.
        """
        session = self._session()
        return verify(session, self.directory, self._unlocker(session, secret, confirm_memory))

    def fetch_sealed(self) -> FetchedBackup:
        """Fetch the sealed backup as it is, without opening it. Needs no password and no identity.

        Raises:
            NotFound: there is no backup.
            BackupLost and other transport errors: the backup cannot be fetched.
        """
        session = self._session()
        session.on_step(Step.FETCHING)
        fetched = session.transport.fetch()
        if fetched is None:  # only for a conditional request, and this is none
            raise NotFound
        return fetched

    def status(self, *, ask_server: bool = True) -> Status:
        """Compare this device with the server's backup, by a HEAD request and without a password.

        Args:
            ask_server: False for what this device knows by itself, for instance after a `TransportError`.

        Raises:
            StateMissing: there is no identity yet.
            TransportError: the server cannot be asked.
        """
        transport = self.transport if ask_server else None
        return read_status(self.directory.path, self.directory.read(), self.account, transport, self.now_ms())

    def _session(self) -> BackupSession:
        if self.transport is None or self.account is None:
            raise TokenUnusable(
                "no token was given; use --token-file or OBSCURA_TOKEN, so that the server knows the user"
            )
        return BackupSession(self.transport, self.account, self.random, self.now_ms, self.on_step, self.max_blob_bytes)

    def _unlocker(
        self, session: BackupSession, secret: Secret, confirm_memory: ConfirmMemory, new_secret: NewSecret | None = None
    ) -> Unlocker:
        return Unlocker(
            secret,
            session.account.user_id,
            self.random,
            self.on_step,
            confirm_memory,
            lambda: calibrated_parameters.read(self.directory) or DEFAULT_PROFILE,
            new_secret,
            typed=self.password_is_typed,
        )
