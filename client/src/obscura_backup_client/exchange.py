"""One account's exchange with its server: fetch and check, merge, reserve, seal, send, remember."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from obscura_backup_client.errors import IdentityReplaced, NotConfirmed
from obscura_backup_client.merge import contacts_ahead, merge, merge_writers, replaces_identity
from obscura_backup_client.model import DEVICE_ID_BYTES, MAX_INTEGER, Backup, Writer
from obscura_backup_client.payload import decode, encode, require_writable
from obscura_backup_client.results import Doomed, PushResult, Step
from obscura_backup_client.rollback import content_sha256, remember, require_latest, require_never_seen
from obscura_backup_client.sealed import MAGIC, seal
from obscura_backup_client.transport_errors import BackupLost, NotFound, OutcomeUnknown, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable

    from obscura_backup_client.parameters import KdfParameters
    from obscura_backup_client.rollback import Remembered
    from obscura_backup_client.sealed import Random, SealingKey
    from obscura_backup_client.state import Account, State
    from obscura_backup_client.state_directory import LockedState
    from obscura_backup_client.transport import Described, Transport
    from obscura_backup_client.unlocking import Unlocker

# The digit of the sealed format, which must not go down from one fetch to the next.
FORMAT = int(MAGIC[3:])


@dataclass(frozen=True, slots=True)
class Remote:
    """What the server holds, opened and checked; without content where it lost the bytes and that was accepted.

    `latest` is False where a suspicion had to be accepted: other devices will have it, too.
    """

    version: int
    blob: bytes = field(default=b"", repr=False)
    content: Backup | None = field(default=None, repr=False)
    key: SealingKey | None = field(default=None, repr=False)
    latest: bool = True


@dataclass(frozen=True, slots=True)
class Exchange:
    """See the module."""

    transport: Transport
    account: Account
    random: Random
    now_ms: Callable[[], int]
    on_step: Callable[[Step], None]
    max_blob_bytes: int

    def holds_all_of(self, state: State) -> bool:
        """Whether the server still holds what this device last saw there, and this device has nothing new.

        It takes the server's word: a server that lies here withholds what other devices pushed, which it could do
        anyway by answering nothing at all.
        """
        known = state.remembered.get(self.account)
        if known is None or known.may_be_gone or not known.holds(state.content):
            # After a deletion whose outcome is unknown, only a fetch that finds the backup makes its absence odd again.
            return False
        self.on_step(Step.FETCHING)
        try:
            return is_same(known, self.transport.head())
        except (NotFound, BackupLost):
            # `fetch` looks into it, with the words that this deserves.
            return False

    def fetch(self, state: State | None, unlocker: Unlocker, *, accept_rollback: bool) -> Remote | None:
        """Fetch, open and check the server's backup; None when there is none and none was expected.

        Raises:
            RollbackSuspected: it is older than what `state` remembers, or gone. BackupLost: the server lost it. Neither
                when `accept_rollback`.
            What opening and decoding raise.
        """
        known = None if state is None else state.remembered.get(self.account)
        self.on_step(Step.FETCHING)
        try:
            fetched = self.transport.fetch()
        except NotFound:
            require_never_seen(known, accepted=accept_rollback)
            return None
        except BackupLost as lost:
            if not accept_rollback or lost.version is None:
                raise
            return Remote(lost.version)
        if fetched is None:  # only an answer to a condition, and there was none
            return None
        opened = unlocker.open(fetched.blob)
        content = decode(opened.payload)
        digest = sha256(fetched.blob).digest()
        latest = require_latest(known, content, digest, FORMAT, accepted=accept_rollback)
        return Remote(fetched.version, fetched.blob, content, opened.key, latest)

    def push(
        self, held: LockedState, unlocker: Unlocker, parameters: KdfParameters | None, *, accept_rollback: bool
    ) -> PushResult:
        """Merge what the server has and replace it, once.

        Raises:
            VersionMismatch: somebody was faster. What `BackupClient.push` raises.
        """
        state, merged = held.require(), False
        remote = self.fetch(state, unlocker, accept_rollback=accept_rollback)
        if remote is not None and remote.content is not None:
            before = content_sha256(state.content)
            state = self._merged(state, remote.content)
            merged = content_sha256(state.content) != before
            if remote.latest:
                # Seen is seen, whatever becomes of this push. What is older than seen is not: if the push fails, the
                # next one has to be an alarm again, and only what this one stores takes the memory's place.
                state = held.write(self.remembering(state, remote.content, remote.blob, remote.version))
            # An accepted rollback is always healed by an upload, whose new seq puts it above what any device saw.
            complete = remote.latest and state.remembered[self.account].holds(state.content)
            if complete and _sealed_as(remote, parameters):
                return self._result(state, remote.version, uploaded=False, merged=merged)
        require_writable(state.content)
        fresh = remote is None or remote.content is None
        key = unlocker.sealing_key(parameters, fresh=fresh)
        # Reserved, durably, before anything is sent: a seq that may have been seen is never used for other bytes.
        state = held.write(replace(state, seq=state.seq + 1))
        content = self._to_seal(state, new_password=fresh)
        blob = seal(encode(content), key, self.account.user_id, max_blob_bytes=self.max_blob_bytes, random=self.random)
        self.on_step(Step.SENDING)
        version = self.transport.push(blob, 0 if remote is None else remote.version)
        state = held.write(self.remembering(replace(state, content=content), content, blob, version))
        return self._result(state, version, uploaded=True, merged=merged, size_bytes=len(blob))

    def delete(self, held: LockedState, confirm: Callable[[Doomed], bool]) -> Doomed:
        """Look at what the server holds, ask, and delete just that.

        Raises:
            NotConfirmed: `confirm` said no. What `BackupClient.delete` raises.
        """
        state = held.state
        self.on_step(Step.FETCHING)
        doomed = self._doomed(state)
        if not confirm(doomed):
            raise NotConfirmed
        # Written down before it is asked for: its answer may be lost, and a deletion of our own is no alarm.
        before = self._expecting_absence(held)
        self.on_step(Step.DELETING)
        try:
            self.transport.delete(doomed.version)
        except OutcomeUnknown:
            raise
        except TransportError:
            if before is not None:
                held.write(before)
            raise
        return doomed

    def _doomed(self, state: State | None) -> Doomed:
        known = None if state is None else state.remembered.get(self.account)
        count = None if state is None else len(state.content.live_contacts)
        try:
            described = self.transport.head()
        except BackupLost as lost:
            if lost.version is None:
                raise
            return Doomed(lost.version, None, "", last_seen=False, local_contact_count=count)
        last_seen = known is not None and is_same(known, described)
        return Doomed(described.version, described.size_bytes, described.updated_at, last_seen, count)

    def _expecting_absence(self, held: LockedState) -> State | None:
        """The state as it was, if there was anything to note in it."""
        state = held.state
        known = None if state is None else state.remembered.get(self.account)
        if state is None or known is None:
            return None
        # The vector stays remembered: what this device pushes next is above it, and nothing older passes for newer.
        noted = replace(known, may_be_gone=True)
        held.write(replace(state, remembered={**state.remembered, self.account: noted}))
        return state

    def remembering(self, state: State, content: Backup, blob: bytes, version: int) -> State:
        """The state that remembers this sealed content as the latest of the account."""
        known = remember(content, blob, sealed_format=FORMAT, version=version)
        return replace(state, remembered={**state.remembered, self.account: known})

    def renewed_if_copied(self, state: State, remote: Backup) -> State:
        """The state under a new device id where another copy of it has sealed something already.

        A state directory that was copied, or brought back from a disk backup, would use the same seq for other bytes.
        """
        if remote.vector.get(state.device_id, 0) <= state.seq:
            return state
        return replace(state, device_id=self.random(DEVICE_ID_BYTES), seq=0)

    def _merged(self, state: State, remote: Backup) -> State:
        if replaces_identity(state.content, remote):
            raise IdentityReplaced(state.content.identity.epoch, remote.identity.epoch)
        return self.renewed_if_copied(replace(state, content=merge(state.content, remote)), remote)

    def _to_seal(self, state: State, *, new_password: bool) -> Backup:
        content = state.content
        return replace(
            content,
            writers=merge_writers(content.writers, [Writer(state.device_id, state.seq)]),
            key_epoch=content.key_epoch + new_password,
            # A clock before 1970 is wrong by far, and no reason not to back up: the time is shown and decides nothing.
            sealed_at_ms=min(max(0, self.now_ms()), MAX_INTEGER),
            device_name=state.device_name,
        )

    def _result(self, state: State, version: int, *, uploaded: bool, merged: bool, size_bytes: int = 0) -> PushResult:
        ahead = tuple(contact.user_id for contact in contacts_ahead(state.content, self.now_ms()))
        return PushResult(uploaded, version, len(state.content.live_contacts), size_bytes, merged, ahead)


def is_same(known: Remembered, described: Described) -> bool:
    """Whether the server describes the very backup that is remembered."""
    return known.version == described.version and described.sha256 in (None, known.sha256)


def _sealed_as(remote: Remote, parameters: KdfParameters | None) -> bool:
    return parameters is None or (remote.key is not None and remote.key.parameters == parameters)
