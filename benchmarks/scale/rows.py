"""Rows and objects of many users, made by set-based statements and plain files rather than by uploads."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg

from obscura_backup.adapters.filesystem.file_format import encode_header
from obscura_backup.adapters.filesystem.store import SHARDS
from obscura_backup.adapters.postgres import schema
from obscura_backup.adapters.sqlite import SqliteMetadataStore
from obscura_backup.domain.model import Draft, Kind, Revision, Sha256, Tag, UploadId, UserId, Version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BATCH_ROWS = 500_000
"""Rows per transaction of a fill."""
BODY = bytes(1024)
"""Of each object that is made here. With its header it fits into one block of the file system."""
PARTITIONS = 16
_ROW = """
1, 0, 'live', sha256(number::text::bytea), 65536, md5(number::text), now(), '"' || md5('tag' || number::text) || '"'
"""
_PARTITIONED = (
    "CREATE TABLE {schema}.backups (LIKE backups INCLUDING ALL EXCLUDING INDEXES) PARTITION BY HASH (user_id)"
)
_PARTITION = (
    "CREATE TABLE {schema}.backups_{number} PARTITION OF {schema}.backups "
    "FOR VALUES WITH (MODULUS {count}, REMAINDER {number}) WITH (fillfactor = 80)"
)
# An index that grew by inserts at random places is filled to about 70 %, rather than the 90 % of one made at once.
_INDEX = "ALTER TABLE {table} ADD PRIMARY KEY (user_id) WITH (fillfactor = 70)"
PARTITIONED_SCHEMA = "partitioned"
PARTITIONED = f"?options=-csearch_path%3D{PARTITIONED_SCHEMA}%2Cpublic"
"""Appended to a URL, it makes a store use the partitioned table."""


def user(number: int) -> UserId:
    """The user with this number. The ids are spread over the whole index, as random ones are."""
    return UserId(UUID(hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()))


def revision(version: int) -> Revision:
    """A revision as an upload would save it."""
    return Revision.of(_draft(version, os.urandom(16).hex()), Tag(f'"{os.urandom(16).hex()}"'))


def _draft(version: int, upload_id: str) -> Draft:
    return Draft(
        version=Version(version),
        base=Version(version - 1),
        kind=Kind.LIVE,
        sha256=Sha256(hashlib.sha256(BODY).digest()),
        size=len(BODY),
        upload_id=UploadId(upload_id),
        updated_at=datetime.now(UTC),
    )


def fill_postgres(url: str, rows: int) -> None:
    """Make the schema and this many rows; the index is made last.

    Args:
        url: of an empty database.
        rows: how many.
    """
    schema.migrate(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE backups DROP CONSTRAINT backups_pkey")
        for first in range(0, rows, BATCH_ROWS):
            connection.execute(
                f"INSERT INTO backups SELECT md5(number::text)::uuid, {_ROW} "  # noqa: S608  # constants only
                "FROM generate_series(%s::int, %s::int) AS number".encode(),
                (first, min(rows, first + BATCH_ROWS) - 1),
            )
        connection.execute(_INDEX.format(table="backups").encode())
        connection.execute("VACUUM ANALYZE backups")


def copy_to_partitions(url: str) -> None:
    """Copy all rows into a table of hash partitions in a schema of its own. A store uses it by `PARTITIONED`."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {PARTITIONED_SCHEMA}".encode())
        connection.execute(_PARTITIONED.format(schema=PARTITIONED_SCHEMA).encode())
        for number in range(PARTITIONS):
            partition = _PARTITION.format(schema=PARTITIONED_SCHEMA, number=number, count=PARTITIONS)
            connection.execute(partition.encode())
        table = f"{PARTITIONED_SCHEMA}.backups"
        connection.execute(f"INSERT INTO {table} SELECT * FROM backups".encode())  # noqa: S608  # constants only
        for number in range(PARTITIONS):
            connection.execute(_INDEX.format(table=f"{table}_{number}").encode())
        connection.execute(f"ALTER TABLE {table} ADD PRIMARY KEY (user_id)".encode())
        connection.execute(f"VACUUM ANALYZE {table}".encode())


async def fill_embedded(data_dir: Path, rows: int) -> None:
    """Make a data directory with this many slots: a row and a file each, which agree."""
    store = SqliteMetadataStore(data_dir / "metadata.sqlite3")
    await store.start()
    await store.close()
    for shard in SHARDS:
        (data_dir / "blobs" / "backups" / shard).mkdir(mode=0o700, parents=True)
    with closing(sqlite3.connect(data_dir / "metadata.sqlite3")) as connection, connection:
        connection.execute("PRAGMA cache_size = -400000")
        connection.executemany("INSERT INTO backups VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", _slots(data_dir, rows))


def _slots(data_dir: Path, rows: int) -> Iterator[tuple[object, ...]]:
    folder = f"{data_dir}/blobs/backups"
    for number in range(rows):
        name, upload_id = str(user(number)), hashlib.md5(b"%d" % number, usedforsecurity=False).hexdigest()
        draft = _draft(1, upload_id)
        file = os.open(f"{folder}/{name[:2]}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(file, encode_header(draft) + BODY)
        finally:
            os.close(file)
        yield (
            *(name, draft.version, draft.base, draft.kind.value, draft.sha256, draft.size),
            *(upload_id, draft.updated_at.isoformat(), upload_id),
        )
