"""The state file: any bytes are a state, or one of two errors; and what was read is written and read as the same."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from client_testing.contents import ALICE, PHONE, backup, contact, tombstone
from fuzz.choices import Choices
from obscura_backup_client.model import MAX_INTEGER
from obscura_backup_client.rollback import Remembered
from obscura_backup_client.state import Account, State, decode_state, encode_state
from obscura_backup_client.state_errors import StateDamaged, StateNewer

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES: Final = 4096
_PATH = Path("state.json")
_REMEMBERED = Remembered({PHONE: 3}, b"s" * 32, 1, 1, 7, b"c" * 32, 5, "phone", 2, may_be_gone=True)
_STATE = encode_state(
    State(
        device_id=PHONE,
        device_name="Pixel 9",
        seq=3,
        content=backup(contact(ALICE), tombstone(UUID(int=2**128 - 1))),
        remembered={Account("https://backup.example", ALICE): _REMEMBERED},
    )
)
_DOCUMENT: dict[str, Any] = json.loads(_STATE)
# Written as text, since not all of it can be a value in a program: duplicates, nesting, numbers beyond all numbers.
_VALUES: Final = (
    "null", "true", "0", "-1", "1e400", "NaN", "9007199254740991", "9007199254740992", "1" + "0" * 400, "1.0",
    '""', '"\\ud800"', '"x"', '"\\u0000"', "[]", "{}", "[[]]", "[" * 600 + "]" * 600, "[" * 900 + "]" * 900,
    '{"a":1,"a":2}',
    '"' + "00" * 16 + '"', '"' + "00" * 32 + '"', '"==="', '"\\u0661"',
)  # fmt: skip


def seeds() -> Iterator[bytes]:
    """A state file, as it is and with a value in each place; other encodings of text; no state files."""
    yield b"\1" + _STATE
    yield b"\1" + json.dumps(_DOCUMENT).encode("utf-16")
    yield from (
        b"\1" + each for each in (b"", b"{}", b"[]", b'{"format":2}', b'{"format":1e400}', b"[" * 2000, b"\xff\xfe")
    )
    yield from (bytes([0, 0, place, 0, value]) for place in range(25) for value in range(0, len(_VALUES), 5))


def check(data: bytes) -> None:
    """See the module."""
    choices = Choices(data)
    encoded = choices.rest() if choices.flag() else _changed(choices)
    try:
        state = decode_state(encoded, _PATH)
    except (StateDamaged, StateNewer) as refused:
        assert refused.path == _PATH
        return
    counts = [state.seq]
    for known in state.remembered.values():
        counts += [*known.vector.values(), known.key_epoch, known.format, known.version, known.sealed_at_ms]
        counts += [known.contact_count]
        assert {len(known.sha256), len(known.content_sha256)} == {32}
    assert all(type(count) is int and 0 <= count <= MAX_INTEGER for count in counts), "a count is none"
    again = encode_state(state)
    assert decode_state(again, _PATH) == state, "writing and reading changes the state"
    assert encode_state(decode_state(again, _PATH)) == again


def _changed(choices: Choices) -> bytes:
    """The state file with other values in a few places, or without them."""
    document = copy.deepcopy(_DOCUMENT)
    replaced: dict[str, str] = {}
    for _ in range(1 + choices.below(2)):
        places = list(_places(document))
        parent, key = choices.pick(places)
        if choices.below(4) == 3:
            del parent[key]
            continue
        mark = f"@{len(replaced)}@"
        replaced[f'"{mark}"'] = choices.pick(_VALUES) if choices.left < 3 else _said(choices)
        parent[key] = mark
    text = json.dumps(document)
    for mark, value in replaced.items():
        text = text.replace(mark, value)
    return text.encode("utf-8", "surrogatepass")


def _said(choices: Choices) -> str:
    return choices.pick(_VALUES) if choices.flag() else json.dumps(choices.take(8).decode("latin-1"))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])
