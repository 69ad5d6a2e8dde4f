"""The keys of one operation, from a password or a kept key, with as few key derivations as possible."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from obscura_backup_client.operations.results import Step
from obscura_backup_client.sealing.errors import DifferentKey, PasswordUnchanged, WeakKey, WrongPassword
from obscura_backup_client.sealing.kdf import ConfirmMemory, is_sealable, weakness
from obscura_backup_client.sealing.passwords import MAX_PASSWORD_ATTEMPTS, normalize, require_settable
from obscura_backup_client.sealing.sealed import OpenedBackup, RandomBytes, SealingKey, derive_key, open_sealed

if TYPE_CHECKING:
    from uuid import UUID

    from obscura_backup_client.sealing.kdf_parameters import KdfParameters


class Purpose(StrEnum):
    """What a password is needed for.

    For `SET`, have it typed twice and show its strength. `RETRY` means that the password given for `OPEN` was wrong;
    raise `WrongPassword` or return the same one again to stop.
    """

    OPEN = "open"
    RETRY = "retry"
    SET = "set"


NewSecret = str | Callable[[Purpose], str]
"""A new password, or a function that returns it (for `SET`) when it is needed."""

Secret = SealingKey | NewSecret
"""A password, a kept key, or a function that returns the password when it is needed."""


@dataclass
class Unlocker:
    """The keys of one operation. Nothing of it is stored; it lives as long as the operation.

    `default` returns the parameters for new keys if the caller named none. `typed` is whether a person types the
    passwords.
    """

    secret: Secret = field(repr=False)
    user_id: UUID
    random: RandomBytes
    on_step: Callable[[Step], None]
    confirm_memory: ConfirmMemory
    default: Callable[[], KdfParameters]
    new_secret: NewSecret | None = field(default=None, repr=False)
    typed: bool = False
    # The key that is tried first, the password once it is known, and the key of the new password once it is derived.
    _known_key: SealingKey | None = field(default=None, init=False, repr=False)
    _typed: str | None = field(default=None, init=False, repr=False)
    _new_key: SealingKey | None = field(default=None, init=False, repr=False)
    # The keys that a password derived in this operation.
    _from_password: list[SealingKey] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        for secret in (self.secret, *([] if self.new_secret is None else [self.new_secret])):
            # Checked here, with a message that quotes nothing, and not after a slow derivation.
            if not (isinstance(secret, str | SealingKey) or callable(secret)):
                raise TypeError(f"a secret is a str, a SealingKey or a function, and not {type(secret).__name__}")
        if isinstance(self.secret, SealingKey):
            self._known_key = self.secret

    def open(self, blob: bytes) -> OpenedBackup:
        """Open a blob, with a known key if one fits, else with the password. The result names the key.

        Raises:
            What `open_sealed` raises; `DifferentKey` only if the caller gave a key and no password.
        """
        opened = self._open_by_key(blob) or self._open_by_password(blob)
        self._known_key = opened.key
        return opened

    def was_typed(self, key: SealingKey) -> bool:
        """Whether a person typed this key's password in this operation."""
        return self.typed and key in self._from_password

    def changes_password_of(self, key: SealingKey) -> bool:
        """Whether there is a new password, and a backup under this key is not sealed under it yet."""
        return self.new_secret is not None and key != self._new_key

    def sealing_key(self, opened_by: SealingKey | None, parameters: KdfParameters | None) -> SealingKey:
        """The key to seal with. It is derived only if the key that opened the backup does not fit.

        That key is used again if it is strong enough and has the wanted parameters: opening proved that an honest
        writer chose them, and not the server. A new password always gets a fresh salt.

        Args:
            opened_by: the key that opened the backup; None if nothing was opened, so that the password is being set.
            parameters: the parameters that the caller wants; None keeps the current ones, else the device's own.

        Raises:
            PasswordUnchanged: the new password is the one that opened the backup.
            WeakKey, DifferentKey: the caller gave a key and no password, and the key does not fit.
            And what `derive_key` raises.
        """
        if self.new_secret is not None:
            return self._key_of_new_password(self.new_secret, parameters)
        if isinstance(self.secret, SealingKey):
            return _kept(self.secret, parameters)
        if opened_by is not None and parameters in (None, opened_by.parameters) and is_sealable(opened_by.parameters):
            return opened_by
        password = self._password(Purpose.SET if opened_by is None else Purpose.OPEN)
        self._known_key = self._derived(password, parameters)
        return self._known_key

    def _open_by_key(self, blob: bytes) -> OpenedBackup | None:
        for key in (self._known_key, self._new_key):
            if key is not None:
                try:
                    return open_sealed(blob, key, self.user_id)
                except DifferentKey:
                    continue
        return None

    def _open_by_password(self, blob: bytes) -> OpenedBackup:
        password = self._password(Purpose.OPEN)
        for tries_left in reversed(range(MAX_PASSWORD_ATTEMPTS)):
            try:
                opened = self._open_by(blob, password)
            except WrongPassword:
                before, password = password, self._retyped(password, tries_left)
                if password == before:
                    break
            else:
                self._typed = password
                return opened
        if not isinstance(self.new_secret, str):
            raise WrongPassword
        # The response to an earlier change may have been lost: repeating the change must not fail for ever.
        opened = self._open_by(blob, self.new_secret)
        self._new_key = opened.key
        return opened

    def _retyped(self, password: str, tries_left: int) -> str:
        """Another password to try, or the same one if there is no function to ask."""
        if not tries_left or isinstance(self.secret, str | SealingKey):
            return password
        return _asked(self.secret, Purpose.RETRY)

    def _open_by(self, blob: bytes, password: str) -> OpenedBackup:
        self.on_step(Step.DERIVING)
        opened = open_sealed(blob, password, self.user_id, confirm=self.confirm_memory)
        self._from_password.append(opened.key)
        return opened

    def _key_of_new_password(self, secret: NewSecret, parameters: KdfParameters | None) -> SealingKey:
        if self._new_key is None:
            password = secret if isinstance(secret, str) else _asked(secret, Purpose.SET)
            # Known only if a password was given: a kept key does not reveal its password.
            if self._typed is not None and hmac.compare_digest(require_settable(password), normalize(self._typed)):
                raise PasswordUnchanged
            # Neither the old salt nor the old parameters are used again.
            self._new_key = self._derived(password, parameters)
        return self._new_key

    def _derived(self, password: str, parameters: KdfParameters | None) -> SealingKey:
        # Before the derivation, so that a refusal does not take a second.
        require_settable(password)
        self.on_step(Step.DERIVING)
        key = derive_key(password, parameters or self.default(), random=self.random)
        self._from_password.append(key)
        return key

    def _password(self, purpose: Purpose) -> str:
        """The password, asked for once per operation."""
        if isinstance(self.secret, SealingKey):
            raise DifferentKey
        if self._typed is None:
            self._typed = self.secret if isinstance(self.secret, str) else _asked(self.secret, purpose)
        return self._typed


def _kept(key: SealingKey, parameters: KdfParameters | None) -> SealingKey:
    """The key that the caller gave, if it may seal: without a password no other key can be derived.

    Raises:
        WeakKey: its parameters are too weak for sealing.
        DifferentKey: other parameters are wanted.
    """
    if parameters not in (None, key.parameters):
        raise DifferentKey
    if not is_sealable(key.parameters):
        raise WeakKey(weakness(key.parameters) or "it needs more memory than other devices may have")
    return key


def _asked(secret: Callable[[Purpose], str], purpose: Purpose) -> str:
    password = secret(purpose)
    if not isinstance(password, str):
        raise TypeError(f"the function gave {type(password).__name__} for a password, and not a str")
    return password
