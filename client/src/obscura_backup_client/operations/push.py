"""Fetching and pushing one account's backup: fetch and check, merge, reserve a number, seal, send, record."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from obscura_backup_client.content.codec import decode, encode
from obscura_backup_client.content.merge import future_dated_contacts, merge_keeping, merge_writers
from obscura_backup_client.content.model import MAX_INTEGER, Backup, Writer
from obscura_backup_client.content.rules import require_writable
from obscura_backup_client.device.state import with_new_id_if_copied, with_next_seq
from obscura_backup_client.operations.changes import changes
from obscura_backup_client.operations.errors import PushContended
from obscura_backup_client.operations.results import PushResult, Step
from obscura_backup_client.operations.rollback import last_seen_of, require_absence_expected, require_latest
from obscura_backup_client.operations.undo import with_undo_point
from obscura_backup_client.sealing.kdf import is_sealable, weakness
from obscura_backup_client.sealing.sealed import MAGIC, seal
from obscura_backup_client.transport.errors import BackupLost, NotFound, OutcomeUnknown, TransportError, VersionMismatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from obscura_backup_client.content.merge import Keep
    from obscura_backup_client.device.directory import LockedState
    from obscura_backup_client.device.last_seen import LastSeen
    from obscura_backup_client.device.state import Account, State
    from obscura_backup_client.operations.keys import Unlocker
    from obscura_backup_client.sealing.kdf_parameters import KdfParameters
    from obscura_backup_client.sealing.sealed import RandomBytes, SealingKey
    from obscura_backup_client.transport.interface import BackupMetadata, Transport

# The digit of the sealed format, which must not decrease from one fetch to the next.
FORMAT = int(MAGIC[3:])

# Enough for several devices that push at once. More conflicts mean that something pushes in a loop.
PUSH_ATTEMPTS = 5
FIRST_WAIT_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class RemoteBackup:
    """The server's backup, opened and checked.

    `latest` is False if a suspected rollback was accepted; other devices will suspect it too.
    """

    version: int
    blob: bytes = field(repr=False)
    content: Backup = field(repr=False)
    key: SealingKey = field(repr=False)
    latest: bool


@dataclass(frozen=True, slots=True)
class LostBackup:
    """The server lost the bytes of this version, and the person accepted that."""

    version: int


@dataclass(frozen=True, slots=True)
class PushOptions:
    """Options of a push; see `BackupClient.push`."""

    parameters: KdfParameters | None = None
    keep: Keep | None = None
    accept_rollback: bool = False


@dataclass(frozen=True, slots=True)
class BackupSession:
    """What one operation works with: the account, its transport, clock and randomness.

    Attributes:
        transport: sends requests to the server.
        account: the user and the server.
        random: returns unpredictable bytes.
        now_ms: returns the time in milliseconds since 1970.
        on_step: called before each slow step.
        max_blob_bytes: the largest sealed backup.
    """

    transport: Transport
    account: Account
    random: RandomBytes
    now_ms: Callable[[], int]
    on_step: Callable[[Step], None]
    max_blob_bytes: int

    def unchanged(self, state: State) -> PushResult | None:
        """The result if the server still has the backup that this device last saw, and this device has nothing new.

        None if there is something to push or to find out. This trusts the server: a lying server only withholds what
        other devices pushed, which it could also do by not responding.
        """
        known = state.last_seen.get(self.account)
        if known is None or known.may_be_gone or not known.includes(state.content):
            # After a deletion with an unknown outcome, a fetch must find the backup before its absence raises an alarm.
            return None
        if known.parameters is None or weakness(known.parameters):
            # Another program that knows the password sealed it too weakly, or this was not checked yet.
            return None
        self.on_step(Step.FETCHING)
        try:
            if not matches_last_seen(known, self.transport.head()):
                return None
        except (NotFound, BackupLost):
            # `fetch` handles this, and raises the right error.
            return None
        return PushResult(uploaded=False, version=known.version, contact_count=state.content.contact_count)

    def fetch(
        self, state: State | None, unlocker: Unlocker, *, accept_rollback: bool
    ) -> RemoteBackup | LostBackup | None:
        """Fetch, open and check the server's backup; None if there is none and none was expected.

        Raises:
            RollbackSuspected: it is older than the one that `state` last saw, or gone; not if `accept_rollback`.
            BackupLost: the server lost it; not if `accept_rollback`.
            And what opening and decoding raise.
        """
        known = None if state is None else state.last_seen.get(self.account)
        self.on_step(Step.FETCHING)
        try:
            fetched = self.transport.fetch()
        except NotFound:
            require_absence_expected(known, accepted=accept_rollback)
            return None
        except BackupLost as lost:
            if not accept_rollback or lost.version is None:
                raise
            return LostBackup(lost.version)
        if fetched is None:  # only for a conditional request, and this is none
            return None
        opened = unlocker.open(fetched.blob)
        content, version = decode(opened.payload), fetched.version
        latest = require_latest(
            known, content, fetched.blob, sealed_format=FORMAT, version=version, accepted=accept_rollback
        )
        return RemoteBackup(version, fetched.blob, content, opened.key, latest)

    def push_with_retries(
        self,
        locked_state: LockedState,
        unlocker: Unlocker,
        options: PushOptions,
        sleep: Callable[[float], None],
        jitter: Callable[[], float],
    ) -> PushResult:
        """Push, and try again after a wait if another device pushed meanwhile. The result has what was merged.

        Raises:
            PushContended: another device pushed meanwhile at every attempt.
            And what `push` raises.
        """
        before = locked_state.require()
        for attempt in range(PUSH_ATTEMPTS):
            if attempt:
                sleep(FIRST_WAIT_SECONDS * 2 ** (attempt - 1) * (0.5 + jitter()))
            try:
                result = self.push(locked_state, unlocker, options, before)
            except VersionMismatch:
                continue
            return replace(result, merged=changes(before.content, locked_state.require().content))
        raise PushContended(PUSH_ATTEMPTS)

    def push(
        self, locked_state: LockedState, unlocker: Unlocker, options: PushOptions, before: State | None = None
    ) -> PushResult:
        """Merge with the server's backup and replace it, in one attempt; `before` is the state before the first one.

        Raises:
            VersionMismatch: another device pushed meanwhile.
            NotFound: the password is to change, and there is no backup.
            And what `BackupClient.push` raises.
        """
        state = locked_state.require()
        remote = self.fetch(state, unlocker, accept_rollback=options.accept_rollback)
        if isinstance(remote, RemoteBackup):
            # A backup keeps its password unless a new one is set.
            new_password = unlocker.changes_password_of(remote.key)
            merged = self._merged(state, remote.content, options.keep)
            state = with_undo_point(merged, before or state, self.now_ms())
            if remote.latest:
                # Recorded even if this push fails later. An accepted older backup is not recorded: if the push fails,
                # the next one must raise the alarm again.
                state = locked_state.write(self.with_last_seen(state, remote, typed=unlocker.was_typed(remote.key)))
            # An accepted rollback is always repaired by an upload: its new seq is above what any device saw.
            complete = remote.latest and state.last_seen[self.account].includes(state.content)
            # A weakly sealed backup is always uploaded again: only that makes the password expensive to guess.
            if complete and not new_password and _may_stay_sealed(remote, options.parameters):
                return self._result(state, remote.version, remote.key, uploaded=False)
            # An accepted backup from before a password change brings the old password back, which is a new epoch.
            new_password = new_password or remote.content.key_epoch < state.content.key_epoch
        elif unlocker.new_secret is not None:
            raise NotFound if remote is None else BackupLost(remote.version)
        else:
            new_password = True
        require_writable(state.content)
        key = unlocker.sealing_key(remote.key if isinstance(remote, RemoteBackup) else None, options.parameters)
        # Reserved durably before sending: a seq that others may have seen is never used for other bytes.
        undo, state = state.undo, locked_state.write(replace(with_next_seq(state, self.random), undo=None))
        content = self._to_seal(state, new_password=new_password)
        blob = seal(encode(content), key, self.account.user_id, max_blob_bytes=self.max_blob_bytes, random=self.random)
        self.on_step(Step.SENDING)
        try:
            version = self.transport.push(blob, 0 if remote is None else remote.version)
        except OutcomeUnknown:
            raise
        except TransportError:
            # Nothing was stored, so a merge can still be undone.
            if undo is not None:
                locked_state.write(replace(state, undo=undo))
            raise
        uploaded = RemoteBackup(version, blob, content, key, latest=True)
        state = locked_state.write(
            self.with_last_seen(replace(state, content=content), uploaded, typed=unlocker.was_typed(key))
        )
        result = self._result(state, version, key, uploaded=True, size_bytes=len(blob))
        if isinstance(remote, RemoteBackup) and not is_sealable(remote.key.parameters):
            return replace(result, resealed_from=remote.key.parameters)
        return result

    def with_last_seen(self, state: State, seen: RemoteBackup, *, typed: bool) -> State:
        """The state that records this backup as the account's latest; `typed` is whether its password was typed."""
        before = state.last_seen.get(self.account)
        known = last_seen_of(
            seen.content, seen.blob, sealed_format=FORMAT, version=seen.version, parameters=seen.key.parameters
        )
        if typed:
            known = replace(known, password_typed_at_ms=self.clock_ms())
        elif before is not None and before.key_epoch == known.key_epoch:
            known = replace(known, password_typed_at_ms=before.password_typed_at_ms)
        return replace(state, last_seen={**state.last_seen, self.account: known})

    def clock_ms(self) -> int:
        """The time to record. A wrong clock must not prevent a backup: these times are only shown."""
        return min(max(0, self.now_ms()), MAX_INTEGER)

    def with_new_id_if_copied(self, state: State, remote: Backup) -> State:
        """See `state.with_new_id_if_copied`."""
        return with_new_id_if_copied(state, remote, self.random)

    def _merged(self, state: State, remote: Backup, keep: Keep | None) -> State:
        return self.with_new_id_if_copied(replace(state, content=merge_keeping(state.content, remote, keep)), remote)

    def _to_seal(self, state: State, *, new_password: bool) -> Backup:
        content = state.content
        return content.with_same_contacts(
            writers=merge_writers(content.writers, [Writer(state.device_id, state.seq)]),
            key_epoch=content.key_epoch + new_password,
            sealed_at_ms=self.clock_ms(),
            device_name=state.device_name,
        )

    def _result(
        self, state: State, version: int, key: SealingKey, *, uploaded: bool, size_bytes: int = 0
    ) -> PushResult:
        future_dated = tuple(contact.user_id for contact in future_dated_contacts(state.content, self.now_ms()))
        return PushResult(
            uploaded, version, state.content.contact_count, size_bytes, future_dated=future_dated, key=key
        )


def matches_last_seen(known: LastSeen, described: BackupMetadata) -> bool:
    """Whether the server's backup is the one that this device last saw."""
    return known.version == described.version and described.sha256 in (None, known.sha256)


def _may_stay_sealed(remote: RemoteBackup, wanted: KdfParameters | None) -> bool:
    return wanted in (None, remote.key.parameters) and not weakness(remote.key.parameters)
