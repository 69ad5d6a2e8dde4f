"""Limits on transfers: of all, and per user."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from contracts import samples
from obscura_backup.domain.errors import ObscuraError, TooManyUploads
from obscura_backup.entrypoints.http.limits import transfers
from obscura_backup.entrypoints.http.limits.transfers import BodyReader, ConcurrencyLimit
from obscura_backup.entrypoints.http.messages.errors import ClientDisconnected, UploadTooSlow

if TYPE_CHECKING:
    from litestar.types import Receive


def sender(*pauses_seconds: float, hangs_up: bool = False) -> Receive:
    """What a server hands an application: a piece after each pause."""
    pauses = list(pauses_seconds)

    async def receive() -> Any:
        if not pauses and hangs_up:
            return {"type": "http.disconnect"}
        await asyncio.sleep(pauses.pop(0))
        return {"type": "http.request", "body": b"piece", "more_body": bool(pauses) or hangs_up}

    return receive


def test_as_many_as_may_be() -> None:
    gate, user = ConcurrencyLimit(2), samples.user()
    with (
        gate.admit(user),
        gate.admit(user),
        gate.admit(samples.user()),
        pytest.raises(TooManyUploads),
        gate.admit(user),
    ):
        pytest.fail("one too many")


def test_place_is_free_again() -> None:
    gate, user = ConcurrencyLimit(1), samples.user()
    with pytest.raises(ZeroDivisionError), gate.admit(user):
        raise ZeroDivisionError
    with gate.admit(user):
        pass
    assert gate._under_way == {}


async def test_pieces_come_through() -> None:
    assert [piece async for piece in BodyReader(sender(0, 0, 0))] == [b"piece"] * 3


async def test_sender_that_hangs_up() -> None:
    with pytest.raises(ClientDisconnected):
        _ = [piece async for piece in BodyReader(sender(0, 0, hangs_up=True))]


async def test_pause_that_is_too_long() -> None:
    with pytest.raises(UploadTooSlow):
        _ = [piece async for piece in BodyReader(sender(0, 3600), stall_seconds=0.01)]


async def test_pause_that_is_not_too_long() -> None:
    assert [piece async for piece in BodyReader(sender(0, 0.01), stall_seconds=3600)] == [b"piece"] * 2


async def test_trickle_that_takes_too_long_in_all() -> None:
    with pytest.raises(UploadTooSlow):
        _ = [piece async for piece in BodyReader(sender(*[0.01] * 100), stall_seconds=3600, total_seconds=0.03)]


async def test_trickle_below_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "GRACE_SECONDS", 0.03)
    monkeypatch.setattr(transfers, "PACE_BYTES_PER_SECOND", 100_000)
    with pytest.raises(UploadTooSlow):
        _ = [piece async for piece in BodyReader(sender(*[0.01] * 100))]


async def test_slow_body_that_keeps_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece of five bytes adds an hour; without the pieces that came, the time would be over."""
    monkeypatch.setattr(transfers, "GRACE_SECONDS", 0.1)
    monkeypatch.setattr(transfers, "PACE_BYTES_PER_SECOND", 5 / 3600)
    assert len([piece async for piece in BodyReader(sender(*[0] + [0.01] * 20))]) == 21


USER = samples.user(1)


class Full(ObscuraError):
    """The limit is reached."""


def test_nothing_is_kept_of_a_user_with_nothing_under_way() -> None:
    gate = ConcurrencyLimit(2)
    with gate.admit(USER), gate.admit(USER):
        pass
    assert gate._under_way == {}


def test_a_refusal_takes_no_place() -> None:
    gate = ConcurrencyLimit(1, Full)
    with gate.admit(USER):
        with pytest.raises(Full), gate.admit(USER):
            pass
        assert gate._under_way == {USER: 1}


def test_one_that_ends_leaves_the_places_of_the_others() -> None:
    gate = ConcurrencyLimit(2)
    with gate.admit(USER):
        with gate.admit(USER):
            pass
        assert gate._under_way == {USER: 1}
