"""The register that a slot promises to be: what it answers to one request after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torture.history import Deleted, Deletion, Found, Mismatch, NeverExisted, NotFound, Read, Stored, Upload

if TYPE_CHECKING:
    from torture.history import Answer, Asked


@dataclass(frozen=True, slots=True, order=True)
class State:
    """Of a slot.

    Attributes:
        version: of what is there; 0 where there never was anything.
        digest: of its bytes; empty where there is no backup, or no longer.
        base: the version that its upload expected, by which a retry is known; 0 where there is no backup.
    """

    version: int = 0
    digest: str = ""
    base: int = 0


def apply(state: State, asked: Asked) -> tuple[Answer, State]:
    """The sequential register: what is answered, and the state after it."""
    match asked:
        case Upload(expected, digest):
            if state.digest == digest and expected in (state.version, state.base):
                return Stored(state.version), state
            if expected == state.version or (expected == 0 and not state.digest):
                return Stored(state.version + 1), State(state.version + 1, digest, expected)
            return Mismatch(state.version), state
        case Deletion(expected):
            if state.version == 0:
                return NeverExisted(), state
            if not state.digest:
                return Deleted(), state
            if expected == state.version:
                return Deleted(), State(state.version + 1)
            return Mismatch(state.version), state
        case Read():
            return (Found(state.version, state.digest) if state.digest else NotFound()), state
