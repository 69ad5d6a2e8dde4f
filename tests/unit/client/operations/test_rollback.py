from __future__ import annotations

from dataclasses import replace

import pytest

from obscura_backup_client.content.codec import content_sha256
from obscura_backup_client.content.model import Writer
from obscura_backup_client.device.last_seen import BackupSummary
from obscura_backup_client.operations.errors import RollbackSuspected
from obscura_backup_client.operations.rollback import (
    last_seen_of,
    require_absence_expected,
    require_latest,
)
from support.client.contents import ALICE, LAPTOP, NOW_MS, PHONE, backup, contact

BLOB, OTHER_BLOB = b"blob", b"other"
SEEN = backup(contact(), writers=(Writer(LAPTOP, 2), Writer(PHONE, 5)), key_epoch=1, sealed_at_ms=NOW_MS)
KNOWN = last_seen_of(SEEN, BLOB, sealed_format=1, version=3)


def test_the_alarm_names_every_reason() -> None:
    with pytest.raises(RollbackSuspected) as alarm:
        require_latest(KNOWN, replace(SEEN, writers=(), key_epoch=0), OTHER_BLOB, sealed_format=1, version=9)
    assert alarm.value.reasons == ("older-writers", "older-password")


def test_the_alarm_names_the_expected_and_the_received_backup() -> None:
    fetched = replace(backup(), device_name="tablet", sealed_at_ms=NOW_MS - 5)
    with pytest.raises(RollbackSuspected) as alarm:
        require_latest(KNOWN, fetched, OTHER_BLOB, sealed_format=1, version=9)
    assert alarm.value.expected == BackupSummary(3, NOW_MS, "", contact_count=1, key_epoch=1)
    assert alarm.value.found == BackupSummary(9, NOW_MS - 5, "tablet", contact_count=0, key_epoch=0)


def test_an_accepted_rollback_is_no_alarm() -> None:
    require_latest(KNOWN, backup(), OTHER_BLOB, sealed_format=1, version=9, accepted=True)


def test_a_new_device_suspects_nothing() -> None:
    require_latest(None, backup(), OTHER_BLOB, sealed_format=1, version=9)


def test_a_missing_backup_that_was_seen_is_an_alarm() -> None:
    with pytest.raises(RollbackSuspected) as alarm:
        require_absence_expected(KNOWN)
    assert (alarm.value.reasons, alarm.value.expected, alarm.value.found) == (("gone",), KNOWN.summary, None)


def test_an_accepted_absence_is_no_alarm() -> None:
    require_absence_expected(KNOWN, accepted=True)


def test_fields_that_each_sealing_changes_are_not_content() -> None:
    sealed_later = replace(SEEN, writers=(), sealed_at_ms=NOW_MS + 1, device_name="laptop")
    assert content_sha256(sealed_later) == content_sha256(SEEN)


def test_an_edit_is_a_change_of_content() -> None:
    assert content_sha256(replace(SEEN, contacts=(contact(ALICE, "new name"),))) != content_sha256(SEEN)
