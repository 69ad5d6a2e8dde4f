"""Saying what is sent to the server and what its responses tell, without the token and without any content."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from obscura_backup_client.transport.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from obscura_backup_client.transport.interface import BackupMetadata, FetchedBackup, Transport

_PATH = "/v1/backup"


@dataclass(frozen=True)
class VerboseTransport:
    """A `Transport` that says before each call what it sends, and afterwards what was learnt.

    Every request also carries the token, this program's version, and the address of this machine.
    """

    transport: Transport
    say: Callable[[str], None]

    def fetch(self, if_none_match: int | None = None) -> FetchedBackup | None:
        """See `Transport.fetch`."""
        with self._sending(f"GET {_PATH}, with the token"):
            found = self.transport.fetch(if_none_match)
        if found is None:
            self.say(f"Learnt: the backup is still version {if_none_match}.")
        else:
            stored = f", stored {found.updated_at}" if found.updated_at else ""
            self.say(f"Learnt: the backup is version {found.version}{stored}; {len(found.blob)} sealed bytes received.")
        return found

    def head(self) -> BackupMetadata:
        """See `Transport.head`."""
        with self._sending(f"HEAD {_PATH}, with the token"):
            found = self.transport.head()
        size = "" if found.size_bytes is None else f", {found.size_bytes} sealed bytes"
        digest = "" if found.sha256 is None else f", SHA-256 {found.sha256.hex()}"
        stored = f", stored {found.updated_at}" if found.updated_at else ""
        self.say(f"Learnt: the backup is version {found.version}{size}{digest}{stored}. Nothing was downloaded.")
        return found

    def push(self, blob: bytes, expected_version: int) -> int:
        """See `Transport.push`."""
        replaces = f"to replace version {expected_version}" if expected_version else "as the first backup"
        with self._sending(f"POST {_PATH}, with the token and {len(blob)} sealed bytes, {replaces}"):
            version = self.transport.push(blob, expected_version)
        self.say(
            f"Learnt: stored as version {version}. The server learnt the size and the time, and nothing in the backup."
        )
        return version

    def delete(self, expected_version: int) -> None:
        """See `Transport.delete`."""
        with self._sending(f"DELETE {_PATH}, with the token, for version {expected_version} only"):
            self.transport.delete(expected_version)
        self.say("Learnt: the backup is deleted. The deletion takes a version number, too.")

    @contextlib.contextmanager
    def _sending(self, request: str) -> Iterator[None]:
        self.say(f"Sent: {request}.")
        try:
            yield
        except TransportError as error:
            self.say(f"Learnt: no success [{error.code}].")
            raise
