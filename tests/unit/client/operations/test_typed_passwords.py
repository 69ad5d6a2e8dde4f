"""The device records when the password was last typed, and suggests `verify` after 30 days."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from obscura_backup_client.client import BackupClient
from obscura_backup_client.content.editing import NewContact
from obscura_backup_client.device.errors import StateDamaged
from obscura_backup_client.device.state import decode_state, encode_state
from obscura_backup_client.sealing.errors import WrongPassword
from support.client.contents import BOB, NOW_MS
from support.client.devices import ACCOUNT, LOW_MEMORY, Device, yes

pytestmark = pytest.mark.usefixtures("cheap_kdf")

PASSWORD = "correct horse battery"
NEW_PASSWORD = "another horse battery"
DAY_MS = 24 * 60 * 60 * 1000


def typed_at(client: BackupClient) -> int | None:
    return client.directory.read().last_seen[ACCOUNT].password_typed_at_ms


def at(client: BackupClient, days: float) -> BackupClient:
    """The same device so many days later."""
    return replace(client, now_ms=lambda: NOW_MS + round(days * DAY_MS))


@pytest.fixture
def pushed(phone: BackupClient) -> BackupClient:
    """A device that pushed, with a typed password, on day 0."""
    phone = at(phone, 0)
    phone.push(PASSWORD, parameters=LOW_MEMORY)
    return phone


def test_setting_a_password_records_when_it_was_typed(pushed: BackupClient) -> None:
    assert typed_at(pushed) == NOW_MS


def test_a_restore_and_a_push_that_open_the_backup_record_it(pushed: BackupClient, device: Device) -> None:
    laptop = at(device("laptop"), 3)
    laptop.restore(PASSWORD, confirm=yes)
    assert typed_at(laptop) == NOW_MS + 3 * DAY_MS
    pushed.put_contacts([NewContact(BOB, "bob")])
    at(pushed, 4).push(PASSWORD)
    assert typed_at(pushed) == NOW_MS + 4 * DAY_MS


def test_verify_records_it_and_changes_nothing_else(pushed: BackupClient) -> None:
    before = pushed.directory.read()
    at(pushed, 5).verify(PASSWORD)
    assert typed_at(pushed) == NOW_MS + 5 * DAY_MS
    known = replace(pushed.directory.read().last_seen[ACCOUNT], password_typed_at_ms=NOW_MS)
    assert replace(pushed.directory.read(), last_seen={ACCOUNT: known}) == before


def test_a_wrong_password_is_not_recorded(pushed: BackupClient) -> None:
    with pytest.raises(WrongPassword):
        at(pushed, 5).verify(NEW_PASSWORD)
    assert typed_at(pushed) == NOW_MS


def test_neither_a_kept_key_nor_a_stored_password_is_recorded(pushed: BackupClient) -> None:
    key = pushed.push(PASSWORD, parameters=LOW_MEMORY).key
    assert key is not None
    pushed.put_contacts([NewContact(BOB, "bob")])
    at(pushed, 6).push(key)
    stored = replace(at(pushed, 7), password_is_typed=False)
    stored.verify(PASSWORD)
    stored.restore(PASSWORD, confirm=yes)
    assert typed_at(pushed) == NOW_MS


def test_a_new_password_that_was_not_typed_here_replaces_the_record(pushed: BackupClient, device: Device) -> None:
    laptop = device("laptop")
    laptop.restore(PASSWORD, confirm=yes)
    laptop.change_password(PASSWORD, NEW_PASSWORD, parameters=LOW_MEMORY)
    # The record is of another password until the phone has merged the change.
    at(pushed, 8).verify(NEW_PASSWORD)
    assert typed_at(pushed) == NOW_MS
    replace(at(pushed, 8), password_is_typed=False).push(NEW_PASSWORD)
    assert typed_at(pushed) is None
    at(pushed, 9).verify(NEW_PASSWORD)
    assert typed_at(pushed) == NOW_MS + 9 * DAY_MS


def test_verify_succeeds_while_another_process_uses_the_state(pushed: BackupClient) -> None:
    with pushed.directory.locked():
        assert at(pushed, 5).verify(PASSWORD).is_ok
    assert typed_at(pushed) == NOW_MS


def test_verify_without_an_identity_creates_no_directory(pushed: BackupClient, device: Device) -> None:
    assert device("new").verify(PASSWORD).is_ok
    assert not device("new").directory.path.exists()


@pytest.mark.parametrize(("days", "due"), [(0, False), (30, False), (30.1, True), (-0.9, False), (-1.1, True)])
def test_a_check_is_due_after_thirty_days(pushed: BackupClient, days: float, due: bool) -> None:  # noqa: FBT001
    assert at(pushed, days).status().password_check_due is due


def test_a_check_is_due_if_the_password_was_never_typed_here(phone: BackupClient) -> None:
    assert phone.status().password_check_due is False
    replace(phone, password_is_typed=False).push(PASSWORD, parameters=LOW_MEMORY)
    assert phone.status().password_check_due is True
    phone.verify(PASSWORD)
    assert phone.status().password_check_due is False


def test_no_check_is_due_for_a_deleted_backup(pushed: BackupClient) -> None:
    pushed.delete(confirm=lambda _: True)
    assert at(pushed, 60).status().password_check_due is False


def test_a_clock_before_1970_leaves_a_readable_state(phone: BackupClient) -> None:
    replace(phone, now_ms=lambda: -5).push(PASSWORD, parameters=LOW_MEMORY)
    assert typed_at(phone) == 0


def test_the_record_survives_the_state_file_and_is_optional_there(pushed: BackupClient) -> None:
    state = pushed.directory.read()
    document = json.loads(encode_state(state))
    assert document["remembered"][0].pop("password_typed_at_ms") == NOW_MS
    old = decode_state(json.dumps(document).encode(), Path("state.json"))
    assert old.last_seen[ACCOUNT] == replace(state.last_seen[ACCOUNT], password_typed_at_ms=None)


@pytest.mark.parametrize("value", [-1, "1", 1.5, True, []])
def test_an_invalid_record_is_damage(pushed: BackupClient, value: object) -> None:
    document = json.loads(encode_state(pushed.directory.read()))
    document["remembered"][0]["password_typed_at_ms"] = value
    with pytest.raises(StateDamaged):
        decode_state(json.dumps(document).encode(), Path("state.json"))
