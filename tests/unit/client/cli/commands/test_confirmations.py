"""What a person sees before a restore, a deletion or an import, and that nothing happens without a confirmation."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import UUID

from obscura_backup_client.cli.commands import delete, import_, restore
from obscura_backup_client.operations.results import Changes, DeletionPreview, RestorePreview
from obscura_backup_client.sealing.kdf_parameters import PROFILES, KdfParameters
from support.table import table

KEY = bytes(range(32))
PARAMETERS = PROFILES["default"]
USER = UUID(int=7)


class RecordingContext:
    """A command context that records notes and questions, and answers every question."""

    def __init__(self, *, answer: bool = True, assume_yes: bool = False) -> None:
        self.notes: list[str] = []
        self.asked: list[str] = []
        self.settings = SimpleNamespace(assume_yes=assume_yes)
        self.environment = SimpleNamespace(ask_yes=self._ask)
        self.future_dated: tuple[UUID, ...] = ()
        self._answer = answer

    def _ask(self, question: str) -> bool:
        self.asked.append(question)
        return self._answer

    def note(self, text: str) -> None:
        self.notes.append(text)

    def name_changes(self, changes: Changes, heading: str) -> None:
        self.named = (changes, heading)

    def warn_future_dated(self, ahead: tuple[UUID, ...]) -> None:
        self.future_dated = ahead


FOUND: dict[str, Any] = {
    "version": 3,
    "size_bytes": 1234,
    "sealed_at_ms": 1_772_000_000_999,
    "device_name": "pho\u200bne",
    "contact_count": 2,
    "identity_public_key": KEY,
    "replaces_identity": False,
    "keeps_other_identity": False,
    "local_contact_count": None,
    "parameters": PARAMETERS,
}
UNSEEN_WARNING = (
    "Warning: this device has not seen this version. Changes of other devices in it are lost, unless those devices "
    "push again."
)
PREVIEW = DeletionPreview(3, 1234, "a date", last_seen=True, local_contact_count=2)
PAYLOAD: dict[str, Any] = {
    "changes": Changes(added=1, changed=2, removed=3, profile=True),
    "local_contact_count": 1,
    "identity_public_key": KEY,
    "key_epochs": (1, 1),
    "identity_epochs": (1, 1),
    "writer_changes": 0,
    "replaces_identity": False,
    "keeps_other_identity": False,
    "future_dated": (USER,),
}


def asked_to_restore(context: Any, **more: Any) -> bool:
    return restore._confirmed(context, RestorePreview(**{**FOUND, **more}))


def asked_to_delete(context: Any, preview: DeletionPreview = PREVIEW) -> bool:
    return delete._confirmed(context, preview)


def asked_to_import(context: Any, **more: Any) -> bool:
    found: Any = SimpleNamespace(**{**PAYLOAD, **more})
    return import_._confirmed(context, found)


@table("ask", [asked_to_restore, asked_to_delete, asked_to_import])
@table(
    ("answer", "assume_yes", "agreed", "questions"),
    [(True, False, True, 1), (False, False, False, 1), (False, True, True, 0)],
)
def test_nothing_happens_without_a_confirmation(
    ask: Any, questions: int, *, answer: bool, assume_yes: bool, agreed: bool
) -> None:
    context = RecordingContext(answer=answer, assume_yes=assume_yes)
    assert ask(context) is agreed
    assert len(context.asked) == questions


def test_a_restore_shows_the_backup() -> None:
    context = RecordingContext()
    asked_to_restore(context, future_dated=(USER,))
    assert context.notes == [
        "Found version 3 (1234 bytes), sealed 2026-02-25T06:13:20Z",
        "  on         pho\\u200bne",
        "  contacts   2",
        f"  identity   {KEY.hex()}",
        f"  sealed by  {PARAMETERS}",
    ]
    assert context.future_dated == (USER,)


@table(
    ("more", "expected"),
    [
        ({"device_name": ""}, "a device without a name"),
        ({"local_contact_count": 1}, "It is merged with 1 contact on this device."),
        ({"local_contact_count": 0}, "It is merged with 0 contacts on this device."),
        ({"replaces_identity": True}, "ANOTHER IDENTITY, which replaces this device's keys"),
        ({"keeps_other_identity": True}, "ANOTHER IDENTITY. This device keeps its own"),
        ({"keeps_other_identity": True}, "and the next push"),
        ({"parameters": KdfParameters(8, 1, 1)}, "sealed it too weakly"),
    ],
)
def test_a_restore_warns_of_unusual_backups(more: dict[str, Any], expected: str) -> None:
    plain, context = RecordingContext(), RecordingContext()
    asked_to_restore(plain)
    asked_to_restore(context, **more)
    assert expected in "\n".join(context.notes)
    assert expected not in "\n".join(plain.notes)


@table(
    ("preview", "notes"),
    [
        (
            PREVIEW,
            [
                "The server holds version 3 (1234 bytes, stored a date).",
                "This device last saw the same version. It keeps 2 contacts.",
            ],
        ),
        (
            DeletionPreview(3, None, "", last_seen=False, local_contact_count=2),
            [
                "The server holds version 3 (its bytes are lost).",
                UNSEEN_WARNING,
            ],
        ),
        (
            DeletionPreview(3, 0, "", last_seen=True, local_contact_count=None),
            [
                "The server holds version 3 (0 bytes).",
                "Warning: there is NO IDENTITY on this device. If no other device has it, it is lost for ever.",
            ],
        ),
    ],
)
def test_a_deletion_shows_the_backup(preview: DeletionPreview, notes: list[str]) -> None:
    context = RecordingContext()
    asked_to_delete(context, preview)
    assert context.notes == notes


def test_an_import_shows_its_changes() -> None:
    context = RecordingContext()
    asked_to_import(context)
    assert context.notes == [
        "The file is merged with 1 contact on this device.",
        "  contacts   1 added, 2 changed, 3 removed, another profile picture",
        f"  identity   {KEY.hex()}",
    ]
    assert context.future_dated == (USER,)


@table(
    ("more", "expected"),
    [
        (
            {"local_contact_count": None},
            "There is no identity on this device. The file's identity becomes this device's.",
        ),
        ({"key_epochs": (1, 4)}, "  counters   password set 4 times instead of 1"),
        ({"identity_epochs": (2, 3)}, "  counters   identity set 3 times instead of 2"),
        ({"writer_changes": 5}, "  devices    newer uploads of 5"),
        ({"replaces_identity": True}, "ANOTHER IDENTITY, which replaces this device's keys."),
        ({"keeps_other_identity": True}, "ANOTHER IDENTITY. This device keeps its own."),
    ],
)
def test_an_import_warns_of_unusual_files(more: dict[str, Any], expected: str) -> None:
    plain, context = RecordingContext(), RecordingContext()
    asked_to_import(plain)
    asked_to_import(context, **more)
    assert expected in "\n".join(context.notes)
    assert expected not in "\n".join(plain.notes)
