"""Generate the vectors of `docs/format.md` that need a cipher or malformed bytes, or check that they are up to date.

The other files in `tests/vectors/` are the norm by themselves: their rows are added and changed by hand.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from format_vectors import opening, payloads, sealing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TARGET: Final = Path(__file__).resolve().parent.parent / "tests" / "vectors"
FILES: Final[Mapping[str, Callable[[], dict[str, Any]]]] = {
    "sealing.json": sealing.build,
    "opening.json": opening.build,
    "payload.json": payloads.build,
}


def rendered(value: object, depth: int = 0) -> str:
    """Write JSON with one case a line: short enough to read, and a change shows as the case that changed."""
    indent = "\n" + " " * (depth + 1)
    if isinstance(value, list):
        return "[" + ",".join(indent + json.dumps(item) for item in value) + indent[:-1] + "]"
    if isinstance(value, dict):
        members = (f"{json.dumps(name)}: {rendered(member, depth + 1)}" for name, member in value.items())
        return "{" + ",".join(indent + member for member in members) + indent[:-1] + "}"
    return json.dumps(value)


def main() -> int:
    """Write or check; the exit code is 1 if a checked file differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the committed files differ")
    check = parser.parse_args().check
    wanted = {name: rendered(build()) + "\n" for name, build in FILES.items()}
    if check:
        stale = [name for name, text in wanted.items() if (TARGET / name).read_text(encoding="utf-8") != text]
        for name in stale:
            print(f"tests/vectors/{name} differs from the output of tools/generate_format_vectors.py", file=sys.stderr)
        return 1 if stale else 0
    for name, text in wanted.items():
        (TARGET / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
