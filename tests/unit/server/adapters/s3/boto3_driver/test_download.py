from __future__ import annotations

import pytest
from urllib3.exceptions import ProtocolError

from contracts import samples
from obscura_backup.adapters.object_stores.stored_object import CHUNK_BYTES, DRAIN_BYTES
from obscura_backup.adapters.s3.boto3_driver.download import Download
from obscura_backup.domain.errors import BackupDamaged, BlobStoreUnavailable


class ScriptedBody:
    """Gives these pieces, then nothing; or fails."""

    def __init__(self, *pieces: bytes, failure: Exception | None = None) -> None:
        self.pieces = list(pieces)
        self.failure = failure
        self.closed = 0

    def read(self, amt: int) -> bytes:
        if self.pieces:
            piece = self.pieces.pop(0)
            assert len(piece) <= amt
            return piece
        if self.failure is not None:
            raise self.failure
        return b""

    def close(self) -> None:
        self.closed += 1


def reading(body: ScriptedBody, length: int, suffix: bytes = b"") -> Download:
    return Download(body, samples.revision(), 0, length, suffix)


def test_pieces_come_until_all_has_come() -> None:
    body = ScriptedBody(b"abc", b"de", b"f")
    open_ = reading(body, 6)
    assert (open_.first_chunk, open_.read(), open_.read(), open_.read()) == (b"abc", b"de", b"f", b"")
    assert open_.is_complete


def test_an_end_before_the_end_is_told() -> None:
    open_ = reading(ScriptedBody(b"abc"), 6)
    with pytest.raises(BlobStoreUnavailable, match="fewer"):
        open_.read()


def test_a_failure_with_the_first_piece_closes_the_connection() -> None:
    body = ScriptedBody(failure=ProtocolError("broken"))
    with pytest.raises(BlobStoreUnavailable):
        reading(body, 6)
    assert body.closed == 1


def test_little_that_is_left_is_drained() -> None:
    body = ScriptedBody(b"x" * CHUNK_BYTES, b"y" * DRAIN_BYTES)
    open_ = reading(body, CHUNK_BYTES + DRAIN_BYTES)
    open_.close()
    open_.close()
    assert (body.pieces, body.closed) == ([], 1)


def test_a_failure_while_draining_is_ignored() -> None:
    body = ScriptedBody(b"abc", failure=ProtocolError("broken"))
    open_ = reading(body, 6)
    open_.close()
    assert body.closed == 1


def test_nothing_is_read_of_an_empty_object() -> None:
    open_ = reading(ScriptedBody(failure=ProtocolError("never asked")), 0)
    assert (open_.first_chunk, open_.is_complete) == (b"", True)


def test_one_byte_more_than_is_worth_draining_is_not_drained() -> None:
    body = ScriptedBody(b"x" * CHUNK_BYTES, b"y" * (DRAIN_BYTES + 1))
    open_ = reading(body, CHUNK_BYTES + DRAIN_BYTES + 1)
    open_.close()
    assert (len(body.pieces), body.closed) == (1, 1)
    assert open_.read() == b""


def test_suffix_is_not_given_out() -> None:
    body = ScriptedBody(b"abc", b"de", b"f", b"suf", b"fix")
    open_ = reading(body, 6, b"suffix")
    assert (open_.first_chunk, open_.read(), open_.read(), open_.read()) == (b"abc", b"de", b"f", b"")
    assert open_.is_complete
    assert body.pieces == []


def test_piece_that_ends_where_the_blob_ends_is_read_alone() -> None:
    body = ScriptedBody(b"x" * CHUNK_BYTES, b"suffix")
    open_ = reading(body, CHUNK_BYTES, b"suffix")
    assert (len(open_.first_chunk), open_.is_complete, body.pieces) == (CHUNK_BYTES, True, [])


def test_last_piece_is_kept_back_where_the_suffix_is_another() -> None:
    open_ = reading(ScriptedBody(b"abc", b"def", b"SUFFIX"), 6, b"suffix")
    assert open_.first_chunk == b"abc"
    with pytest.raises(BackupDamaged):
        open_.read()
    assert open_.read() == b""


def test_only_piece_is_kept_back_where_the_suffix_is_another() -> None:
    body = ScriptedBody(b"abcdef", b"suffiX")
    with pytest.raises(BackupDamaged):
        reading(body, 6, b"suffix")
    assert body.closed == 1


def test_suffix_of_an_empty_blob_is_looked_at() -> None:
    with pytest.raises(BackupDamaged):
        reading(ScriptedBody(b"suffiX"), 0, b"suffix")


def test_suffix_that_is_cut_off_is_an_end_before_the_end() -> None:
    with pytest.raises(BlobStoreUnavailable, match="fewer"):
        reading(ScriptedBody(b"abcdef", b"suff"), 6, b"suffix")


def test_damage_found_while_draining_is_ignored() -> None:
    body = ScriptedBody(b"abc", b"def", b"SUFFIX")
    open_ = reading(body, 6, b"suffix")
    open_.close()
    assert (body.pieces, body.closed) == ([], 1)
