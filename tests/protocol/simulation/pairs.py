"""Pairs of stores that several replicas share, and what an operator may do to them: copy, restore, lose an object."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Protocol

from obscura_backup.adapters.filesystem.store import FilesystemBlobStore
from obscura_backup.adapters.memory import MemoryBlobStore, MemoryMetadataStore
from obscura_backup.adapters.sqlite import SqliteMetadataStore
from obscura_backup.domain.model import slot_key

if TYPE_CHECKING:
    from pathlib import Path

    from obscura_backup.domain.model import UserId
    from obscura_backup.domain.ports import BackupMetadataStore, BlobStore


class Pair(Protocol):
    """Two stores. Copies are opaque; the restored one is what it was, tags and all."""

    def new_metadata(self) -> BackupMetadataStore:
        """The metadata store as one more process sees it, not yet started."""

    def new_blobs(self) -> BlobStore:
        """The blob store as one more process sees it, not yet started."""

    def copy_rows(self) -> Any: ...

    def copy_objects(self) -> Any: ...

    def restore_rows(self, copy: Any) -> None: ...

    def restore_objects(self, copy: Any) -> None: ...

    def lose_object(self, user_id: UserId) -> None: ...


class MemoryPair:
    """Dictionaries."""

    def __init__(self) -> None:
        self._metadata = MemoryMetadataStore()
        self._blobs = MemoryBlobStore()

    def new_metadata(self) -> BackupMetadataStore:
        """Rows are shared, locks are not, as between processes on one SQLite file."""
        store = MemoryMetadataStore()
        store._rows = self._metadata._rows
        return store

    def new_blobs(self) -> BlobStore:
        return self._blobs

    def copy_rows(self) -> Any:
        return dict(self._metadata._rows)

    def copy_objects(self) -> Any:
        return dict(self._blobs._objects)

    def restore_rows(self, copy: Any) -> None:
        self._metadata._rows.clear()
        self._metadata._rows.update(copy)

    def restore_objects(self, copy: Any) -> None:
        self._blobs._objects.clear()
        self._blobs._objects.update(copy)

    def lose_object(self, user_id: UserId) -> None:
        self._blobs._objects.pop(user_id, None)


class EmbeddedPair:
    """A SQLite file, and a file a blob, in a folder which may hold what an earlier run left: it is emptied."""

    def __init__(self, folder: Path) -> None:
        self._database = folder / "metadata.sqlite3"
        self._folder = folder / "blobs"
        self.restore_objects({})
        if self._database.exists():
            self.restore_rows([])

    def new_metadata(self) -> BackupMetadataStore:
        return SqliteMetadataStore(self._database)

    def new_blobs(self) -> BlobStore:
        return FilesystemBlobStore(self._folder)

    def copy_rows(self) -> Any:
        with closing(sqlite3.connect(self._database)) as connection:
            return connection.execute("SELECT * FROM backups").fetchall()

    def copy_objects(self) -> Any:
        return {path: path.read_bytes() for path in self._objects()}

    def _objects(self) -> list[Path]:
        # Made-up users have small numbers; to look into all 256 folders would take longer than all the rest.
        return sorted(self._folder.glob("backups/00/*"))

    def restore_rows(self, copy: Any) -> None:
        with closing(sqlite3.connect(self._database)) as connection, connection:
            connection.execute("DELETE FROM backups")
            connection.executemany("INSERT INTO backups VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", copy)

    def restore_objects(self, copy: Any) -> None:
        for path in self._objects():
            path.unlink()
        for path, data in copy.items():
            path.write_bytes(data)

    def lose_object(self, user_id: UserId) -> None:
        prefix, name = slot_key(user_id).split("/")
        (self._folder / prefix / name[:2] / name).unlink(missing_ok=True)
