"""The exact text and JSON of results."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from obscura_backup_client.cli.commands import status, verify
from obscura_backup_client.cli.terminal.attack_cost import dollars, parameters_facts, parameters_text
from obscura_backup_client.cli.terminal.wording import changes_facts, changes_text, contacts_text, timestamp_text
from obscura_backup_client.device.last_seen import BackupSummary
from obscura_backup_client.operations.results import (
    Changes,
    RemoteState,
    Status,
    VerifyResult,
)
from obscura_backup_client.sealing.kdf_parameters import PROFILES, KdfParameters
from support.table import table

MOMENT_MS = 1_772_000_000_999
KEY = bytes(range(32))
PARAMETERS = PROFILES["default"]
THERE = BackupSummary(3, MOMENT_MS, "pho\u200bne", 2, 1)
THERE_TEXT = "version 3, sealed 2026-02-25T06:13:20Z on pho\\u200bne, 2 contacts, password set once"
BEFORE = BackupSummary(4, MOMENT_MS, "", 1, 2)
BEFORE_TEXT = "version 4, sealed 2026-02-25T06:13:20Z on a device without a name, 1 contact, password set 2 times"
SOME = Changes(added=1, changed=2, removed=3, profile=True, identity=True)
SOME_TEXT = "1 contact added, 2 contacts changed, 3 contacts removed, another profile, ANOTHER IDENTITY"
USER = UUID(int=7)


def verified(**more: Any) -> VerifyResult:
    return VerifyResult(THERE, 1234, PARAMETERS, KEY, 5, more.pop("expected", None), **more)


def test_verify_without_an_identity_shows_the_opened_backup() -> None:
    assert verify._text(verified()).split("\n") == [
        f"Opened     {THERE_TEXT}, 1234 bytes",
        f"Sealed by  {PARAMETERS}",
        f"Identity   {KEY.hex()}, epoch 5",
    ]


def test_verify_with_an_identity_shows_the_differences() -> None:
    found = verified(
        expected=BEFORE,
        suspicions=("older", "other"),
        same_identity=False,
        incoming=SOME,
        outgoing=Changes(added=1),
        weakness="too few passes",
    )
    assert verify._text(found).split("\n")[3:] == [
        "WEAK       too few passes: the next push seals it again",
        "ALARM      not the latest backup that this device saw (older, other)",
        f"Last seen  {BEFORE_TEXT}",
        "Device     has ANOTHER IDENTITY",
        f"Incoming   {SOME_TEXT}",
        "Outgoing   1 contact added",
    ]


def test_verify_shows_that_nothing_differs() -> None:
    found = verified(expected=BEFORE, same_identity=True, incoming=Changes(), outgoing=Changes())
    assert verify._text(found).split("\n")[3:] == [
        f"Last seen  {BEFORE_TEXT}",
        "Device     has the same identity",
        "Incoming   nothing new for this device",
        "Outgoing   nothing new for the backup",
    ]


def test_verify_as_json_has_all_fields() -> None:
    bare = verify._facts(verified())
    assert bare == {
        "well": True,
        "found": {
            "version": 3,
            "sealed_at": "2026-02-25T06:13:20Z",
            "sealed_on": "pho\u200bne",
            "contacts": 2,
            "key_epoch": 1,
        },
        "expected": None,
        "suspicions": [],
        "size_bytes": 1234,
        "memory_kib": 131_072,
        "passes": 3,
        "lanes": 1,
        "weakness": None,
        "identity_public_key": KEY.hex(),
        "identity_epoch": 5,
        "same_identity": None,
        "incoming": None,
        "outgoing": None,
    }
    full = verify._facts(
        verified(expected=BEFORE, suspicions=("older",), weakness="why", incoming=SOME, outgoing=Changes())
    )
    assert (full["well"], full["suspicions"], full["weakness"]) == (False, ["older"], "why")
    assert full["expected"]["version"] == 4
    assert full["incoming"] == {"added": 1, "changed": 2, "removed": 3, "profile": True, "identity": True, "named": []}
    assert full["outgoing"] == {
        "added": 0,
        "changed": 0,
        "removed": 0,
        "profile": False,
        "identity": False,
        "named": [],
    }


def standing(**more: Any) -> Status:
    given = {"device_name": "phone", "removed_count": 0, **more}
    return Status(Path("/a/state"), b"\x01\x02", identity_public_key=KEY, identity_epoch=5, contact_count=2, **given)


def test_status_without_a_server_shows_this_device() -> None:
    assert status._text(standing()).split("\n") == [
        "State      /a/state",
        "Device     phone, 0102",
        f"Identity   {KEY.hex()}, epoch 5",
        "Contacts   2 contacts",
        "Server     not asked (no token)",
    ]


ACCOUNT: Any = SimpleNamespace(user_id=USER, server="https://backup.example")
KNOWN: Any = SimpleNamespace(
    version=6, sealed_at_ms=MOMENT_MS, device_name="", contact_count=1, password_typed_at_ms=MOMENT_MS
)
REMOTE_STATE_TEXTS: Any = SimpleNamespace(version=7, size_bytes=99, updated_at="a date")


def test_status_with_a_server_shows_the_backup() -> None:
    found = standing(
        device_name="",
        removed_count=3,
        account=ACCOUNT,
        last_seen=KNOWN,
        remote_state=RemoteState.CHANGED,
        remote=REMOTE_STATE_TEXTS,
    )
    assert status._text(found).split("\n")[1:] == [
        "Device     (no name), 0102",
        f"Identity   {KEY.hex()}, epoch 5",
        "Contacts   2 contacts, 3 more removed",
        f"Account    {USER} at https://backup.example",
        "Pushed     incomplete: this device has changes that were not pushed",
        "Last seen  version 6, sealed 2026-02-25T06:13:20Z on a device without a name, 1 contact",
        "Password   last typed on this device 2026-02-25T06:13:20Z",
        "Server     version 7: changed since this device last saw it",
    ]


@table(
    ("more", "says"),
    [
        ({"pending": False}, "everything"),
        ({"pending": False, "weakness": "why"}, "everything"),
        ({"weakness": "why"}, "sealed TOO WEAKLY when last seen (why): the next push seals it again"),
        ({}, "incomplete: this device has changes that were not pushed"),
    ],
)
def test_status_shows_the_effect_of_a_push(more: dict[str, Any], says: str) -> None:
    assert status._pushed(standing(**more)) == says


def test_every_remote_state_has_a_text() -> None:
    assert set(status.REMOTE_STATE_TEXTS) == {state.value for state in RemoteState}


def test_status_as_json_has_all_fields() -> None:
    bare = status._facts(standing())
    assert bare == {
        "state": "/a/state",
        "device_id": "0102",
        "device_name": "phone",
        "identity_public_key": KEY.hex(),
        "identity_epoch": 5,
        "contacts": 2,
        "removed_contacts": 0,
        "pending": True,
        "weakness": None,
        "account": None,
        "last_seen": None,
        "undo_merged_at": None,
        "password_typed_at": None,
        "password_check_due": False,
        "remote": {"state": "not-asked", "version": None, "size_bytes": None, "updated_at": None, "deleted_at": None},
    }
    full = status._facts(standing(account=ACCOUNT, last_seen=KNOWN, remote=REMOTE_STATE_TEXTS, weakness="why"))
    assert full["account"] == {"server": "https://backup.example", "user_id": str(USER)}
    assert full["last_seen"] == {
        "version": 6,
        "sealed_at": "2026-02-25T06:13:20Z",
        "sealed_on": "",
        "contacts": 1,
    }
    assert (full["remote"]["version"], full["remote"]["size_bytes"], full["remote"]["updated_at"]) == (7, 99, "a date")
    assert full["weakness"] == "why"
    assert full["password_typed_at"] == "2026-02-25T06:13:20Z"


@table(("count", "text"), [(0, "0 contacts"), (1, "1 contact"), (2, "2 contacts")])
def test_the_number_of_contacts_is_shown_in_words(count: int, text: str) -> None:
    assert contacts_text(count) == text


def test_changes_are_shown_in_words() -> None:
    assert changes_text(Changes()) == ""
    assert changes_text(SOME) == SOME_TEXT
    assert changes_facts(SOME) == {
        "added": 1,
        "changed": 2,
        "removed": 3,
        "profile": True,
        "identity": True,
        "named": [],
    }


@table(
    ("milliseconds", "text"),
    [(0, "1970-01-01T00:00:00Z"), (999, "1970-01-01T00:00:00Z"), (MOMENT_MS, "2026-02-25T06:13:20Z"),
     (2**53, "9007199254740992 ms")],
)  # fmt: skip
def test_a_time_is_shown_to_the_second(milliseconds: int, text: str) -> None:
    assert timestamp_text(milliseconds) == text


@table(
    ("parameters", "text"),
    [
        (KdfParameters(131_072, 3, 1), "128 MiB, 3 passes"),
        (KdfParameters(1536, 1, 1), "1536 KiB, 1 pass"),
        (KdfParameters(0, 2, 4), "0 KiB, 2 passes, 4 lanes"),
    ],
)
def test_parameters_are_shown_in_short(parameters: KdfParameters, text: str) -> None:
    assert parameters_text(parameters) == text
    assert parameters_facts(parameters) == {
        "memory_kib": parameters.memory_kib,
        "passes": parameters.passes,
        "lanes": parameters.lanes,
    }


@table(("amount", "text"), [(0.4, "$0"), (1.26, "$1"), (126.0, "$130"), (1_234_567.0, "$1,200,000")])
def test_an_estimate_is_rounded_to_two_digits(amount: float, text: str) -> None:
    assert dollars(amount) == text
