"""Facts about the metadata database for operators, read on a separate connection."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psycopg

from obscura_backup.adapters.postgres.admin_connection import (
    INSPECT_LOCK_TIMEOUT_SECONDS,
    INSPECT_TIMEOUT_SECONDS,
    open_connection,
    set_timeouts,
)
from obscura_backup.adapters.postgres.schema import MISSING_PRIVILEGES, describe_missing_privileges
from obscura_backup.domain.errors import MetadataUnavailable

_FACTS = f"""
SELECT current_setting('server_version'), current_setting('transaction_read_only') = 'off',
       current_setting('synchronous_commit'), current_setting('fsync'), extract(epoch FROM clock_timestamp()),
       {MISSING_PRIVILEGES}
"""  # noqa: S608  # constants only


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The facts about a server.

    Attributes:
        version: of the server.
        writable: whether it accepts writes; a standby does not.
        missing_privileges: a sentence on missing privileges for reading and writing rows; empty if there are none.
        durable: whether commits survive a crash: neither `fsync` nor `synchronous_commit` is off.
        round_trip_seconds: of one statement on an open connection.
        skew_seconds: how far its clock is ahead of ours.
    """

    version: str
    writable: bool
    missing_privileges: str
    durable: bool
    round_trip_seconds: float
    skew_seconds: float


class ConnectionRefused(MetadataUnavailable):
    """The database server answers, and refuses the connection: check user, password, database and pg_hba.conf."""


def diagnose(url: str) -> Diagnosis:
    """Read the facts; blocks for a few seconds at most.

    Raises:
        ConnectionRefused: the server answers, but not to this user.
        MetadataUnavailable: the server does not answer.
        StoreUnusable: the URL is malformed.
    """
    try:
        with open_connection(url) as connection:
            set_timeouts(
                connection, lock_seconds=INSPECT_LOCK_TIMEOUT_SECONDS, statement_seconds=INSPECT_TIMEOUT_SECONDS
            )
            began, clock = time.perf_counter(), time.time()
            row = connection.execute(_FACTS.encode()).fetchone()
            took = time.perf_counter() - began
    except psycopg.Error as error:
        raise (ConnectionRefused if _is_answer(error) else MetadataUnavailable) from error
    if row is None:
        raise MetadataUnavailable
    version, writable, synchronous_commit, fsync, epoch, missing = row
    return Diagnosis(
        version=version,
        writable=writable,
        missing_privileges=describe_missing_privileges(missing),
        durable=fsync == "on" and synchronous_commit != "off",
        round_trip_seconds=took,
        skew_seconds=float(epoch) - (clock + took / 2),
    )


def _is_answer(error: psycopg.Error) -> bool:
    """Whether a failed connection was refused by the server itself. The driver gives no SQLSTATE for it."""
    connection = error.pgconn
    asked = connection is not None and (connection.used_password or connection.needs_password)
    return asked or "FATAL" in str(error)
