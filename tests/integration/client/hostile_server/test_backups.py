"""Backups that differ from the one that was stored."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from obscura_backup_client.errors import ClientError
from obscura_backup_client.operations.errors import RollbackSuspected
from obscura_backup_client.sealing.errors import Damaged, RefusedParameters
from obscura_backup_client.sealing.kdf import ConfirmMemory
from obscura_backup_client.sealing.kdf_parameters import KdfParameters
from obscura_backup_client.sealing.sealed import DEFAULT_MAX_BLOB_BYTES, open_sealed, seal
from obscura_backup_client.transport.errors import UnexpectedResponse
from support.client.devices import KEY, USER
from support.client.hostile_server import HostileServer, reply
from support.client.known_state import TOKEN, KnownState, Phone, files, honest, require_nothing_from

PASSWORD = "correct horse battery"
MEMORY_AT = slice(5, 9)


def digest_of(content: bytes) -> str:
    return f"Repr-Digest: sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


def asking_for(blob: bytes, memory_kib: int) -> bytes:
    """The blob with another amount of memory in its header."""
    altered = bytearray(blob)
    altered[MEMORY_AT] = memory_kib.to_bytes(4, "big")
    return bytes(altered)


def test_memory_over_the_limit_is_refused(phone: Phone, liar: HostileServer, truth: KnownState) -> None:
    liar.replies["GET"] = honest(asking_for(truth.latest, 10 * 1024 * 1024))
    refused = require_nothing_from(phone(), RefusedParameters, PASSWORD)
    assert isinstance(refused, RefusedParameters)
    assert refused.parameters == KdfParameters(10 * 1024 * 1024, 3, 1)


def test_ten_gigabytes_of_memory_are_never_allocated(liar: HostileServer, truth: KnownState, tmp_path: Path) -> None:
    program = """
import resource, sys
from obscura_backup_client import BackupClient, ClientError
state, server, token = sys.argv[1:]
# What the system counts from here on; before this it is the peak of the process that started this one.
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    BackupClient.open(state, server=server, token=token).verify(sys.stdin.readline().rstrip())
except ClientError as error:
    print(error.code, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    liar.replies["GET"] = honest(asking_for(truth.latest, 10 * 1024 * 1024))
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), liar.address, TOKEN],
        input=PASSWORD,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    code, peak_mib = done.stdout.split()
    assert code == "refused-parameters"
    assert int(peak_mib) < 150


def test_half_a_gigabyte_needs_a_confirmation(phone: Phone, liar: HostileServer, truth: KnownState) -> None:
    liar.replies["GET"] = honest(asking_for(truth.latest, 512 * 1024))
    asked: list[KdfParameters] = []

    def no(parameters: KdfParameters) -> bool:
        asked.append(parameters)
        return False

    require_nothing_from(phone(), RefusedParameters, PASSWORD)
    confirm: ConfirmMemory = no
    with pytest.raises(RefusedParameters):
        phone().push(PASSWORD, confirm_memory=confirm)
    assert asked == [KdfParameters(512 * 1024, 3, 1)]


def test_another_users_backup_is_damaged(phone: Phone, liar: HostileServer, truth: KnownState) -> None:
    liar.replies["GET"] = honest(truth.foreign)
    require_nothing_from(phone(), Damaged)


def test_an_older_backup_is_an_alarm(phone: Phone, liar: HostileServer, truth: KnownState) -> None:
    liar.replies["GET"] = honest(truth.first)
    require_nothing_from(phone(), RollbackSuspected)


def test_an_older_backup_under_a_new_version_is_an_alarm(phone: Phone, liar: HostileServer, truth: KnownState) -> None:
    liar.replies["GET"] = honest(truth.first, 3)
    require_nothing_from(phone(), RollbackSuspected)


def test_the_same_backup_in_other_bytes_is_an_alarm(phone: Phone, liar: HostileServer, truth: KnownState) -> None:
    payload = open_sealed(truth.latest, KEY, USER).payload
    other = seal(payload, KEY, USER, max_blob_bytes=DEFAULT_MAX_BLOB_BYTES, random=lambda count: b"n" * count)
    assert other != truth.latest
    liar.replies["GET"] = honest(other)
    require_nothing_from(phone(), RollbackSuspected)


def test_a_missing_backup_is_an_alarm_to_a_push(phone: Phone, liar: HostileServer) -> None:
    liar.replies["GET"] = reply(404)
    client = phone()
    before = files(client)
    with pytest.raises(RollbackSuspected):
        client.push(KEY)
    assert (liar.asked, files(client)) == (["GET"], before)


def test_bytes_that_do_not_match_their_digest_change_nothing(
    phone: Phone, liar: HostileServer, truth: KnownState
) -> None:
    liar.replies["GET"] = honest(truth.latest, 2, digest_of(truth.first))
    require_nothing_from(phone(), UnexpectedResponse)


@pytest.mark.parametrize("at", [0, 4, 20, 35, 50, 100, -1])
def test_an_altered_backup_changes_nothing(phone: Phone, liar: HostileServer, truth: KnownState, at: int) -> None:
    altered = bytearray(truth.latest)
    altered[at] ^= 1
    liar.replies["GET"] = honest(bytes(altered))
    client = phone()
    before = files(client)
    with pytest.raises(ClientError):
        client.push(KEY)
    assert (liar.asked, files(client)) == (["GET"], before)


@pytest.mark.parametrize("etag", ['"0"', '"9007199254740992"', f'"{"9" * 400}"', '"-1"', '"1e3"', '"2", "3"', "*"])
def test_an_invalid_version_changes_nothing(phone: Phone, liar: HostileServer, truth: KnownState, etag: str) -> None:
    liar.replies["GET"] = reply(200, truth.latest, f"ETag: {etag}")
    require_nothing_from(phone(), UnexpectedResponse)


def test_a_lower_version_changes_only_the_condition_of_an_upload(
    phone: Phone, liar: HostileServer, truth: KnownState
) -> None:
    liar.replies = {"GET": honest(truth.latest, 1), "POST": reply(200, b"", 'ETag: "2"')}
    client = phone()
    before = client.contacts()
    client.push(KEY)
    assert b'If-Match: "1"' in liar.heads[1]
    assert client.contacts() == before
