"""Generate `tests/vectors/`, the worked examples that `docs/format.md` speaks of, or check that they are in step."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from format_vectors import devices, edits, limits, merging, opening, payloads, rollbacks, sealing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TARGET: Final = Path(__file__).resolve().parent.parent / "tests" / "vectors"
FILES: Final[Mapping[str, Callable[[], dict[str, Any]]]] = {
    "passwords.json": limits.passwords,
    "parameters.json": limits.parameters,
    "padding.json": limits.padding,
    "sealing.json": sealing.build,
    "opening.json": opening.build,
    "payload.json": payloads.build,
    "merge.json": merging.build,
    "rollback.json": rollbacks.rollback,
    "stamps.json": rollbacks.stamps,
    "edits.json": edits.build,
    "devices.json": devices.build,
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
    """Exit code 0 when the files are what the code gives (or have just been made so), 1 when they are not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the committed files differ")
    check = parser.parse_args().check
    wanted = {name: rendered(build()) + "\n" for name, build in FILES.items()}
    present = {path.name: path.read_text(encoding="utf-8") for path in TARGET.glob("*.json")}
    if check:
        stale = sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))
        for name in stale:
            print(f"tests/vectors/{name} is not what tools/generate_format_vectors.py gives", file=sys.stderr)
        return 1 if stale else 0
    TARGET.mkdir(exist_ok=True)
    for name in present.keys() - wanted.keys():
        (TARGET / name).unlink()
    for name, text in wanted.items():
        (TARGET / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
