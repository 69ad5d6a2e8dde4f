"""One user's slot in memory with the server's contract, and simulated network failures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from obscura_backup_client.transport.errors import BackupLost, NotFound, OutcomeUnknown, VersionMismatch
from obscura_backup_client.transport.interface import BackupMetadata, FetchedBackup


@dataclass(frozen=True)
class Slot:
    version: int
    blob: bytes | None
    base: int


@dataclass
class ServerInMemory:
    """Also the transport to it. `calls` has the called methods in order."""

    slot: Slot = Slot(version=0, blob=None, base=0)
    calls: list[str] = field(default_factory=list)
    lost: bool = False
    lose_next_answers: int = 0
    meanwhile: list[Callable[[], object]] = field(default_factory=list)
    pushed: list[bytes] = field(default_factory=list)

    def fetch(self, if_none_match: int | None = None) -> FetchedBackup | None:
        self.calls.append("fetch")
        blob = self._blob()
        return None if if_none_match == self.slot.version else FetchedBackup(blob, self.slot.version)

    def head(self) -> BackupMetadata:
        self.calls.append("head")
        blob = self._blob()
        return BackupMetadata(self.slot.version, len(blob), hashlib.sha256(blob).digest())

    def push(self, blob: bytes, expected_version: int) -> int:
        self.calls.append("push")
        if self.meanwhile:
            # Another device gets in between this one's fetch and its push.
            self.meanwhile.pop(0)()
        self.pushed.append(blob)
        self._store(blob, expected_version)
        self._lose_answer()
        return self.slot.version

    def delete(self, expected_version: int) -> None:
        self.calls.append("delete")
        if self.slot.blob is not None:
            self._require(expected_version)
            self.slot = Slot(self.slot.version + 1, None, self.slot.version)
        self._lose_answer()

    def _lose_answer(self) -> None:
        if self.lose_next_answers:
            self.lose_next_answers -= 1
            raise OutcomeUnknown("the connection broke")

    def _blob(self) -> bytes:
        if self.lost:
            raise BackupLost(self.slot.version)
        if self.slot.blob is None:
            raise NotFound
        return self.slot.blob

    def _store(self, blob: bytes, expected_version: int) -> None:
        if blob == self.slot.blob and expected_version == self.slot.base:
            return
        if not (self.slot.blob is None and expected_version == 0):
            self._require(expected_version)
        self.slot, self.lost = Slot(self.slot.version + 1, blob, expected_version), False

    def _require(self, expected_version: int) -> None:
        if expected_version != self.slot.version:
            raise VersionMismatch(self.slot.version)
