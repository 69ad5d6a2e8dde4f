from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import IO
from uuid import UUID

import pytest

from obscura_backup_client.sealing.errors import Damaged, NewerFormat, NotABackup, RefusedParameters
from obscura_backup_client.sealing.inspection import MAX_COUNTED_BYTES, Inspection, Verdict, inspect
from obscura_backup_client.sealing.kdf_parameters import PROFILES, KdfParameters
from obscura_backup_client.sealing.sealed import Header, SealingKey, read_header, seal, seal_plaintext
from support.table import table

USER = UUID(int=1)
KEY = SealingKey(PROFILES["default"], b"s" * 16, b"r" * 32)


def inspected(folder: Path, content: bytes) -> Inspection:
    path = folder / "backup"
    path.write_bytes(content)
    with path.open("rb") as stream:
        return inspect(stream)


def with_parameters(parameters: KdfParameters) -> bytes:
    return seal_plaintext(bytes(16384), SealingKey(parameters, b"s" * 16, b"r" * 32), USER, nonce=b"n" * 12)


def test_a_sealed_backup_shows_its_header_and_sizes(tmp_path: Path) -> None:
    blob = seal(b"x" * 30_000, KEY, USER)
    found = inspected(tmp_path, blob)
    assert found.header == read_header(blob)
    assert (found.format, found.size_bytes, found.complete) == (1, len(blob), True)
    assert (found.padded_bytes, found.payload_bytes) == (len(blob) - 90, (29_693, 30_716))
    assert (found.verdict, found.refusal, found.weakness) == (Verdict.OPENS, "", "")


def test_a_size_with_other_padding_has_no_payload_size(tmp_path: Path) -> None:
    found = inspected(tmp_path, seal(b"", KEY, USER) + b"\0")
    assert (found.padded_bytes, found.payload_bytes) == (16_385, None)


@table(
    ("parameters", "verdict", "refusal", "weakness"),
    [
        (KdfParameters(65536, 3, 1), Verdict.OPENS, "", ""),
        (KdfParameters(65535, 3, 1), Verdict.OPENS, "", "64 to 256 MiB"),
        (KdfParameters(65536, 2, 1), Verdict.OPENS, "", "3 to 16 passes"),
        (KdfParameters(65536, 3, 4), Verdict.OPENS, "", "exactly 1 lane"),
        (KdfParameters(262145, 3, 1), Verdict.ASKS, "more than 256 MiB", "64 to 256 MiB"),
        (KdfParameters(524289, 3, 1), Verdict.REFUSES, "at most 512 MiB", "64 to 256 MiB"),
        (KdfParameters(2**32 - 1, 2**32 - 1, 255), Verdict.REFUSES, "lanes must be", "exactly 1 lane"),
    ],
    ids=str,
)
def test_parameters_are_judged_by_the_limits_of_opening_and_sealing(
    tmp_path: Path, parameters: KdfParameters, verdict: Verdict, refusal: str, weakness: str
) -> None:
    found = inspected(tmp_path, with_parameters(parameters))
    assert found.verdict is verdict
    assert refusal in found.refusal
    assert bool(found.refusal) is bool(refusal)
    assert weakness in found.weakness
    assert bool(found.weakness) is bool(weakness)


@table(
    ("content", "error"),
    [
        (b"", NotABackup),
        (b"OBK", NotABackup),
        (b"PK\x03\x04" + bytes(100), NotABackup),
        (b"OBK2", NewerFormat),
        (b"OBK1" + bytes(89), Damaged),
        (b"OBK1\x02" + bytes(89), RefusedParameters),
    ],
)
def test_a_file_that_is_not_a_backup_is_refused_as_when_opening(
    tmp_path: Path, content: bytes, error: type[Exception]
) -> None:
    with pytest.raises(error):
        inspected(tmp_path, content)


def fed(*pieces: bytes) -> tuple[IO[bytes], threading.Thread]:
    """A pipe that a thread fills piece by piece, until it is closed."""
    reading, writing = os.pipe()

    def feed() -> None:
        try:
            for piece in pieces:
                os.write(writing, piece)
        except BrokenPipeError:
            pass
        finally:
            os.close(writing)

    thread = threading.Thread(target=feed)
    thread.start()
    return os.fdopen(reading, "rb"), thread


def test_a_pipe_is_counted_to_its_end() -> None:
    blob = seal(b"", KEY, USER)
    stream, thread = fed(blob[:10], blob[10:93], blob[93:])
    with stream:
        found = inspect(stream)
    thread.join()
    assert (found.size_bytes, found.complete) == (len(blob), True)


def test_an_endless_stream_is_counted_up_to_a_limit() -> None:
    stream, thread = fed(seal(b"", KEY, USER), *[bytes(1024 * 1024)] * (MAX_COUNTED_BYTES // 1024**2 + 8))
    with stream:
        found = inspect(stream)
    thread.join()
    assert (found.size_bytes, found.complete) == (MAX_COUNTED_BYTES, False)
    assert (found.padded_bytes, found.payload_bytes) == (None, None)


def test_a_file_that_was_read_in_part_is_counted_from_there(tmp_path: Path) -> None:
    path = tmp_path / "backup"
    path.write_bytes(b"before" + seal(b"", KEY, USER))
    with path.open("rb") as stream:
        stream.seek(6)
        assert inspect(stream).size_bytes == path.stat().st_size - 6


def test_the_smallest_backup_that_can_be_read_is_inspected(tmp_path: Path) -> None:
    header = Header(KdfParameters(8, 1, 1), bytes(16), bytes(12), bytes(32)).encoded
    assert inspected(tmp_path, header + bytes(20)).size_bytes == 94
