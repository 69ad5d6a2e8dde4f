"""`undo` brings back what a device had before its last restore, merge or import, until the next push."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from obscura_backup_client.client import BackupClient
from obscura_backup_client.content.editing import NewContact
from obscura_backup_client.content.merge import Keep
from obscura_backup_client.device.errors import StateDamaged
from obscura_backup_client.device.state import State, decode_state, encode_state
from obscura_backup_client.operations.errors import NotConfirmed, NothingToUndo, PushContended, RollbackSuspected
from obscura_backup_client.operations.results import Changes, RemoteState, UndoPreview
from obscura_backup_client.transport.errors import OutcomeUnknown
from support.client.contents import ALICE, BOB
from support.client.devices import ACCOUNT, KEY, Device, names, yes
from support.client.server_in_memory import ServerInMemory


def agree(_found: UndoPreview) -> bool:
    return True


@pytest.fixture
def behind(phone: BackupClient, laptop: BackupClient) -> BackupClient:
    """The laptop, with Alice. The server's backup has Alice under another name, and Bob."""
    phone.put_contacts([NewContact(ALICE, "alicia"), NewContact(BOB, "bob")])
    phone.push(KEY)
    return laptop


def shown(state: State) -> Any:
    """What a person sees of a state."""
    content = state.content
    return content.identity, content.live_contacts, content.profile, state.device_name


def restored(client: BackupClient) -> object:
    return client.restore(KEY, confirm=yes, device_name="renamed")


def pushed(client: BackupClient) -> object:
    return client.push(KEY)


def imported(client: BackupClient) -> object:
    exported = json.loads(client.export_payload(with_identity=False))
    exported["contacts"].append({"user_id": str(BOB), "username": "bob"})
    return client.import_payload(json.dumps(exported).encode(), confirm=lambda _: True)


@pytest.mark.parametrize("merge", [restored, pushed, imported])
def test_a_restore_a_merge_or_an_import_is_undone(
    behind: BackupClient, merge: Callable[[BackupClient], object]
) -> None:
    before = shown(behind.directory.read())
    merge(behind)
    assert "bob" in names(behind)
    done = behind.undo(confirm=agree)
    assert (done.changes.removed, done.contact_count) == (1, 1)
    assert shown(behind.directory.read()) == before


def test_an_undo_is_possible_once(behind: BackupClient) -> None:
    restored(behind)
    behind.undo(confirm=agree)
    with pytest.raises(NothingToUndo):
        behind.undo(confirm=agree)


def test_the_preview_shows_what_changes_and_nothing_changes_without_a_yes(behind: BackupClient) -> None:
    restored(behind)
    behind.remove_contact(BOB)
    before, previews = behind.directory.read(), list[UndoPreview]()

    def refuse(found: UndoPreview) -> bool:
        previews.append(found)
        return False

    with pytest.raises(NotConfirmed):
        behind.undo(confirm=refuse)
    assert (previews[0].changes, previews[0].contact_count) == (Changes(changed=1), 1)
    assert previews[0].merged_at_ms == behind.status().undo_merged_at_ms
    assert behind.directory.read() == before


def test_an_identity_that_was_replaced_comes_back(phone: BackupClient, device: Device) -> None:
    phone.push(KEY)
    stranger = device("stranger")
    before = stranger.create("stranger")
    stranger.restore(KEY, confirm=yes, keep=Keep.THEIRS)
    assert stranger.undo(confirm=agree).changes.identity
    assert shown(stranger.directory.read()) == shown(before)


def test_restoring_twice_is_undone_to_before_the_first(behind: BackupClient) -> None:
    assert behind.restore(KEY, confirm=yes).can_undo
    assert not behind.restore(KEY, confirm=yes).can_undo
    behind.undo(confirm=agree)
    assert names(behind) == {"alice"}


def test_a_new_device_has_nothing_to_undo(phone: BackupClient, device: Device) -> None:
    phone.push(KEY)
    tablet = device("tablet")
    assert not tablet.restore(KEY, confirm=yes).can_undo
    for client in (tablet, phone):
        with pytest.raises(NothingToUndo):
            client.undo(confirm=agree)


# --- a push ends it ---


def test_after_an_upload_nothing_can_be_undone(behind: BackupClient) -> None:
    restored(behind)
    behind.remove_contact(ALICE)
    assert behind.push(KEY).uploaded
    assert behind.status().undo_merged_at_ms is None
    with pytest.raises(NothingToUndo):
        behind.undo(confirm=agree)


def test_a_push_that_uploads_nothing_does_not_end_it(behind: BackupClient) -> None:
    restored(behind)
    assert not behind.push(KEY).uploaded
    behind.undo(confirm=agree)
    assert names(behind) == {"alice"}


def test_an_upload_with_an_unknown_outcome_ends_it(behind: BackupClient, server: ServerInMemory) -> None:
    behind.remove_contact(ALICE)
    server.lose_next_answers = 1
    with pytest.raises(OutcomeUnknown):
        behind.push(KEY)
    with pytest.raises(NothingToUndo):
        behind.undo(confirm=agree)


def test_merges_of_contended_attempts_are_undone_together(
    behind: BackupClient, phone: BackupClient, server: ServerInMemory
) -> None:
    behind.put_contacts([NewContact(ALICE, "al")])
    before = shown(behind.directory.read())

    def push_from_the_phone(number: int) -> None:
        phone.put_contacts([NewContact(BOB, f"bob {number}")])
        phone.push(KEY)

    numbers = iter(range(100))

    def meanwhile() -> None:
        # The phone's own push must not be disturbed.
        waiting, server.meanwhile = server.meanwhile, []
        push_from_the_phone(next(numbers))
        server.meanwhile = waiting

    server.meanwhile = [meanwhile] * 5
    with pytest.raises(PushContended):
        behind.push(KEY)
    assert "bob 3" in names(behind)
    behind.undo(confirm=agree)
    assert shown(behind.directory.read()) == before


# --- after an undo ---


def test_after_an_undo_the_next_push_merges_the_backup_again(behind: BackupClient) -> None:
    restored(behind)
    behind.undo(confirm=agree)
    status = behind.status()
    assert (status.pending, status.remote_state) == (True, RemoteState.SAME)
    assert behind.push(KEY).merged == Changes(added=1, changed=1)
    assert names(behind) == {"alicia", "bob"}


@pytest.mark.usefixtures("cheap_kdf")
def test_an_undo_forgets_no_backup_that_this_device_saw(
    phone: BackupClient, laptop: BackupClient, server: ServerInMemory
) -> None:
    old = server.slot
    phone.put_contacts([NewContact(BOB, "bob")])
    phone.change_password(KEY, "another horse battery")
    key = phone.push("another horse battery", parameters=KEY.parameters).key
    assert key is not None
    laptop.restore(key, confirm=yes)
    seen = laptop.directory.read()
    laptop.undo(confirm=agree)
    after = laptop.directory.read()
    assert (after.last_seen, after.seq, after.device_id) == (seen.last_seen, seen.seq, seen.device_id)
    assert (after.content.vector, after.content.key_epoch) == (seen.content.vector, seen.content.key_epoch)
    server.slot = replace(old, version=9)
    with pytest.raises(RollbackSuspected):
        laptop.push(KEY)


# --- the state file ---


def test_what_is_kept_survives_the_state_file_and_is_optional_there(behind: BackupClient) -> None:
    restored(behind)
    state = behind.directory.read()
    assert state.undo is not None
    document = json.loads(encode_state(state))
    del document["undo"]
    assert decode_state(json.dumps(document).encode(), Path("state.json")) == replace(state, undo=None)


@pytest.mark.parametrize(
    "changed",
    [{"content": "!"}, {"content": None}, {"merged_at_ms": -1}, {"device_name": 5}],
    ids=["not Base64", "no content", "no time", "no name"],
)
def test_invalid_members_are_damage(behind: BackupClient, changed: dict[str, object]) -> None:
    restored(behind)
    document = json.loads(encode_state(behind.directory.read()))
    document["undo"] |= changed
    with pytest.raises(StateDamaged):
        decode_state(json.dumps(document).encode(), Path("state.json"))


def test_a_kept_content_that_is_damaged_prevents_only_the_undo(behind: BackupClient) -> None:
    restored(behind)
    with behind.directory.locked() as locked_state:
        state = locked_state.require()
        assert state.undo is not None
        locked_state.write(replace(state, undo=replace(state.undo, payload=b"\xff")))
    with pytest.raises(StateDamaged, match="what it kept for `undo`"):
        behind.undo(confirm=agree)
    assert behind.push(KEY).version == 2
    assert ACCOUNT in behind.directory.read().last_seen


def test_no_repr_shows_what_is_kept(behind: BackupClient) -> None:
    restored(behind)
    undo = behind.directory.read().undo
    assert undo is not None
    assert repr(undo.payload)[2:20] not in repr(behind.directory.read())
