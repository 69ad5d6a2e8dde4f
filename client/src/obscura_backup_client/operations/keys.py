"""Turning what the caller knows, a password or a kept key, into the keys of one operation, as seldom as possible."""

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
    """What a password is asked for.

    `SET` is the moment to have it typed twice and to show its strength. `RETRY` says that the one given for `OPEN` was
    wrong; who has no other one raises `WrongPassword`, or gives the same again, which ends it, too.
    """

    OPEN = "open"
    RETRY = "retry"
    SET = "set"


NewSecret = str | Callable[[Purpose], str]
"""A new password, or a function that is asked for it (with `SET`) once it is needed."""

Secret = SealingKey | NewSecret
"""A password, a kept key, or a function that is asked for the password only when one is needed."""


@dataclass
class Unlocker:
    """The keys of one operation. It lives as long as the operation: nothing in it is written down anywhere.

    `default` gives what to seal with where nothing is in use and the caller did not say.
    """

    secret: Secret = field(repr=False)
    user_id: UUID
    random: RandomBytes
    on_step: Callable[[Step], None]
    confirm_memory: ConfirmMemory
    default: Callable[[], KdfParameters]
    new_secret: NewSecret | None = field(default=None, repr=False)
    key: SealingKey | None = field(default=None, init=False, repr=False)
    _typed: str | None = field(default=None, init=False, repr=False)
    _new_key: SealingKey | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        for secret in (self.secret, *([] if self.new_secret is None else [self.new_secret])):
            # Told here, in words that quote nothing, and not after a derivation by whatever fails first.
            if not (isinstance(secret, str | SealingKey) or callable(secret)):
                raise TypeError(f"a secret is a str, a SealingKey or a function, and not {type(secret).__name__}")
        if isinstance(self.secret, SealingKey):
            self.key = self.secret

    @property
    def has_new_password(self) -> bool:
        """Whether what was opened last is sealed under the new password already."""
        return self._new_key is not None and self.key == self._new_key

    def open(self, blob: bytes) -> OpenedBackup:
        """Open a blob, with a key at hand if one fits and by the password otherwise.

        Raises:
            What `open_sealed` raises; `DifferentKey` only where the caller gave a key and no password.
        """
        opened = self._open_by_key(blob) or self._open_by_password(blob)
        self.key = opened.key
        return opened

    def sealing_key(self, parameters: KdfParameters | None, *, fresh: bool) -> SealingKey:
        """The key to seal with, derived only where the one at hand will not do.

        A key that opened the backup before is used again if it is strong enough and its parameters are wanted:
        fully opening it proved that they are an honest writer's choice and not the server's. A new password gets a
        fresh salt, always.

        Args:
            parameters: what the caller explicitly wants, or None for whatever is in use, else the device's own.
            fresh: nothing was opened, so that the password is being set.

        Raises:
            What `derive_key` raises. PasswordUnchanged: the new password is the one that opened the backup.
            WeakKey, DifferentKey: the caller gave a key and no password, and it will not do.
        """
        if self.new_secret is not None:
            return self._key_of_new_password(self.new_secret, parameters)
        if isinstance(self.secret, SealingKey):
            return _kept(self.secret, parameters)
        if not fresh and self.key is not None and self._suits(self.key, parameters):
            return self.key
        self.key = self._derived(self._password(Purpose.SET if fresh else Purpose.OPEN), parameters)
        return self.key

    def _open_by_key(self, blob: bytes) -> OpenedBackup | None:
        for key in (self.key, self._new_key):
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
        # The answer to an earlier change may have been lost: asking for it again must not fail for ever.
        opened = self._open_by(blob, self.new_secret)
        self._new_key = opened.key
        return opened

    def _retyped(self, password: str, tries_left: int) -> str:
        """Another password to try, or the same one where there is nobody to ask."""
        if not tries_left or isinstance(self.secret, str | SealingKey):
            return password
        return _asked(self.secret, Purpose.RETRY)

    def _open_by(self, blob: bytes, password: str) -> OpenedBackup:
        self.on_step(Step.DERIVING)
        return open_sealed(blob, password, self.user_id, confirm=self.confirm_memory)

    def _key_of_new_password(self, secret: NewSecret, parameters: KdfParameters | None) -> SealingKey:
        if self._new_key is None:
            password = secret if isinstance(secret, str) else _asked(secret, Purpose.SET)
            # Known only where a password was given: a kept key says nothing about the one behind it.
            if self._typed is not None and hmac.compare_digest(require_settable(password), normalize(self._typed)):
                raise PasswordUnchanged
            # Nothing that was in use says how to seal from now on: neither salt nor, unless wanted, parameters.
            self._new_key = self._derived(password, parameters)
        return self._new_key

    def _derived(self, password: str, parameters: KdfParameters | None) -> SealingKey:
        # Before the derivation starts: a refusal should not take a second to arrive.
        require_settable(password)
        self.on_step(Step.DERIVING)
        return derive_key(password, parameters or self.default(), random=self.random)

    def _suits(self, key: SealingKey, parameters: KdfParameters | None) -> bool:
        return parameters in (None, key.parameters) and is_sealable(key.parameters)

    def _password(self, purpose: Purpose) -> str:
        """The password, asked for once an operation: what was typed for one purpose serves the others."""
        if isinstance(self.secret, SealingKey):
            raise DifferentKey
        if self._typed is None:
            self._typed = self.secret if isinstance(self.secret, str) else _asked(self.secret, purpose)
        return self._typed


def _kept(key: SealingKey, parameters: KdfParameters | None) -> SealingKey:
    """The key that the caller gave, for want of a password that another one could be derived from.

    Raises:
        WeakKey: nothing may be sealed under it. DifferentKey: other parameters are wanted.
    """
    if parameters not in (None, key.parameters):
        raise DifferentKey
    if not is_sealable(key.parameters):
        raise WeakKey(weakness(key.parameters) or "it takes more memory than other devices may have")
    return key


def _asked(secret: Callable[[Purpose], str], purpose: Purpose) -> str:
    password = secret(purpose)
    if not isinstance(password, str):
        raise TypeError(f"the function gave {type(password).__name__} for a password, and not a str")
    return password
