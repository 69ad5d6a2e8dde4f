"""The values of the client's limits, times and counts. A change of one must be a decision, not an accident.

The code gives the reason for each number. Other tests show what happens at a limit, whatever its value. The numbers of
the format are in the vectors.
"""

from __future__ import annotations

from typing import Any

from obscura_backup_client import cli, strict_json
from obscura_backup_client.cli import context, settings
from obscura_backup_client.cli.commands import calibrate
from obscura_backup_client.content import merge, model, names, protobuf_wire
from obscura_backup_client.device import atomic_files, calibrated_parameters, directory, state
from obscura_backup_client.formats import contact_entries, contacts, export_reading, identity_keys
from obscura_backup_client.formats.vcard import lines as vcard_lines
from obscura_backup_client.formats.vcard import reader as vcard_reader
from obscura_backup_client.operations import export, push
from obscura_backup_client.operations import keys as operation_keys
from obscura_backup_client.sealing import calibration, inspection, kdf, kdf_timing, passwords, sealed
from obscura_backup_client.transport import address, asyncio_connection, exchange, responses, retries
from support.table import table

KIB = 1024
MIB = 1_048_576
DAY_MS = 86_400_000


@table(
    ("module", "numbers"),
    [
        (cli, {"_OUTPUT_LOST": 12, "_INTERRUPTED": 130}),
        (calibrate, {"DEFAULT_TARGET_MS": 750}),
        (context, {"MAX_NAMED_CONTACTS": 3}),
        (settings, {"MAX_PASSWORD_LINE_BYTES": 8192, "MAX_TOKEN_BYTES": 65_536}),
        (asyncio_connection, {"MAX_UNREAD_BYTES": 64 * KIB}),
        (calibration, {"CALIBRATION_STEP_KIB": 16_384, "CALIBRATION_MAX_MEASUREMENTS": 10}),
        (kdf_timing, {"LEAST_PROCESSOR_SHARE": 0.9, "MOST_LOAD": 0.7}),
        (contact_entries, {"MAX_COLUMNS": 1000}),
        (contacts, {"MAX_CONTACT_FILE_BYTES": 8 * MIB, "MAX_IMPORTED_CONTACTS": 100_000}),
        (identity_keys, {"MIN_KEY_BYTES": 16}),
        (calibrated_parameters, {"PROFILE_FORMAT": 1, "MAX_PROFILE_BYTES": 4 * KIB}),
        (push, {"FORMAT": 1, "PUSH_ATTEMPTS": 5, "FIRST_WAIT_SECONDS": 0.1}),
        (export, {"MAX_WRITERS_BY_IMPORT": 1024}),
        (responses, {"MAX_HEAD_BYTES": 64 * KIB}),
        (
            retries,
            {
                "MAX_JSON_BYTES": 64 * KIB,
                "RETRYABLE_STATUSES": {429, 502, 503, 504},
                "SETTLING_STATUSES": {"POST": {200, 201, 409, 413}, "DELETE": {204, 409}},
            },
        ),
        (
            exchange,
            {
                "SEND_BYTES": 16 * KIB,
                "RECEIVE_BYTES": 8 * KIB,
                "EVENTS_PER_STEP": 64,
                "MAX_FIELDS": 100,
                "MAX_FRAMING_BYTES": 64 * KIB,
                "FRAMING_SHARE": 8,
            },
        ),
        (inspection, {"MAX_COUNTED_BYTES": 64 * MIB, "CHUNK_BYTES": 64 * KIB}),
        (address, {"_MAX_HOST_CHARACTERS": 253, "_DEFAULT_PORTS": {"http": 80, "https": 443}}),
        (state, {"STATE_FORMAT": 1, "SHA256_BYTES": 32, "PARAMETER_COUNT": 3}),
        (
            directory,
            {
                "OWNER_ONLY_DIRECTORY": 0o700,
                "OTHERS_PERMISSIONS": 0o077,
                "WRITABLE_BY_OTHERS": 0o022,
                "LOCK_POLL_SECONDS": 0.05,
                "ROOT": 0,
            },
        ),
        (strict_json, {"_SHOWN_NAME": 40}),
        (vcard_lines, {"_MAX_HEAD_LINES": 8}),
        (vcard_reader, {"MAX_PROPERTIES": 10_000}),
        (atomic_files, {"OWNER_ONLY_FILE": 0o600}),
    ],
    ids=lambda given: given.__name__.rpartition(".")[2] if hasattr(given, "__name__") else "",
)
def test_the_client_has_the_decided_numbers(module: Any, numbers: dict[str, Any]) -> None:
    assert {name: getattr(module, name) for name in numbers} == numbers


@table(
    ("module", "numbers"),
    [
        (merge, {"MAX_CLOCK_SKEW_MS": DAY_MS}),
        (
            model,
            {
                "MAX_NAME_BYTES": 256,
                "MAX_USERNAME_BYTES": 1024,
                "MAX_CONTACT_KEY_BYTES": 4096,
                "MAX_DECRYPTION_KEY_BYTES": 128,
                "MAX_LIVE_CONTACTS": 20_000,
                "MAX_ENTRIES": 200_000,
                "MAX_WRITERS": 4096,
                "MAX_INTEGER": 9_007_199_254_740_991,
            },
        ),
        (names, {"MAX_USERNAME_CODE_POINTS": 256}),
        (
            kdf,
            {
                "SEALING_MIN_PASSES": 3,
                "SEALING_MIN_MEMORY_KIB": 64 * KIB,
                "SEALING_MAX_MEMORY_KIB": 256 * KIB,
                "OPENING_MAX_LANES": 4,
                "OPENING_MAX_PASSES": 16,
                "OPENING_MIN_MEMORY_KIB_PER_LANE": 8,
                "OPENING_MAX_MEMORY_KIB": 512 * KIB,
                "OPENING_MAX_MEMORY_KIB_PASSES": 4096 * KIB,
                "OPENING_UNASKED_MEMORY_KIB": 256 * KIB,
            },
        ),
        (passwords, {"MIN_CODE_POINTS": 13, "MAX_PASSWORD_BYTES": 1024, "STRENGTH_CODE_POINTS": 72, "MIN_SCORE": 3}),
        (
            export_reading,
            {
                "MAX_EXPORT_BYTES": 64 * MIB,
                "MAX_BRACKETS": 600_000,
                "MAX_MEMBERS": 1_600_000,
                "MAX_IMPORTED_COUNTER": 2_147_483_648,
                "MAX_AHEAD_MS": 3650 * DAY_MS,
            },
        ),
        (sealed, {"DEFAULT_MAX_BLOB_BYTES": 2 * MIB}),
        (operation_keys, {"MAX_PASSWORD_ATTEMPTS": 3}),
        (protobuf_wire, {"MAX_GROUP_DEPTH": 32, "MAX_VARINT_BYTES": 10, "MAX_SHORT_VARINT_BYTES": 5}),
    ],
    ids=lambda given: given.__name__.rpartition(".")[2] if hasattr(given, "__name__") else "",
)
def test_sealing_has_the_decided_numbers(module: Any, numbers: dict[str, Any]) -> None:
    assert {name: getattr(module, name) for name in numbers} == numbers
