"""Two identities for one account: nothing is merged until the person decides, and then all devices agree."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obscura_backup_client.client import BackupClient
from obscura_backup_client.content.editing import NewContact
from obscura_backup_client.content.errors import IdentityConflict, IdentityReplaced
from obscura_backup_client.content.merge import Keep, merge, merge_keeping, same_identity
from obscura_backup_client.content.model import Backup
from obscura_backup_client.operations.results import RestorePreview
from support.client.contents import BOB, IDENTITY, backup, backups
from support.client.devices import KEY, Device, names, yes
from support.client.server_in_memory import ServerInMemory

OTHER = replace(IDENTITY, public_key=b"Q" * 32, private_key=b"T" * 32)


def public_key(client: BackupClient) -> bytes:
    return client.directory.read().content.identity.public_key


@pytest.fixture
def stranger(phone: BackupClient, device: Device) -> BackupClient:
    """The person's device with another identity and Bob; the server has the phone's backup."""
    phone.push(KEY)
    client = device("stranger")
    client.create("stranger")
    client.put_contacts([NewContact(BOB, "bob")])
    return client


def test_the_error_names_both_identities(phone: BackupClient, stranger: BackupClient) -> None:
    with pytest.raises(IdentityConflict) as conflict:
        stranger.push(KEY)
    assert conflict.value.local_public_key == public_key(stranger)
    assert conflict.value.remote_public_key == public_key(phone)


def test_keeping_theirs_takes_the_backups_identity_and_all_contacts(
    phone: BackupClient, stranger: BackupClient
) -> None:
    stranger.push(KEY, keep=Keep.THEIRS)
    assert public_key(stranger) == public_key(phone)
    assert names(stranger) == {"alice", "bob"}
    assert phone.push(KEY).merged.added == 1


def test_keeping_mine_pushes_this_devices_identity_and_other_devices_must_confirm(
    phone: BackupClient, stranger: BackupClient
) -> None:
    mine = public_key(stranger)
    stranger.push(KEY, keep=Keep.MINE)
    with pytest.raises(IdentityReplaced):
        phone.push(KEY)
    phone.restore(KEY, confirm=yes)
    assert public_key(phone) == public_key(stranger) == mine
    assert names(phone) == names(stranger) == {"alice", "bob"}
    assert not phone.push(KEY).uploaded


def test_a_restore_shows_whose_identity_stays(stranger: BackupClient) -> None:
    shown: list[RestorePreview] = []

    def look(found: RestorePreview) -> bool:
        shown.append(found)
        return True

    assert stranger.restore(KEY, confirm=look, keep=Keep.MINE).pending
    assert (shown[0].replaces_identity, shown[0].keeps_other_identity) == (False, True)


def test_a_newer_identity_can_be_refused_for_good(phone: BackupClient, stranger: BackupClient) -> None:
    stranger.push(KEY, keep=Keep.MINE)
    kept = public_key(phone)
    phone.push(KEY, keep=Keep.MINE)
    with pytest.raises(IdentityReplaced):
        stranger.push(KEY)
    stranger.restore(KEY, confirm=yes)
    assert public_key(stranger) == kept


def test_keep_has_no_effect_without_a_conflict(
    phone: BackupClient, laptop: BackupClient, server: ServerInMemory
) -> None:
    held = server.slot
    phone.push(KEY, keep=Keep.MINE)
    laptop.push(KEY, keep=Keep.THEIRS)
    assert server.slot == held


@given(backups(), backups(), st.integers(0, 3), st.integers(0, 3), st.sampled_from(Keep))
def test_the_kept_identity_wins_on_every_device(one: Backup, other: Backup, mine: int, theirs: int, keep: Keep) -> None:
    local = replace(one, identity=replace(one.identity, epoch=mine))
    remote = replace(other, identity=replace(OTHER, epoch=theirs))
    merged = merge_keeping(local, remote, keep)
    assert same_identity(merged, local if keep is Keep.MINE else remote)
    # A device with the replaced identity gets a newer one, and no endless conflict.
    loser = remote if keep is Keep.MINE else local
    if keep is Keep.MINE or theirs < mine:
        assert merged.identity.epoch > loser.identity.epoch
        assert merge(loser, merged).identity == merged.identity
    # Contacts do not depend on it.
    assert merged.contacts == merge(local, replace(remote, identity=local.identity)).contacts


def test_an_identity_that_is_newer_here_needs_no_decision() -> None:
    newer = backup(identity=replace(OTHER, epoch=2))
    assert merge_keeping(newer, backup(), None).identity == newer.identity
