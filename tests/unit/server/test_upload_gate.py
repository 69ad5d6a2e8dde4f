from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from contracts import samples
from obscura_backup.domain.errors import TooManyUploads
from obscura_backup.entrypoints.http.errors import UploadTimeout
from obscura_backup.entrypoints.http.upload_gate import UploadGate, patient

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


async def body(*pauses_seconds: float) -> AsyncGenerator[bytes, None]:
    for pause in pauses_seconds:
        await asyncio.sleep(pause)
        yield b"piece"


def test_as_many_as_may_be() -> None:
    gate, user = UploadGate(2), samples.user()
    with (
        gate.admit(user),
        gate.admit(user),
        gate.admit(samples.user()),
        pytest.raises(TooManyUploads),
        gate.admit(user),
    ):
        pytest.fail("one too many")


def test_place_is_free_again() -> None:
    gate, user = UploadGate(1), samples.user()
    with pytest.raises(ZeroDivisionError), gate.admit(user):
        raise ZeroDivisionError
    with gate.admit(user):
        pass
    assert gate._under_way == {}


async def test_pieces_come_through() -> None:
    assert [piece async for piece in patient(body(0, 0, 0))] == [b"piece"] * 3


async def test_pause_that_is_too_long() -> None:
    with pytest.raises(UploadTimeout):
        _ = [piece async for piece in patient(body(0, 5), stall_seconds=0.01)]


async def test_trickle_that_takes_too_long_in_all() -> None:
    with pytest.raises(UploadTimeout):
        _ = [piece async for piece in patient(body(*[0.01] * 100), stall_seconds=1, total_seconds=0.03)]
