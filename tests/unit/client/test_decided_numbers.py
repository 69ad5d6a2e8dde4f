"""Bounds, times and counts that the client was given on purpose: a change of one is a decision and no accident.

Each number stands beside its reason in the code. Tests elsewhere show what happens at a bound, wherever it is; that it
is where it was put is said here. Those of the format are in the vectors.
"""

from __future__ import annotations

from typing import Any

import pytest

from obscura_backup_client import client as sync
from obscura_backup_client.content import merge, model, names
from obscura_backup_client.content import protobuf_wire as wire
from obscura_backup_client.device import atomic_files as whole_files
from obscura_backup_client.device import calibrated_parameters, state
from obscura_backup_client.device import directory as state_directory
from obscura_backup_client.formats import contact_entries
from obscura_backup_client.formats import contacts as contact_files
from obscura_backup_client.formats import export_reading as payload_reading
from obscura_backup_client.formats import identity_keys as contact_keys
from obscura_backup_client.formats.vcard import lines as vcard_lines
from obscura_backup_client.formats.vcard import reader as vcards
from obscura_backup_client.operations import export as exporting
from obscura_backup_client.operations import keys as unlocking
from obscura_backup_client.operations import push as exchange
from obscura_backup_client.sealing import calibration, inspection, passwords, sealed
from obscura_backup_client.sealing import kdf as parameters
from obscura_backup_client.sealing import kdf_timing as measuring
from obscura_backup_client.transport import address as server_address
from obscura_backup_client.transport import asyncio_connection as async_connection
from obscura_backup_client.transport import backup_api as http_conversation
from obscura_backup_client.transport import exchange as http_exchange
from obscura_backup_client.transport import responses as http_answers

KIB = 1024
MIB = 1_048_576
DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("module", "numbers"),
    [
        (async_connection, {"MAX_UNREAD_BYTES": 64 * KIB}),
        (calibration, {"CALIBRATION_STEP_KIB": 16_384, "CALIBRATION_MAX_MEASUREMENTS": 10}),
        (measuring, {"LEAST_PROCESSOR_SHARE": 0.9, "MOST_LOAD": 0.7}),
        (contact_entries, {"MAX_COLUMNS": 1000}),
        (contact_files, {"MAX_CONTACT_FILE_BYTES": 8 * MIB, "MAX_IMPORTED_CONTACTS": 100_000}),
        (contact_keys, {"MIN_KEY_BYTES": 16}),
        (calibrated_parameters, {"PROFILE_FORMAT": 1, "MAX_PROFILE_BYTES": 4 * KIB}),
        (exchange, {"FORMAT": 1}),
        (exporting, {"MAX_WRITERS_BY_IMPORT": 1024}),
        (http_answers, {"MAX_HEAD_BYTES": 64 * KIB}),
        (
            http_conversation,
            {
                "MAX_JSON_BYTES": 64 * KIB,
                "RETRYABLE_STATUSES": {429, 502, 503, 504},
                "SETTLING_STATUSES": {"POST": {200, 201, 409, 413}, "DELETE": {204, 409}},
            },
        ),
        (
            http_exchange,
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
        (server_address, {"_MAX_HOST_CHARACTERS": 253, "_DEFAULT_PORTS": {"http": 80, "https": 443}}),
        (state, {"STATE_FORMAT": 1, "SHA256_BYTES": 32}),
        (
            state_directory,
            {
                "OWNER_ONLY_DIRECTORY": 0o700,
                "OTHERS_PERMISSIONS": 0o077,
                "WRITABLE_BY_OTHERS": 0o022,
                "LOCK_POLL_SECONDS": 0.05,
                "ROOT": 0,
            },
        ),
        (sync, {"PUSH_ATTEMPTS": 5, "FIRST_WAIT_SECONDS": 0.1}),
        (vcard_lines, {"_MAX_HEAD_LINES": 8}),
        (vcards, {"MAX_PROPERTIES": 10_000}),
        (whole_files, {"OWNER_ONLY_FILE": 0o600}),
    ],
    ids=lambda given: given.__name__.rpartition(".")[2] if hasattr(given, "__name__") else "",
)
def test_numbers_of_the_client(module: Any, numbers: dict[str, Any]) -> None:
    assert {name: getattr(module, name) for name in numbers} == numbers


@pytest.mark.parametrize(
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
            parameters,
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
            payload_reading,
            {
                "MAX_EXPORT_BYTES": 64 * MIB,
                "MAX_BRACKETS": 600_000,
                "MAX_MEMBERS": 1_600_000,
                "MAX_IMPORTED_COUNTER": 2_147_483_648,
                "MAX_AHEAD_MS": 3650 * DAY_MS,
                "_SHOWN_NAME": 40,
            },
        ),
        (sealed, {"DEFAULT_MAX_BLOB_BYTES": 2 * MIB}),
        (unlocking, {"MAX_PASSWORD_ATTEMPTS": 3}),
        (wire, {"MAX_GROUP_DEPTH": 32, "MAX_VARINT_BYTES": 10, "MAX_SHORT_VARINT_BYTES": 5}),
    ],
    ids=lambda given: given.__name__.rpartition(".")[2] if hasattr(given, "__name__") else "",
)
def test_numbers_of_what_is_sealed(module: Any, numbers: dict[str, Any]) -> None:
    assert {name: getattr(module, name) for name in numbers} == numbers
