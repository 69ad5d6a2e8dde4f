"""The schema of the metadata database: its revisions and its migration. Serving uses only the constants.

Alembic and SQLAlchemy are imported only when a migration runs.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg

from obscura_backup.adapters.postgres.admin_connection import (
    INSPECT_LOCK_TIMEOUT_SECONDS,
    INSPECT_TIMEOUT_SECONDS,
    open_connection,
    set_timeouts,
)
from obscura_backup.domain.errors import MetadataUnavailable, StoreUnusable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alembic.config import Config

REVISIONS = ("0001",)
"""From the oldest to the one that this program needs; a unit test compares it with the migrations."""
HEAD = REVISIONS[-1]
VERSION_TABLE = "obscura_backup_schema"
"""Our own name, so that another application in the same database may use Alembic, too."""
SELECT_REVISION = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608  # a constant
# Neither function takes a lock, so a locked table does not block it.
MISSING_PRIVILEGES = """
CASE WHEN to_regclass('backups') IS NOT NULL THEN ARRAY(
    SELECT privilege FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS privilege
    WHERE NOT has_table_privilege(to_regclass('backups'), privilege)
) END
"""
"""An SQL expression: the missing privileges of the service's role on the table; null: there is no table."""
MIGRATIONS = Path(__file__).parent / "migrations"

LOCK_TIMEOUT_SECONDS = 30.0
"""How long a migration waits for another one, or for transactions on the table."""
STATEMENT_TIMEOUT_SECONDS = 60.0
"""How long one statement of a migration may take, its locks included."""
_LOCK_KEY = int.from_bytes(b"obscura\0", "big")


class SchemaState(NamedTuple):
    """The current and the required revision of a database; `current` is None before the first migration."""

    current: str | None
    head: str


def require_current(current: str | None) -> None:
    """Return if the database has the revision that this program needs.

    Raises:
        StoreUnusable: it does not; the message says what to do.
    """
    if current == HEAD:
        return
    _require_known(current)
    found = f"has schema {current}" if current else "has no schema yet"
    raise StoreUnusable(f"The metadata database {found}; this program needs {HEAD}: run `obscura-backup migrate`.")


def describe_missing_privileges(missing: Sequence[str] | None) -> str:
    """A sentence on the result of `MISSING_PRIVILEGES`; empty if nothing is missing."""
    if missing is None:
        return "The metadata database has no table `backups` that this role can see."
    if missing:
        return f"The database role lacks {', '.join(missing)} on the table `backups`."
    return ""


def schema_state(url: str) -> SchemaState:
    """The state of a database. Blocks for a few seconds at most, even if a table is locked.

    Raises:
        MetadataUnavailable: the server does not answer.
        StoreUnusable: the URL is malformed.
    """
    try:
        with open_connection(url) as connection:
            set_timeouts(
                connection, lock_seconds=INSPECT_LOCK_TIMEOUT_SECONDS, statement_seconds=INSPECT_TIMEOUT_SECONDS
            )
            return SchemaState(_current(connection), HEAD)
    except psycopg.Error as error:
        raise MetadataUnavailable from error


def migrate(
    url: str,
    *,
    lock_seconds: float = LOCK_TIMEOUT_SECONDS,
    statement_seconds: float = STATEMENT_TIMEOUT_SECONDS,
) -> list[str]:
    """Bring the database to `HEAD` in one transaction; concurrent migrations take turns.

    Args:
        url: of the database.
        lock_seconds: how long it waits for each lock.
        statement_seconds: how long one statement may take. After both times together the connection is aborted.

    Returns:
        The applied revisions.

    Raises:
        MetadataUnavailable: the server does not answer, or a lock was not available. Nothing was changed, unless the
            answer to the COMMIT was lost. It is safe to migrate again.
        StoreUnusable: the URL is malformed, the schema is newer than this program, or the server refuses the change.
    """
    from alembic import command  # noqa: PLC0415  # see the module's docstring
    from sqlalchemy import create_engine, exc, pool, text  # noqa: PLC0415  # see the module's docstring

    applied: list[str] = []
    try:
        with ExitStack() as stack:
            driver = stack.enter_context(open_connection(url, seconds=lock_seconds + statement_seconds))
            # Not from the URL, which SQLAlchemy would read by other rules than libpq.
            engine = create_engine("postgresql+psycopg://", creator=lambda: driver, poolclass=pool.NullPool)
            connection = stack.enter_context(engine.begin())
            set_timeouts(driver, lock_seconds=lock_seconds, statement_seconds=statement_seconds)
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
            _require_known(_current(driver))
            command.upgrade(alembic_config(connection=connection, applied=applied), HEAD)
    except (psycopg.OperationalError, exc.OperationalError) as error:
        raise MetadataUnavailable from error
    except (psycopg.Error, exc.DBAPIError) as error:
        cause = error.orig if isinstance(error, exc.DBAPIError) else error
        raise StoreUnusable(f"The metadata database cannot be migrated: {str(cause).strip()}.") from error
    return applied


def alembic_config(**attributes: Any) -> Config:
    """Alembic's configuration without a file; its attributes are for `env.py`."""
    from alembic.config import Config  # noqa: PLC0415  # see the module's docstring

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes.update(attributes)
    return config


def _current(connection: psycopg.Connection[Any]) -> str | None:
    # First whether the table exists: a failed statement would end the transaction of the migrations.
    row = connection.execute("SELECT to_regclass(%s)", (VERSION_TABLE,)).fetchone()
    if row is None or row[0] is None:
        return None
    row = connection.execute(SELECT_REVISION.encode()).fetchone()
    return str(row[0]) if row else None


def _require_known(current: str | None) -> None:
    if current is not None and current not in REVISIONS:
        raise StoreUnusable(
            f"The metadata database has schema {current}, which is newer than this program ({HEAD}): update it."
        )
