"""The state file: any bytes are a state, or one of two errors; and what was read is written and read as the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from fuzz.choices import Choices
from fuzz.json_documents import changed, changes
from obscura_backup_client.content.model import MAX_INTEGER
from obscura_backup_client.device.errors import StateDamaged, StateNewer
from obscura_backup_client.device.last_seen import LastSeen
from obscura_backup_client.device.state import Account, State, UndoPoint, decode_state, encode_state
from support.client.contents import ALICE, PHONE, backup, contact, tombstone

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES: Final = 4096
_PATH = Path("state.json")
_REMEMBERED = LastSeen(
    {PHONE: 3}, b"s" * 32, 1, 1, 7, b"c" * 32, 5, "phone", 2, may_be_gone=True, password_typed_at_ms=6, deleted_at_ms=8
)
_STATE = encode_state(
    State(
        device_id=PHONE,
        device_name="Pixel 9",
        seq=3,
        content=backup(contact(ALICE), tombstone(UUID(int=2**128 - 1))),
        last_seen={Account("https://backup.example", ALICE): _REMEMBERED},
        undo=UndoPoint(b"payload", "phone", 4),
    )
)
_DOCUMENT: dict[str, Any] = json.loads(_STATE)


def seeds() -> Iterator[bytes]:
    """A state file, as it is and with a value in each place; other encodings of text; no state files."""
    yield b"\1" + _STATE
    yield b"\1" + json.dumps(_DOCUMENT).encode("utf-16")
    yield from (
        b"\1" + each for each in (b"", b"{}", b"[]", b'{"format":2}', b'{"format":1e400}', b"[" * 2000, b"\xff\xfe")
    )
    yield from (b"\0" + each for each in changes(25))


def check(data: bytes) -> None:
    """See the module."""
    choices = Choices(data)
    encoded = choices.rest() if choices.flag() else changed(_DOCUMENT, choices)
    try:
        state = decode_state(encoded, _PATH)
    except (StateDamaged, StateNewer) as refused:
        assert refused.path == _PATH
        return
    counts = [state.seq, 0 if state.undo is None else state.undo.merged_at_ms]
    for known in state.last_seen.values():
        counts += [*known.vector.values(), known.key_epoch, known.format, known.version, known.sealed_at_ms]
        counts += [known.contact_count, known.password_typed_at_ms or 0, known.deleted_at_ms or 0]
        assert {len(known.sha256), len(known.content_sha256)} == {32}
    assert all(type(count) is int and 0 <= count <= MAX_INTEGER for count in counts), "a count is none"
    again = encode_state(state)
    assert decode_state(again, _PATH) == state, "writing and reading changes the state"
    assert encode_state(decode_state(again, _PATH)) == again
