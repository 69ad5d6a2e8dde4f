"""JSON documents with something else in a few places: what is read strictly has to refuse it or to mean it."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fuzz.choices import Choices

# Written as text, since not all of it can be a value in a program: duplicates, nesting, numbers beyond all numbers.
VALUES: Final = (
    "null", "true", "0", "-1", "1e400", "NaN", "9007199254740991", "9007199254740992", "1" + "0" * 400, "1.0",
    '""', '"\\ud800"', '"x"', '"\\u0000"', "[]", "{}", "[[]]", "[" * 600 + "]" * 600, "[" * 900 + "]" * 900,
    '{"a":1,"a":2}',
    '"' + "00" * 16 + '"', '"' + "00" * 32 + '"', '"==="', '"\\u0661"',
)  # fmt: skip


def changes(places: int) -> Iterator[bytes]:
    """Choices for `changed` that leave out each of so many places, or put some of the values there."""
    yield from (bytes([0, place, 3]) for place in range(places))
    yield from (bytes([0, place, 0, value]) for place in range(places) for value in range(0, len(VALUES), 5))


def changed(original: Any, choices: Choices) -> bytes:
    """The document with other values in one or two places, or without them."""
    document = copy.deepcopy(original)
    replaced: dict[str, str] = {}
    for _ in range(1 + choices.below(2)):
        parent, key = choices.pick(list(_places(document)))
        if choices.below(4) == 3:
            del parent[key]
            continue
        mark = f"@{len(replaced)}@"
        replaced[f'"{mark}"'] = choices.pick(VALUES) if choices.left < 3 else _said(choices)
        parent[key] = mark
    text = json.dumps(document)
    for mark, value in replaced.items():
        text = text.replace(mark, value)
    return text.encode("utf-8", "surrogatepass")


def _said(choices: Choices) -> str:
    return choices.pick(VALUES) if choices.flag() else json.dumps(choices.take(8).decode("latin-1"))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])
