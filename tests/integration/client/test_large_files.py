"""Files of any size: read in linear time, and in little memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from obscura_backup_client.client import BackupClient
from obscura_backup_client.content.codec import encode
from obscura_backup_client.formats.errors import ExportRefused
from obscura_backup_client.formats.export_reading import decode_payload
from obscura_backup_client.formats.export_writing import encode_payload
from obscura_backup_client.formats.vcard.contacts import vcard_entries
from obscura_backup_client.sealing.sealed import MAX_PAYLOAD_BYTES, seal
from support.client.contents import ALICE, backup, contact, tombstone
from support.client.devices import KEY, USER


def varint(value: int) -> bytes:
    """As Protobuf writes it."""
    return bytes([value & 0x7F | 0x80]) + varint(value >> 7) if value > 0x7F else bytes([value])


def test_a_hundred_thousand_entries_stay_within_limits() -> None:
    content = backup(*[tombstone(UUID(int=number), 1) for number in range(1, 100_001)])
    assert decode_payload(encode_payload(content)).dated == content


@pytest.mark.parametrize(
    ("count", "unknown_bytes", "is_taken"),
    [(50_000, 1, True), (100_000, 1, False), (1, 2_000_000, True), (1, 2_100_000, False)],
)
def test_an_import_leaves_room_for_what_cannot_be_removed(
    tmp_path: Path, count: int, unknown_bytes: int, *, is_taken: bool
) -> None:
    client = BackupClient.open(tmp_path)
    client.create()
    before = client.directory.read()
    gone = [tombstone(UUID(int=number), 2**40) for number in range(1, count + 1)]
    unknown = ((9, b"\x4a" + varint(unknown_bytes) + bytes(unknown_bytes)),)
    exported = encode_payload(backup(*gone, unknown=unknown), with_identity=False)
    if is_taken:
        client.import_payload(exported, confirm=lambda _: True)
        assert len(encode(client.directory.read().content)) <= MAX_PAYLOAD_BYTES
        return
    with pytest.raises(ExportRefused, match="stay for ever"):
        client.import_payload(exported, confirm=lambda _: True)
    assert client.directory.read() == before


@pytest.mark.parametrize("nothing", [b"[],", b"{},"])
def test_a_file_of_millions_of_empty_objects_takes_little_memory(nothing: bytes) -> None:
    encoded = encode_payload(backup(contact())).replace(b'"contacts": [', b'"contacts": [' + nothing * 20_000_000)
    tracemalloc.start()
    with pytest.raises(ExportRefused, match="more members than a backup can hold"):
        decode_payload(encoded)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 1024 * 1024


@pytest.mark.parametrize(
    "things",
    [
        pytest.param(lambda number: b'{"%x":1}' % number, id="objects"),
        pytest.param(lambda number: b'"%x":1' % number, id="members"),
        pytest.param(lambda number: b"%d" % number, id="numbers"),
    ],
)
def test_a_file_of_millions_of_small_members_takes_little_memory(things: Callable[[int], bytes]) -> None:
    inside = b",".join(map(things, range(3_000_000)))
    encoded = encode_payload(backup(contact())).replace(
        b'"profile": null', b'"profile": ' + (b"{%s}" if inside.startswith(b'"') else b"[%s]") % inside
    )
    tracemalloc.start()
    with pytest.raises(ExportRefused, match="more members than a backup can hold"):
        decode_payload(encoded)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 1024 * 1024


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("KEY:" + "data:" * 100_000, id="a key"),
        pytest.param("NICKNAME:" + "a," * 250_000, id="a list"),
        pytest.param("N:" + "\\;" * 250_000, id="escapes"),
        pytest.param("FN;" + "X=y;" * 100_000 + ":a", id="parameters"),
        pytest.param("FN;" + "TYPE=y;" * 250_000 + ":a", id="types"),
        pytest.param("X:" + ";BASE64" * 70_000, id="encodings"),
    ],
)
def test_a_very_long_line_is_read_in_linear_time(line: str) -> None:
    card = "\r\n".join(["BEGIN:VCARD", "VERSION:4.0", f"UID:{ALICE}", line, "END:VCARD", ""])
    began = time.process_time()
    list(vcard_entries(card))
    assert time.process_time() - began < 2


def test_a_file_of_any_size_takes_little_memory(tmp_path: Path) -> None:
    """10 GiB, of which the disk holds only the header, within an address space of 512 MiB."""
    path = tmp_path / "backup"
    path.write_bytes(seal(b"x", KEY, USER))
    os.truncate(path, 10 * 1024**3)
    code = (
        "import resource, sys\nfrom obscura_backup_client.sealing.inspection import inspect\n"
        "resource.setrlimit(resource.RLIMIT_AS, (512 * 1024**2,) * 2)\n"
        "print(inspect(open(sys.argv[1], 'rb')).size_bytes)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert ended.stdout == f"{10 * 1024**3}\n"
