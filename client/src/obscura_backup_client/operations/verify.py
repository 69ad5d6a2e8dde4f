"""Opening the server's backup and comparing it, without changes to either content."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from obscura_backup_client.content.codec import decode
from obscura_backup_client.content.merge import future_dated_contacts, merge, same_identity
from obscura_backup_client.device.errors import StateError
from obscura_backup_client.operations.changes import changes
from obscura_backup_client.operations.push import FORMAT
from obscura_backup_client.operations.results import Step, VerifyResult
from obscura_backup_client.operations.rollback import require_absence_expected, summary_of, suspicions
from obscura_backup_client.sealing.kdf import weakness
from obscura_backup_client.transport.errors import NotFound

if TYPE_CHECKING:
    from obscura_backup_client.device.directory import StateDirectory
    from obscura_backup_client.operations.keys import Unlocker
    from obscura_backup_client.operations.push import BackupSession


def verify(session: BackupSession, directory: StateDirectory, unlocker: Unlocker) -> VerifyResult:
    """See `BackupClient.verify`, which says what is raised."""
    state = directory.read_or_none()
    known = None if state is None else state.last_seen.get(session.account)
    session.on_step(Step.FETCHING)
    try:
        fetched = session.transport.fetch()
    except NotFound:
        require_absence_expected(known)
        raise
    if fetched is None:  # only for a conditional request, and this is none
        raise NotFound
    opened = unlocker.open(fetched.blob)
    content = decode(opened.payload)
    if known is not None and unlocker.was_typed(opened.key):
        _record_typed_password(session, directory, content.key_epoch)
    verified = VerifyResult(
        found=summary_of(content, fetched.version),
        size_bytes=len(fetched.blob),
        parameters=opened.key.parameters,
        identity_public_key=content.identity.public_key,
        identity_epoch=content.identity.epoch,
        expected=None if known is None else known.summary,
        suspicions=() if known is None else suspicions(known, content, sha256(fetched.blob).digest(), FORMAT),
        future_dated=tuple(contact.user_id for contact in future_dated_contacts(content, session.now_ms())),
        weakness=weakness(opened.key.parameters),
    )
    if state is None:
        return verified
    local = state.content
    # Compared separately, so that contacts can be compared even if the identities differ.
    merged = merge(local.with_same_contacts(identity=content.identity), content)
    return replace(
        verified,
        same_identity=same_identity(local, content),
        incoming=replace(changes(local, merged), identity=False),
        outgoing=changes(content, merged),
    )


def _record_typed_password(session: BackupSession, directory: StateDirectory, key_epoch: int) -> None:
    """Record that the password of the backup that this device last saw was typed now.

    Best effort: a state that is in use or cannot be written is no reason for `verify` to fail.
    """
    with suppress(StateError), replace(directory, lock_wait_seconds=0).locked() as locked_state:
        state = locked_state.state
        known = None if state is None else state.last_seen.get(session.account)
        # Another epoch is another password, of which nothing is recorded here yet.
        if state is not None and known is not None and known.key_epoch == key_epoch:
            known = replace(known, password_typed_at_ms=session.clock_ms())
            locked_state.write(replace(state, last_seen={**state.last_seen, session.account: known}))
