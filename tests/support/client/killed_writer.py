"""A program that kills writers of files: `python -m support.client.killed_writer KIND FOLDER KILLS`.

KILLS is the minimum number of kills. It continues until one kill was in the middle of a write, at most twenty times as
often.

Each writer is a process that writes numbered contents in a loop, and is killed at a random moment. After each kill the
program prints one line of JSON: the last number that was written, the number that is read, the modes of all files in
the folder, and whether the kill was in the middle of a write (a temporary file was left).

It is a program of its own because the process of the tests has threads, and forking a process with threads is unsafe.
"""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from obscura_backup_client.content.model import Backup, Contact, Identity
from obscura_backup_client.device import calibrated_parameters
from obscura_backup_client.device.directory import StateDirectory
from obscura_backup_client.device.state import State, encode_state
from obscura_backup_client.formats.export_reading import decode_payload
from obscura_backup_client.formats.export_writing import encode_payload
from obscura_backup_client.operations.export import write_export
from obscura_backup_client.sealing.kdf_parameters import PROFILES

LONGEST_LIFE_SECONDS = 0.06
# A megabyte that takes little time to encode, so that most of a writer's life is writing.
CONTENT = Backup(
    Identity(b"P" * 32, b"S" * 32, 1),
    tuple(Contact(UUID(int=number + 1), "somebody", b"K" * 4096, 1) for number in range(250)),
)


MARK = 123_456_789
# Encoded once: else a writer spends most of its life on that, and few kills come in the middle of a write.
ENCODED = encode_state(State(b"d" * 16, "phone", MARK, CONTENT))


def write_state(folder: Path, number: int) -> None:
    with StateDirectory(folder).locked_without_reading():
        StateDirectory(folder).replace(ENCODED.replace(str(MARK).encode(), str(number).encode(), 1))


def read_state(folder: Path) -> int:
    state = StateDirectory(folder).read()
    assert state.content == CONTENT
    return state.seq


def write_profile(folder: Path, number: int) -> None:
    calibrated_parameters.save(StateDirectory(folder), calibrated_parameters.DeviceProfile(PROFILES["desktop"], number))


def read_profile(folder: Path) -> int:
    profile = calibrated_parameters.read_profile(StateDirectory(folder))
    assert profile is not None
    assert profile.parameters == PROFILES["desktop"]
    return profile.milliseconds


def write_exported(folder: Path, number: int) -> None:
    exported = encode_payload(Backup(CONTENT.identity, CONTENT.contacts, key_epoch=number))
    write_export(folder / "export.json", exported, overwrite=True)


def read_exported(folder: Path) -> int:
    exported = decode_payload((folder / "export.json").read_bytes()).dated
    assert exported.contacts == CONTENT.contacts
    return exported.key_epoch


KINDS: dict[str, tuple[Callable[[Path, int], None], Callable[[Path], int]]] = {
    "state": (write_state, read_state),
    "profile": (write_profile, read_profile),
    "export": (write_exported, read_exported),
}


def killed(write: Callable[[Path, int], None], folder: Path, first: int, life_seconds: float) -> int:
    """Kill a writer after this time; returns the last number that it wrote, or the one before `first`."""
    reading, writing = os.pipe()
    writer = os.fork()
    if not writer:
        for number in range(first, first + 1_000_000):
            write(folder, number)
            os.write(writing, number.to_bytes(8, "big"))
    os.close(writing)
    time.sleep(life_seconds)
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    with os.fdopen(reading, "rb") as stream:
        done = stream.read()
    return int.from_bytes(done[-8:], "big") if done else first - 1


def main(kind: str, folder: Path, kills: int) -> None:
    write, read = KINDS[kind]
    chance = random.Random(f"{kind} {kills}")
    write(folder, 1)
    last = 1
    seen_in_the_middle = False
    # On a busy machine a writer may not get to write at all before it is killed: go on until one did.
    for number in range(20 * kills):
        if number >= kills and seen_in_the_middle:
            break
        done = killed(write, folder, last + 1, chance.uniform(0, LONGEST_LIFE_SECONDS))
        last = read(folder)
        names = {each.name: stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()}
        temporary = any(name.endswith(".new") or name.startswith(".obscura-export-") for name in names)
        sys.stdout.write(
            json.dumps({"done": done, "read": last, "modes": sorted(set(names.values())), "in": temporary})
        )
        sys.stdout.write("\n")
        seen_in_the_middle |= temporary
        # It can be written again, even if the killed process left a lock or a temporary file.
        last += 1
        write(folder, last)
        assert read(folder) == last


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
