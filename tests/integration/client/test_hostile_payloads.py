"""The worst payloads of 2 MiB that the password's owner can seal: read in linear time and little memory."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from obscura_backup_client.content.generated.obscura.backup.v1 import backup_pb2 as pb
from obscura_backup_client.sealing.sealed import MAX_PAYLOAD_BYTES

IDENTITY = pb.Backup(
    identity=pb.IdentityKeyPair(public_key=b"P" * 32, private_key=b"S" * 32, epoch=1)
).SerializeToString()

# Where time or memory grows with the square of the number of fields, these take minutes or gigabytes; where not,
# about two seconds and 100 MB more than what starting takes.
CPU_SECONDS = 15
MEMORY_BYTES = 768 * 1024 * 1024

DECODE = """
import sys
from obscura_backup_client.content.errors import PayloadError
from obscura_backup_client.content.merge import merge
from obscura_backup_client.content.codec import decode, encode
try:
    backup = decode(sys.stdin.buffer.read())
except PayloadError as error:
    print(error.reason)
else:
    print(len(merge(backup, decode(encode(backup))).unknown), "unknown")
"""


def bounded() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def full_of(field: bytes) -> bytes:
    return IDENTITY + field * ((MAX_PAYLOAD_BYTES - len(IDENTITY)) // len(field))


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        pytest.param(full_of(b"\x78\x00"), "1 unknown", id="one unknown field a million times"),
        pytest.param(full_of(b"\x78\x00\x70\x00"), "2 unknown", id="two unknown fields in turns"),
        pytest.param(full_of(b"\x7b\x7c"), "1 unknown", id="empty groups"),
        pytest.param(full_of(b"\x0a\x00"), "0 unknown", id="an identity in a million parts"),
        pytest.param(full_of(b"\x12\x00"), "it has more than 200000 entries", id="a million empty contacts"),
        pytest.param(full_of(b"\x22\x00"), "it has more than 4096 writers", id="a million empty writers"),
    ],
)
def test_the_worst_payloads_stay_within_limits(payload: bytes, answer: str) -> None:
    reader = subprocess.run(
        [sys.executable, "-c", DECODE], input=payload, capture_output=True, check=False, preexec_fn=bounded
    )
    assert (reader.stdout.decode().strip(), reader.stderr) == (answer, b"")
