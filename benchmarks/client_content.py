"""How long the client works on a backup of 19,990 contacts, compared with an older checkout in the same run.

    python benchmarks/client_content.py --old ../before          # the same client twice, where --old is left out

Both versions run in turns, each in a process of its own, against a server in that process. A kept key stands for the
password, so that no key derivation is measured. A run with one contact comes first, to load the modules. The shortest
processor time of each operation counts. Prints milliseconds, and the ratio of new to old.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from obscura_backup_client import PROFILES, BackupClient, NewContact, SealingKey
from obscura_backup_client.device.directory import StateDirectory
from obscura_backup_client.device.state import Account
from obscura_backup_client.transport.errors import NotFound, VersionMismatch
from obscura_backup_client.transport.interface import BackupMetadata, FetchedBackup

if TYPE_CHECKING:
    from collections.abc import Callable

CLIENT = Path(__file__).resolve().parent.parent
CONTACTS = 19_990


class Server:
    """One user's backup in memory, with the methods of the client's transport."""

    def __init__(self) -> None:
        self.blob, self.version = b"", 0

    def fetch(self, _if_none_match: int | None = None) -> FetchedBackup:
        """The blob."""
        if not self.version:
            raise NotFound
        return FetchedBackup(self.blob, self.version)

    def head(self) -> BackupMetadata:
        """What the blob is."""
        return BackupMetadata(self.version, len(self.blob), hashlib.sha256(self.blob).digest())

    def push(self, blob: bytes, expected_version: int) -> int:
        """Store it."""
        if expected_version != self.version:
            raise VersionMismatch(self.version)
        self.blob, self.version = blob, self.version + 1
        return self.version


def measure(folder: Path) -> dict[str, float]:
    """Milliseconds of each operation, in this process."""
    key = SealingKey(PROFILES["low-memory"], b"s" * 16, b"r" * 32)
    account = Account("https://backup.example", UUID(int=1))
    times: dict[str, float] = {}

    def device(name: str, server: Server) -> BackupClient:
        return BackupClient(StateDirectory(folder / name), transport=server, account=account)  # type: ignore[arg-type]  # in memory

    def timed(name: str, work: Callable[[], object]) -> None:
        started = time.process_time()
        work()
        times[name] = (time.process_time() - started) * 1000

    def contacts(count: int) -> list[NewContact]:
        digests = [hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(count)]
        return [NewContact(UUID(bytes=each[:16]), f"user {each.hex()[:8]}", b"\5" + each) for each in digests]

    # The smallest of everything first: it loads what is loaded at the first use.
    for size, path in ((1, "warm"), (CONTACTS, "full")):
        server = Server()
        phone, laptop = device(f"{path}-phone", server), device(f"{path}-laptop", server)
        phone.create("phone")
        timed("import", lambda: phone.put_contacts(contacts(size)))  # noqa: B023 - called at once
        timed("push everything", lambda: phone.push(key))  # noqa: B023 - as above
        timed("restore", lambda: laptop.restore(key, confirm=lambda _: True, device_name="laptop"))  # noqa: B023 - as above
        timed("contact add", lambda: laptop.put_contacts([NewContact(UUID(int=7), "new")]))  # noqa: B023 - same
        timed("push one edit", lambda: laptop.push(key))  # noqa: B023 - as above
        timed("push nothing new", lambda: laptop.push(key))  # noqa: B023 - as above
        timed("push what another device merged", lambda: phone.push(key))  # noqa: B023 - as above
        timed("status", phone.status)
    return times


def run(checkout: Path) -> dict[str, float]:
    """The times of one checkout, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(checkout / "client" / "src")}
    command = [sys.executable, str(Path(__file__).resolve()), "--here"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    times: dict[str, float] = json.loads(done.stdout)
    return times


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", type=Path, default=CLIENT, help="another checkout of this repository")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        with tempfile.TemporaryDirectory(prefix="obscura-benchmark-") as folder:
            print(json.dumps(measure(Path(folder))))
        return
    old, new = [], []
    for _ in range(options.rounds):
        old.append(run(options.old))
        new.append(run(CLIENT))
    print(f"{'':<34}{'old ms':>8}{'new ms':>8}{'ratio':>7}")
    for name in new[0]:
        before, after = (min(each[name] for each in times) for times in (old, new))
        print(f"{name:<34}{before:>8.0f}{after:>8.0f}{after / before:>7.2f}")


if __name__ == "__main__":
    main()
