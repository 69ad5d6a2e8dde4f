from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obscura_backup_client.client import BackupClient
from obscura_backup_client.content.editing import NewContact
from obscura_backup_client.content.errors import IdentityConflict, IdentityReplaced, NameRefused
from obscura_backup_client.content.merge import Keep, merge
from obscura_backup_client.content.model import Backup, Writer
from obscura_backup_client.device.directory import StateDirectory
from obscura_backup_client.device.errors import StateMissing
from obscura_backup_client.device.state import State
from obscura_backup_client.formats.errors import ExportRefused
from obscura_backup_client.formats.export_reading import MAX_AHEAD_MS, MAX_IMPORTED_COUNTER
from obscura_backup_client.formats.export_writing import encode_payload
from obscura_backup_client.operations import export
from obscura_backup_client.operations.errors import NotConfirmed
from obscura_backup_client.operations.export import ImportPreview, import_payload
from obscura_backup_client.operations.results import Changes
from support.client.contents import ALICE, BOB, NOW_MS, PHONE, backups
from support.client.devices import KEY, Device, names, yes


def agreed(_found: ImportPreview) -> bool:
    return True


def edited(exported: bytes, **contact: Any) -> bytes:
    """The export after a tool changed its first contact and removed the time of the edit."""
    document = json.loads(exported)
    del document["contacts"][0]["edited_at_ms"]
    document["contacts"][0].update(contact)
    return json.dumps(document).encode()


def test_an_export_makes_the_same_content_on_a_new_device(phone: BackupClient, device: Device) -> None:
    phone.push(KEY)
    tablet = device("tablet")
    found = tablet.import_payload(phone.export_payload(), confirm=agreed, new_device_name="tablet")
    mine, theirs = phone.directory.read(), tablet.directory.read()
    assert theirs.content == mine.content
    assert (theirs.device_name, theirs.seq, theirs.last_seen) == ("tablet", 0, {})
    assert theirs.device_id != mine.device_id
    assert (found.local_contact_count, found.contact_count, found.changes) == (None, 1, Changes(added=1))


def test_an_imported_content_can_be_pushed_beside_its_source(phone: BackupClient, device: Device) -> None:
    phone.push(KEY)
    tablet = device("tablet")
    tablet.import_payload(phone.export_payload(), confirm=agreed)
    tablet.remove_contact(ALICE)
    tablet.push(KEY)
    phone.push(KEY)
    assert names(phone) == set()


def test_importing_the_present_content_neither_asks_nor_writes(phone: BackupClient) -> None:
    before = (phone.directory.path / "state.json").stat().st_ino

    def never(_found: ImportPreview) -> bool:
        raise AssertionError

    assert not phone.import_payload(phone.export_payload(), confirm=never).changes
    assert (phone.directory.path / "state.json").stat().st_ino == before


def test_the_later_edit_wins(phone: BackupClient) -> None:
    old = phone.export_payload()
    phone.remove_contact(ALICE)
    assert not phone.import_payload(old, confirm=agreed).changes
    assert names(phone) == set()


def test_an_entry_without_a_time_counts_as_edited_now(phone: BackupClient) -> None:
    before = phone.directory.read().content.contacts[0].stamp_ms
    found = phone.import_payload(edited(phone.export_payload(), username="alicia"), confirm=agreed)
    assert found.changes == Changes(changed=1)
    assert names(phone) == {"alicia"}
    assert phone.directory.read().content.contacts[0].stamp_ms > before


def test_an_unchanged_entry_without_a_time_keeps_its_stamp(phone: BackupClient) -> None:
    before = phone.directory.read()
    assert not phone.import_payload(edited(phone.export_payload()), confirm=agreed).changes
    assert phone.directory.read() == before


def test_a_removal_without_a_time_counts_as_removed_now(phone: BackupClient) -> None:
    exported = edited(phone.export_payload(), removed=True, username="", identity_key="")
    assert phone.import_payload(exported, confirm=agreed).changes == Changes(removed=1)
    assert names(phone) == set()


def test_removing_an_unknown_contact_without_a_time_changes_nothing(phone: BackupClient) -> None:
    exported = edited(phone.export_payload(), user_id=str(BOB), removed=True, username="", identity_key="")
    assert not phone.import_payload(exported, confirm=agreed).changes
    assert names(phone) == {"alice"}


def test_unknown_fields_of_an_entry_survive_an_edit(phone: BackupClient, device: Device) -> None:
    exported = edited(phone.export_payload(), username="alicia", unknown_fields={"9": "SAc="})
    for client in (phone, device("tablet")):
        client.import_payload(exported, confirm=agreed)
        assert client.directory.read().content.contacts[0].unknown == ((9, b"\x48\x07"),)


def test_a_profile_without_a_time_counts_as_edited_now(phone: BackupClient) -> None:
    phone.set_profile("old", b"D" * 32)
    document = json.loads(phone.export_payload())
    del document["profile"]["edited_at_ms"]
    document["profile"].update(attachment_id="new", unknown_fields={"9": "SAc="})
    assert phone.import_payload(json.dumps(document).encode(), confirm=agreed).changes == Changes(profile=True)
    profile = phone.directory.read().content.profile
    assert profile is not None
    assert (profile.attachment_id, profile.unknown) == ("new", ((9, b"\x48\x07"),))


def test_contacts_alone_are_merged_without_an_identity(phone: BackupClient, device: Device) -> None:
    other = device("other")
    other.create()
    other.import_payload(phone.export_payload(with_identity=False), confirm=agreed)
    assert names(other) == {"alice"}


def test_contacts_without_an_identity_make_no_new_device(phone: BackupClient, device: Device) -> None:
    tablet = device("tablet")
    with pytest.raises(ExportRefused) as refused:
        tablet.import_payload(phone.export_payload(with_identity=False), confirm=agreed)
    assert refused.value.location == "identity"
    with pytest.raises(StateMissing):
        tablet.directory.read()


def test_nothing_changes_without_a_confirmation(phone: BackupClient, device: Device) -> None:
    exported = edited(phone.export_payload(), username="alicia")
    with pytest.raises(NotConfirmed):
        phone.import_payload(exported, confirm=lambda _: False)
    assert names(phone) == {"alice"}
    tablet = device("tablet")
    with pytest.raises(NotConfirmed):
        tablet.import_payload(exported, confirm=lambda _: False)
    with pytest.raises(StateMissing):
        tablet.directory.read()


def test_nothing_changes_if_one_entry_is_invalid(phone: BackupClient) -> None:
    before = phone.directory.read()
    document = json.loads(edited(phone.export_payload(), username="alicia"))
    document["contacts"].append({"user_id": str(BOB), "username": "bob\n"})
    with pytest.raises(NameRefused):
        phone.import_payload(json.dumps(document).encode(), confirm=agreed)
    assert phone.directory.read() == before


def test_another_identity_needs_a_decision(phone: BackupClient, device: Device) -> None:
    other = device("other")
    other.create()
    mine = phone.directory.read().content.identity
    theirs = other.directory.read().content.identity
    with pytest.raises(IdentityConflict):
        phone.import_payload(other.export_payload(), confirm=agreed)
    found = phone.import_payload(other.export_payload(), confirm=agreed, keep=Keep.MINE)
    assert (found.keeps_other_identity, found.replaces_identity) == (True, False)
    assert phone.directory.read().content.identity.private_key == mine.private_key
    found = phone.import_payload(other.export_payload(), confirm=agreed, keep=Keep.THEIRS)
    assert (found.keeps_other_identity, found.replaces_identity) == (False, True)
    assert phone.directory.read().content.identity.private_key == theirs.private_key


def test_a_newer_identity_needs_a_decision(phone: BackupClient, device: Device) -> None:
    other = device("other")
    other.create()
    document = json.loads(other.export_payload())
    document["identity"]["epoch"] = 9
    with pytest.raises(IdentityReplaced):
        phone.import_payload(json.dumps(document).encode(), confirm=agreed)


def test_a_file_with_a_higher_seq_of_this_device_gives_it_a_new_id(phone: BackupClient) -> None:
    """Otherwise it would use a seq that another copy of its state may have used for other bytes."""
    mine = phone.directory.read()
    document = json.loads(phone.export_payload())
    document["writers"] = [{"device_id": mine.device_id.hex(), "seq": 2**31}]
    phone.import_payload(json.dumps(document).encode(), confirm=agreed)
    renewed = phone.directory.read()
    assert renewed.device_id != mine.device_id
    assert phone.push(KEY).uploaded
    assert Writer(renewed.device_id, 1) in phone.directory.read().content.writers


@given(here=backups(), there=backups())
def test_importing_a_whole_export_is_merging(
    tmp_path_factory: pytest.TempPathFactory, here: Backup, there: Backup
) -> None:
    directory = StateDirectory(tmp_path_factory.mktemp("state"))
    with directory.locked() as held:
        held.write(State(PHONE, "phone", 5, here))
    import_payload(
        directory,
        encode_payload(there),
        confirm=agreed,
        keep=None,
        new_device_name="",
        random=os.urandom,
        now_ms=lambda: NOW_MS,
    )
    assert directory.read().content == merge(here, there)


@given(st.binary(max_size=100))
def test_random_bytes_are_refused(noise: bytes) -> None:
    with pytest.raises(ExportRefused):
        import_payload(
            StateDirectory.at("/dev/null/nowhere"),
            noise,
            confirm=agreed,
            keep=None,
            new_device_name="",
            random=os.urandom,
            now_ms=lambda: NOW_MS,
        )


def test_a_restored_device_exports_what_it_restored(laptop: BackupClient, phone: BackupClient) -> None:
    laptop.restore(KEY, confirm=yes)
    exported = json.loads(laptop.export_payload())
    assert exported["identity"] == json.loads(phone.export_payload())["identity"]
    assert [each["username"] for each in exported["contacts"]] == ["alice"]


def test_an_export_without_a_state_is_an_error(device: Device) -> None:
    with pytest.raises(StateMissing):
        device("tablet").export_payload()


def test_an_invalid_device_name_is_refused(phone: BackupClient, device: Device) -> None:
    with pytest.raises(NameRefused):
        device("tablet").import_payload(phone.export_payload(), confirm=agreed, new_device_name="a\nb")


def test_contacts_of_a_wrong_clock_are_reported(phone: BackupClient) -> None:
    document = json.loads(phone.export_payload())
    document["contacts"][0]["edited_at_ms"] = NOW_MS + MAX_AHEAD_MS
    assert phone.import_payload(json.dumps(document).encode(), confirm=agreed).future_dated == (ALICE,)


@pytest.mark.parametrize(
    ("path", "highest"),
    [
        ("key_epoch", MAX_IMPORTED_COUNTER),
        ("identity.epoch", MAX_IMPORTED_COUNTER),
        ("writers[0].seq", MAX_IMPORTED_COUNTER),
        ("contacts[0].edited_at_ms", NOW_MS + MAX_AHEAD_MS),
        ("profile.edited_at_ms", NOW_MS + MAX_AHEAD_MS),
        ("sealed_at_ms", NOW_MS + MAX_AHEAD_MS),
    ],
)
def test_a_number_too_high_to_count_on_from_is_refused_with_its_location(
    phone: BackupClient, path: str, highest: int
) -> None:
    phone = replace(phone, now_ms=lambda: NOW_MS)
    phone.set_profile("avatar", b"D" * 32)
    phone.push(KEY)
    *way, last = path.replace("[0]", "").split(".")
    before = phone.directory.read()
    for value in (2**53 - 1, 2**53 - 2, highest + 1, highest):
        document = json.loads(phone.export_payload())
        place = document[way[0]] if way else document
        (place[0] if isinstance(place, list) else place)[last] = value
        imported = json.dumps(document).encode()
        if value == highest:
            phone.import_payload(imported, confirm=agreed, keep=Keep.THEIRS)
            phone.put_contacts([NewContact(BOB, "bob")])
            continue
        with pytest.raises(ExportRefused) as refused:
            phone.import_payload(imported, confirm=agreed, keep=Keep.THEIRS)
        assert refused.value.location == path
        assert phone.directory.read() == before


def test_imports_leave_room_for_later_devices(phone: BackupClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "MAX_WRITERS_BY_IMPORT", 8)

    def with_writers(first: int, count: int) -> bytes:
        document = json.loads(phone.export_payload())
        document["writers"] = [{"device_id": f"{number:032x}", "seq": 1} for number in range(first, first + count)]
        return json.dumps(document).encode()

    phone.import_payload(with_writers(0, 8), confirm=agreed)
    for more in (with_writers(8, 1), with_writers(0, 9)):
        with pytest.raises(ExportRefused) as refused:
            phone.import_payload(more, confirm=agreed)
        assert refused.value.location == "writers"
    assert len(phone.directory.read().content.writers) == 8


def test_raised_counters_are_shown_before_the_import(phone: BackupClient) -> None:
    document = json.loads(phone.export_payload())
    document["key_epoch"] = 9
    document["identity"]["epoch"] = 7
    document["writers"] = [{"device_id": "0b" * 16, "seq": 3}]
    found = phone.import_payload(json.dumps(document).encode(), confirm=agreed)
    assert (found.key_epochs, found.identity_epochs, found.writer_changes) == ((0, 9), (1, 7), 1)
