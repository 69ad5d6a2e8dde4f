"""Turning what the caller knows, a password or a kept key, into the keys of one operation, as seldom as possible."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from obscura_backup_client.errors import DifferentKey, RefusedParameters
from obscura_backup_client.parameters import DEFAULT_PROFILE, Confirm, KdfParameters, require_sealable
from obscura_backup_client.passwords import require_settable
from obscura_backup_client.results import Step
from obscura_backup_client.sealed import Opened, Random, SealingKey, derive_key, open_sealed

if TYPE_CHECKING:
    from uuid import UUID


class Purpose(StrEnum):
    """What a password is asked for: `SET` is the moment to have it typed twice and to show its strength."""

    OPEN = "open"
    SET = "set"


Secret = str | SealingKey | Callable[[Purpose], str]
"""A password, a kept key, or a function that is asked for the password only when one is needed."""


@dataclass
class Unlocker:
    """The keys of one operation. It lives as long as the operation: nothing in it is written down anywhere."""

    secret: Secret = field(repr=False)
    user_id: UUID
    random: Random
    on_step: Callable[[Step], None]
    confirm_memory: Confirm
    key: SealingKey | None = field(default=None, init=False, repr=False)

    def open(self, blob: bytes) -> Opened:
        """Open a blob, with the key at hand if it fits and by the password otherwise.

        Raises:
            What `open_sealed` raises; `DifferentKey` only where the caller gave a key and no password.
        """
        held = self.secret if isinstance(self.secret, SealingKey) else self.key
        if held is not None:
            try:
                return self._opened(open_sealed(blob, held, self.user_id))
            except DifferentKey:
                if isinstance(self.secret, SealingKey):
                    raise
        password = self._password(Purpose.OPEN)
        self.on_step(Step.DERIVING)
        return self._opened(open_sealed(blob, password, self.user_id, confirm=self.confirm_memory))

    def sealing_key(self, parameters: KdfParameters | None, *, fresh: bool) -> SealingKey:
        """The key to seal with, derived only where the one at hand will not do.

        A key that opened the backup before is used again if it is strong enough and its parameters are wanted:
        fully opening it proved that they are an honest writer's choice and not the server's.

        Args:
            parameters: what the caller explicitly wants, or None for whatever is in use, else the default profile.
            fresh: nothing was opened, so that the password is being set.

        Raises:
            What `derive_key` raises.
        """
        if isinstance(self.secret, SealingKey):
            return self.secret
        if not fresh and self.key is not None and self._suits(self.key, parameters):
            return self.key
        password = self._password(Purpose.SET if fresh else Purpose.OPEN)
        # Before the derivation starts: a refusal should not take a second to arrive.
        require_settable(password)
        self.on_step(Step.DERIVING)
        self.key = derive_key(password, parameters or DEFAULT_PROFILE, random=self.random)
        return self.key

    def _suits(self, key: SealingKey, parameters: KdfParameters | None) -> bool:
        if parameters is not None:
            return key.parameters == parameters
        try:
            require_sealable(key.parameters)
        except RefusedParameters:
            return False
        return True

    def _opened(self, opened: Opened) -> Opened:
        self.key = opened.key
        return opened

    def _password(self, purpose: Purpose) -> str:
        if isinstance(self.secret, SealingKey):
            raise DifferentKey
        if not isinstance(self.secret, str):
            # Asked for once an operation: what was typed for one purpose serves the others.
            self.secret = self.secret(purpose)
        return self.secret
