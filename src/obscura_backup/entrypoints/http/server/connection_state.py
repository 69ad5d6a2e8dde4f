"""The states of a connection, and what it has received of the current message."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, auto


class State(IntEnum):  # hashed without a call of Python, unlike other enumerations
    """What a connection does with the bytes that it receives. Answers may be under way in each state."""

    HEAD = auto()
    """They are the head of the next request, or it is waited for."""
    BODY = auto()
    """They are the body of the current request."""
    LAST_BODY = auto()
    """They are the body of the current request, whose answer is the last one; then the connection closes."""
    HALF_CLOSED = auto()
    """The client sends no more. The connection closes after the answers that are under way."""
    IGNORING = auto()
    """They are counted and dropped. The connection closes after the answers that are under way."""


NEXT = {
    State.HEAD: {State.BODY, State.HALF_CLOSED, State.IGNORING},
    State.BODY: {State.HEAD, State.LAST_BODY, State.IGNORING},
    State.LAST_BODY: {State.IGNORING},
    State.HALF_CLOSED: {State.IGNORING},
    State.IGNORING: {State.HALF_CLOSED},
}
"""Which states may follow each."""


@dataclass(slots=True)
class Received:
    """Bytes of one message: of its head, of the fields in it, around the body, and after the answer."""

    head: int = 0
    fields: int = 0
    overhead: int = 0
    drained: int = 0
