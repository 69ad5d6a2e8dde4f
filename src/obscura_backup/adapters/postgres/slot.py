"""A user's row while it is locked: the lock inside `async with`, and the one save under it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import psycopg

from obscura_backup.adapters.postgres.connection import Statement
from obscura_backup.adapters.postgres.rows import values_of
from obscura_backup.domain.errors import MetadataUnavailable

if TYPE_CHECKING:
    from obscura_backup.adapters.postgres.connection import Connection, Step
    from obscura_backup.adapters.postgres.pool import ConnectionPool
    from obscura_backup.domain.model import Revision, UserId

# A row never goes back: of two concurrent writers, the higher version stays.
SAVE: Final = Statement(
    b"""
INSERT INTO backups (user_id, version, base, kind, sha256, size, upload_id, updated_at, tag)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (user_id) DO UPDATE SET (version, base, kind, sha256, size, upload_id, updated_at, tag) =
    (excluded.version, excluded.base, excluded.kind, excluded.sha256, excluded.size, excluded.upload_id,
     excluded.updated_at, excluded.tag)
WHERE excluded.version >= backups.version
""",
    b"obscura_save",
)
_COMMIT: Final[Step] = (Statement(b"COMMIT"), ())
# A failed transaction answers COMMIT with ROLLBACK: only these words prove that the row was committed.
_SAVED = (["INSERT 0 1", "COMMIT"], ["INSERT 0 0", "COMMIT"])


class RowLocker(Protocol):
    """Locks rows and releases them."""

    async def lock(self, user_id: UserId) -> PostgresSlot:
        """Lock the row of this user."""

    async def unlock(self, slot: PostgresSlot, user_id: UserId) -> None:
        """Release all that `lock` took."""


class SlotLock:
    """The lock of one user's row, inside `async with`. A class, since a generator costs twice as much."""

    _slot: PostgresSlot

    def __init__(self, locker: RowLocker, user_id: UserId) -> None:
        self._locker = locker
        self._user_id = user_id

    async def __aenter__(self) -> PostgresSlot:
        self._slot = await self._locker.lock(self._user_id)
        return self._slot

    async def __aexit__(self, *_: object) -> None:
        await self._locker.unlock(self._slot, self._user_id)


class PostgresSlot:
    """A locked row, its connection, and its revision. See `LockedSlot`."""

    def __init__(
        self,
        pool: ConnectionPool,
        connection: Connection,
        user_id: UserId,
        record: Revision | None,
    ) -> None:
        self._pool = pool
        self._connection: Connection | None = connection
        self._user_id = user_id
        self.record = record

    async def save(self, revision: Revision) -> None:
        """See `LockedSlot.save`."""
        if self._connection is None:
            raise AssertionError("a slot is saved at most once")
        connection, self._connection = self._connection, None
        try:
            answer = await self._pool.execute(connection, [(SAVE, values_of(self._user_id, revision)), _COMMIT])
        except psycopg.Error as error:
            raise MetadataUnavailable from error
        finally:
            await self._pool.release(connection)
        if answer.statuses not in _SAVED:
            raise MetadataUnavailable(f"The metadata store answered a save with {answer.statuses}.")

    async def unlock(self) -> None:
        """Return the connection unless `save` did."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await self._pool.release(connection)
