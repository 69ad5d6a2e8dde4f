"""Bugs to be planted in a copy of the service, each of which a torture has to find.

What is not here: an upload that is acknowledged before it is synced to the disk. A killed process leaves what it wrote
in the kernel's memory, where the next one finds it; only a power cut tells, which no process can play. Nor is a row
acknowledged before its commit: the object is the truth, the row may lag, and so this is no bug in this protocol.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SOURCE = REPOSITORY / "src" / "obscura_backup"


@dataclass(frozen=True)
class Plant:
    """One bug.

    Attributes:
        name: what it does wrong.
        stores: on which it is looked for.
        file: that it is planted in, below the package.
        sound: the text there, which occurs once.
        broken: what is put in its place.
    """

    name: str
    stores: str
    file: str
    sound: str
    broken: str


PLANTS: tuple[Plant, ...] = (
    Plant(
        "a file is replaced whatever it holds",
        "embedded",
        "adapters/filesystem/store.py",
        "if (current.tag if current else None) != replaces:",
        "if False:",
    ),
    Plant(
        "an object is replaced whatever it holds",
        "fleet",
        "adapters/object_stores/obstore_driver/bucket.py",
        'condition_on(replaces) if is_conditional else "overwrite"',
        # Only for backups: a store that ignores the conditions of its probe is refused.
        'condition_on(replaces) if is_conditional and not key.startswith("backups/") else "overwrite"',
    ),
    Plant(
        "an upload is acknowledged before it is in its place",
        "embedded",
        "adapters/filesystem/store.py",
        "                os.rename(upload, path)  # noqa: PTH104  # strings are faster on the hot path\n",
        "                import threading\n                threading.Timer(0.05, os.rename, (upload, path)).start()\n",
    ),
    Plant(
        "an upload of unknown outcome is acknowledged",
        "fleet",
        "domain/service.py",
        "            raise  # not there now, but it may still arrive: only a retry by the client can tell\n",
        "            from obscura_backup.domain.model import Tag\n"
        "            return Revision.of(draft, Tag('unknown'))\n",
    ),
    Plant(
        "a refusal is given on the word of the row",
        "fleet",
        "domain/service.py",
        "        found = await self._blobs.stat(user_id)\n        while True:",
        "        found = slot.record or await self._blobs.stat(user_id)\n        while True:",
    ),
    Plant(
        "a description is given on the word of the row",
        "fleet",
        "domain/service.py",
        "        found = await self._blobs.stat(user_id)\n        if found is None or not found",
        "        found = await self._metadata.get(user_id)\n        if found is None or not found",
    ),
    Plant(
        "a retry is not known again",
        "embedded",
        "domain/rules.py",
        "expected in (found.version, found.base):",
        "expected == found.version:",
    ),
    Plant(
        "the row is written before the object",
        "embedded",
        "domain/service.py",
        "                stored = await self._put(user_id, request, blob, fast, attempts)\n",
        "                from obscura_backup.domain.model import Tag\n"
        "                promised = Draft(fast.version, request.expected, _kind(request), blob.sha256, blob.size,\n"
        "                                 UploadId('0' * 32), self._clock.now())\n"
        "                await slot.save(Revision.of(promised, Tag('promised')))\n"
        "                stored = await self._put(user_id, request, blob, fast, attempts)\n",
    ),
)
TRUSTING_THE_ROW = ("an object is replaced whatever it holds", "a description is given on the word of the row")
"""What trusts the row and its lock more than the object, which a failover shows, too."""
PLANTS += tuple(replace(bug, stores="failover") for bug in PLANTS if bug.name in TRUSTING_THE_ROW)


def plant(bug: Plant, folder: Path) -> Path:
    """A copy of the service with the bug in it: the folder to import it from.

    Raises:
        ValueError: the text is not there any more; the plant needs care.
    """
    shutil.copytree(SOURCE, folder / "obscura_backup", ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / "obscura_backup" / bug.file
    text = path.read_text()
    if text.count(bug.sound) != 1:
        raise ValueError(f"{bug.file} holds {text.count(bug.sound)} times: {bug.sound!r}")
    path.write_text(text.replace(bug.sound, bug.broken))
    return folder


def find(bug: Plant, *, seconds: float, seed: int) -> tuple[bool, float]:
    """Whether a torture finds it, and how many seconds that took, its start and its reckoning with it."""
    with tempfile.TemporaryDirectory(prefix="obscura-planted-") as folder:
        path = os.pathsep.join((str(plant(bug, Path(folder))), str(REPOSITORY / "tests")))
        began = time.monotonic()
        command = ["-m", "torture", "--stores", bug.stores, "--seconds", str(seconds), "--seed", str(seed), "--watch"]
        done = subprocess.run(
            [sys.executable, *command],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    sys.stderr.write(done.stderr)
    sys.stdout.write(done.stdout)
    # Python also ends with 1 on an exception. Only a run that was judged prints its line of figures.
    return done.returncode == 1 and done.stdout.startswith("torture "), time.monotonic() - began


def main() -> int:
    """0: each was found; 1: one was not."""
    parser = argparse.ArgumentParser(prog="torture.planted", description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of names; all where there are none")
    parser.add_argument("--seconds", type=float, default=180, help="for each, at most")
    parser.add_argument("--seed", type=int, default=1, help="of operations and faults")
    options = parser.parse_args()
    missed = 0
    for bug in PLANTS:
        if options.names and not any(name in bug.name for name in options.names):
            continue
        found, seconds = find(bug, seconds=options.seconds, seed=options.seed)
        missed += not found
        sys.stdout.write(f"{bug.name} ({bug.stores}): {'found' if found else 'MISSED'} after {seconds:.0f} s in all\n")
        sys.stdout.flush()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
