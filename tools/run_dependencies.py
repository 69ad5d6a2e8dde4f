"""What a package of this repository needs at run time, with the entries of its lock file.

`requirements/server.txt` also holds what builds the service. The SBOM and the notices leave that out.
"""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {"obscura-backup": "server.txt", "obscura-backup-client": "client.txt"}
# One requirement of a lock file: its first line and the indented lines of its hashes.
_ENTRY = re.compile(r"^([a-z0-9][a-z0-9._-]*)==.*\n(?: .*\n)*", re.MULTILINE)


def lock_entries(package: str) -> dict[str, str]:
    """The entries of a package's lock file by name."""
    text = (ROOT / "requirements" / LOCKS[package]).read_text(encoding="utf-8")
    return {canonicalize_name(entry[1]): entry[0] for entry in _ENTRY.finditer(text)}


def dependency_graph(package: str) -> dict[str, set[str]]:
    """An installed package and all that it needs on this platform, each with the packages that it needs itself."""
    graph: dict[str, set[str]] = {}
    waiting = [(package, frozenset[str]())]
    seen = set(waiting)
    while waiting:
        name, extras = waiting.pop()
        needed = graph.setdefault(name, set())
        for each in _requirements(name, extras):
            step = (canonicalize_name(each.name), frozenset(each.extras))
            needed.add(step[0])
            if step not in seen:
                seen.add(step)
                waiting.append(step)
    return graph


def _requirements(name: str, extras: frozenset[str]) -> list[Requirement]:
    environments = [{"extra": extra} for extra in extras or {""}]
    stated = [Requirement(text) for text in metadata.requires(name) or []]
    return [
        each for each in stated if each.marker is None or any(each.marker.evaluate(known) for known in environments)
    ]


def run_entries(package: str) -> dict[str, str]:
    """The entries of a package's lock file that it needs at run time on this platform, in their order.

    Raises:
        LookupError: the lock file lacks one.
    """
    needed = dependency_graph(package).keys() - {package}
    entries = {name: entry for name, entry in lock_entries(package).items() if name in needed}
    if missing := needed - entries.keys():
        raise LookupError(f"not in requirements/{LOCKS[package]}: {sorted(missing)} (run `make lock`)")
    return entries
