"""Bounds, times and counts that were chosen for a reason, so that none changes by accident.

The reason of each number stands in the code. Other tests show what happens at each bound, whatever its value; these
pin the values. The defaults of settings are in `test_defaults_of_settings.py`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from obscura_backup.adapters import circuit_breaker, durable_directories, memory, sqlite
from obscura_backup.adapters.filesystem import file_format
from obscura_backup.adapters.filesystem import store as filesystem
from obscura_backup.adapters.object_stores import concurrency_probe, stored_object
from obscura_backup.adapters.object_stores import store as s3
from obscura_backup.adapters.object_stores.obstore_driver import body as obstore_body
from obscura_backup.adapters.object_stores.obstore_driver import bucket as obstore_bucket
from obscura_backup.adapters.object_stores.obstore_driver.store import ObstoreBlobStore
from obscura_backup.adapters.postgres import admin_connection
from obscura_backup.adapters.postgres import pool as postgres_pool
from obscura_backup.adapters.postgres import schema as postgres_schema
from obscura_backup.adapters.postgres import sessions as postgres_sessions
from obscura_backup.adapters.postgres import store as postgres
from obscura_backup.adapters.s3 import admin as s3_admin
from obscura_backup.adapters.s3.boto3_driver import credentials_file
from obscura_backup.adapters.s3.boto3_driver.store import Boto3BlobStore
from obscura_backup.adapters.tokens import jwks, secret_file, verifier
from obscura_backup.domain import model, scrub, service
from obscura_backup.entrypoints import doctor, setting_sources, settings, signing_secret
from obscura_backup.entrypoints.cli import options, user
from obscura_backup.entrypoints.http.limits import client_address, rate_limiter, spool, transfers
from obscura_backup.entrypoints.http.messages import headers
from obscura_backup.entrypoints.http.middleware import cors, metrics, rate_limits
from obscura_backup.entrypoints.http.routes import backup
from obscura_backup.entrypoints.http.routes import service as service_routes
from obscura_backup.entrypoints.http.routes import status as status_routes
from obscura_backup.entrypoints.http.server import (
    bounds,
    connection_limit,
    message_splitter,
    run,
    send_buffer,
    shutdown,
    workers,
)
from obscura_backup.entrypoints.http.status import history
from support.table import table

KIB = 1024
MIB = 1_048_576
QUARTER_HOUR = 900.0
DAY = 86_400.0


@table(
    ("module", "numbers"),
    [
        (file_format, {"HEADER_MAX_BYTES": KIB, "_INT_MAX": 9_007_199_254_740_992}),
        (circuit_breaker, {"PAUSE_SECONDS": 1.0}),
        (durable_directories, {"OWNER_ONLY": 0o700, "OTHERS_BY_UMASK": 0o777}),
        (filesystem, {"CHUNK_BYTES": 256 * KIB, "THREADS": 16}),
        (
            jwks,
            {
                "JWKS_MAX_BYTES": MIB,
                "FETCH_TIMEOUT_SECONDS": 5.0,
                "REFRESH_SECONDS": QUARTER_HOUR,
                "STALE_SECONDS": 2 * QUARTER_HOUR,
                "KEYS_MAX_AGE_SECONDS": DAY,
                "RSA_MIN_BITS": 2048,
                "MIN_REFETCH_INTERVAL_SECONDS": 30.0,
            },
        ),
        (secret_file, {"LOOK_SECONDS": 2.0}),
        (verifier, {"TOKEN_MAX_CHARS": 8192, "CACHED_TOKENS": 16_384, "CANDIDATES_MAX": 8, "_TIME_MAX": 1 << 53}),
        (memory, {"LOCK_TIMEOUT_SECONDS": 5.0, "CHUNK_BYTES": 256 * KIB}),
        (s3_admin, {"TIMEOUT_SECONDS": 10.0}),
        (credentials_file, {"LIVE": timedelta(minutes=10), "REREAD_SECONDS": 360}),
        (
            postgres,
            {
                "LOCK_TIMEOUT_SECONDS": 5.0,
                "LOCK_POLL_SECONDS": 1.0,
                "IDLE_IN_TRANSACTION_SECONDS": 60.0,
                "POOL_SIZE": 16,
                "RESERVED_SHARE": 0.125,
                "POOL_WAITING": 2048,
                "POOL_WAIT_SECONDS": 3.0,
                "CONNECT_TIMEOUT_SECONDS": 2,
                "ANSWER_TIMEOUT_SECONDS": 3.0,
                "STATEMENT_SHARE": 0.8,
                "PAGE_ROWS": 512,
            },
        ),
        (
            admin_connection,
            {"CONNECT_TIMEOUT_SECONDS": 5, "INSPECT_LOCK_TIMEOUT_SECONDS": 1.5, "INSPECT_TIMEOUT_SECONDS": 3.0},
        ),
        (postgres_pool, {"FAILED_CONNECTS": 2, "LIFETIME_SECONDS": 1800.0}),
        (postgres_schema, {"LOCK_TIMEOUT_SECONDS": 30.0, "STATEMENT_TIMEOUT_SECONDS": 60.0}),
        (postgres_sessions, {"MAX_STALE_SESSIONS": 32}),
        (
            s3,
            {
                "WAITING_MAX": 256,
                "WAIT_SECONDS": 3.0,
                "CONNECT_TIMEOUT_SECONDS": 2.0,
                "READ_TIMEOUT_SECONDS": 10.0,
                "PING_TIMEOUT_SECONDS": 2.0,
                "START_SECONDS": 2.5,
                "FAILED_CALLS": 2,
                "RETRY_AFTER_SECONDS": (0.05, 0.25),
                "PAGE_KEYS": 1000,
            },
        ),
        (concurrency_probe, {"WRITERS": 4, "ROUNDS": 3, "START_SECONDS": 5.0}),
        (Boto3BlobStore, {"MAX_WRITES": 4, "MAX_READS": 4}),
        (ObstoreBlobStore, {"MAX_WRITES": 64, "MAX_READS": 64}),
        (obstore_body, {"MAPPED_MIN_BYTES": MIB, "RELEASE_SECONDS": 0.001}),
        (obstore_bucket, {"BODY_BYTES_PER_TIMEOUT": 16 * MIB}),
        (stored_object, {"CHUNK_BYTES": 256 * KIB, "DRAIN_BYTES": 64 * KIB, "SUFFIX_BYTES": 16}),
        (sqlite, {"SCHEMA_VERSION": 1, "LOCK_TIMEOUT_SECONDS": 5.0, "BATCH_ROWS": 256, "PAGE_ROWS": 512}),
    ],
    ids=lambda given: given.__name__.rpartition(".")[2] if hasattr(given, "__name__") else "",
)
def test_numbers_of_an_adapter(module: Any, numbers: dict[str, Any]) -> None:
    assert {name: getattr(module, name) for name in numbers} == numbers


@table(
    ("module", "numbers"),
    [
        (model, {"NO_VERSION": 0, "TOMBSTONE_BYTES": 16}),
        (scrub, {"CONCURRENCY": 16}),
        (service, {"PUTS_PER_CALL": 2, "OPENS_PER_CALL": 3}),
    ],
    ids=lambda given: given.__name__.rpartition(".")[2] if hasattr(given, "__name__") else "",
)
def test_numbers_of_the_domain(module: Any, numbers: dict[str, Any]) -> None:
    assert {name: getattr(module, name) for name in numbers} == numbers


@table(
    ("module", "numbers"),
    [
        (
            options,
            {
                "EXIT_INTERNAL_ERROR": 1,
                "EXIT_USAGE": 2,
                "EXIT_STORE": 3,
                "EXIT_ADDRESS": 4,
                "EXIT_FINDINGS": 5,
                "EXIT_INTERRUPTED": 130,
            },
        ),
        (doctor, {"SKEW_MAX_SECONDS": 60.0, "FREE_MIN_BYTES": 256 * MIB, "DIAGNOSIS_SECONDS": 6.0}),
        (backup, {"EARLY_CHECK_BYTES": 1024 * KIB}),
        (client_address, {"HOPS_MAX": 16, "_ADDRESS_MAX_CHARS": 64, "_SITE_PREFIX_BITS": 56}),
        (cors, {"PREFLIGHT_SECONDS": 600}),
        (headers, {"FIELD_MAX_CHARS": KIB, "_SHA256_BYTES": 32}),
        (connection_limit, {"STALLED_SECONDS": 1.0, "SWEEP_SECONDS": 0.25}),
        (message_splitter, {"PIECES_MAX": 64}),
        (metrics, {"MAX_AGE_SECONDS": 1.0}),
        (service_routes, {"MAX_AGE_SECONDS": 1.0}),
        (status_routes, {"ATTEMPTS_PER_MINUTE": 10}),
        (history, {"SAMPLE_SECONDS": 60, "KEPT_SECONDS": 21_600}),
        (
            bounds,
            {
                "HEAD_MAX_BYTES": 32 * KIB,
                "FIELD_COST_BYTES": 32,
                "HEAD_SECONDS": 15.0,
                "DRAIN_MAX_BYTES": 8 * MIB,
                "DRAIN_SECONDS": 20.0,
                "WRITE_SECONDS": 60.0,
                "SEND_POLL_SECONDS": 1.0,
                "MANAGEMENT_CONNECTIONS": 64,
                "OPEN_CONNECTIONS_FACTOR": 2,
                "OVERHEAD_MAX_BYTES": 64 * KIB,
                "OVERHEAD_MAX_FACTOR": 8,
                "PIPELINED_MAX": 16,
                "IN_FLIGHT_MAX_BYTES": 16 * KIB,
                "ANSWER_POLL_SECONDS": (0.005, 0.5),
                "KEEP_ALIVE_SECONDS": 65,
            },
        ),
        (spool, {"MEMORY_BYTES": 256 * KIB}),
        (rate_limiter, {"ENTRIES_MAX": 32_768, "_MINUTE_SECONDS": 60.0}),
        (rate_limits, {"DOCS_PER_MINUTE": 60}),
        (send_buffer, {"SEND_BUFFER_BYTES": 128 * KIB}),
        (run, {"BACKLOG": 2048, "STUCK_SECONDS": 10.0, "OWN_DESCRIPTORS": 512}),
        (shutdown, {"BACKLOG_SECONDS": 0.3}),
        (
            transfers,
            {"STALL_SECONDS": 30.0, "BODY_SECONDS": 600.0, "GRACE_SECONDS": 60.0, "PACE_BYTES_PER_SECOND": KIB},
        ),
        (workers, {"_POLL_SECONDS": 0.05, "_START_AGAIN_SECONDS": 1.0}),
        (settings, {"SECRET_RECOMMENDED_BYTES": 32, "STATUS_PASSWORD_MIN_CHARS": 12}),
        (setting_sources, {"CONFIG_MAX_BYTES": MIB}),
        (
            signing_secret,
            {
                "SECRET_BYTES": 32,
                "SECRET_MIN_BYTES": 16,
                "SECRETS_MAX": 8,
                "FINGERPRINT_CHARS": 8,
                "_MAX_BYTES": 4 * KIB,
                "_NAMED_MAX_BYTES": 64 * KIB,
            },
        ),
        (user, {"LISTED": 50}),
    ],
    ids=lambda given: given.__name__.rpartition(".")[2] if hasattr(given, "__name__") else "",
)
def test_numbers_of_an_entrypoint(module: Any, numbers: dict[str, Any]) -> None:
    assert {name: getattr(module, name) for name in numbers} == numbers


def test_durations_are_counted_in_these_buckets() -> None:
    assert metrics._SECONDS._upper_bounds[:-1] == [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
    ]  # fmt: skip
