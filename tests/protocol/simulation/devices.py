"""The devices of a simulated deployment, and what they wait for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from obscura_backup.domain.model import NO_VERSION, UserId, Version

if TYPE_CHECKING:
    from protocol.simulation.record import Question
    from protocol.simulation.schedule import Operation


@dataclass(slots=True)
class Device:
    """A phone, the version that it knows of, and what it sent last: the version that it expected, and the bytes."""

    name: str
    user_id: UserId
    token: str = ""
    known: Version = NO_VERSION
    last: tuple[int, bytes] | None = None

    def __repr__(self) -> str:
        return self.name


@dataclass(slots=True)
class UnderWay:
    """An operation, and the device that waits for it (None: an operator's scan)."""

    operation: Operation
    replica: int
    device: Device | None = None
    question: Question | None = None

    def __repr__(self) -> str:
        return self.operation.label
