"""The register that a slot promises to be: what it answers to one request after the other.

After a restore of one of the two stores, the row in the metadata store may be ahead of the object. The register then
answers by both, until a write or a repair has brought the object past the row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torture.history import (
    UNKNOWN,
    BeyondEnd,
    Deleted,
    Deletion,
    Found,
    Lost,
    Mismatch,
    NeverExisted,
    NotFound,
    ReadBeyondEnd,
    Stored,
    Upload,
)

if TYPE_CHECKING:
    from torture.history import Answer, Asked


@dataclass(frozen=True, slots=True, order=True)
class State:
    """Of a slot.

    Attributes:
        version: of the object; 0 where there is none.
        digest: of its bytes; empty where there is no backup, or no longer.
        base: the version that its upload expected, by which a retry is known; 0 where there is no backup.
        row_version: of the row where it is ahead of the object, which only a restore makes possible; 0: it is not.
        row_is_live: whether that row knows a backup, and no deletion.
    """

    version: int = 0
    digest: str = ""
    base: int = 0
    row_version: int = 0
    row_is_live: bool = False

    @property
    def is_lost(self) -> bool:
        """Whether the row knows a backup that is gone: there is no object, or an older tombstone."""
        return self.row_is_live and not self.digest

    @property
    def is_undone(self) -> bool:
        """Whether a restore brought a deleted backup back. The next writer deletes it again first."""
        return bool(self.digest and self.row_version and not self.row_is_live)

    @property
    def repaired(self) -> State:
        """The state after the tombstone of the row was put back, by a writer or by `scrub`; else this state."""
        is_missing = not self.version and self.row_version and not self.row_is_live
        return State(self.row_version) if self.is_undone or is_missing else self

    @property
    def current(self) -> tuple[int, bool]:
        """The version that a writer meets, and whether it is a backup. The row counts where the object is gone."""
        if self.is_lost or not self.version:
            return self.row_version, self.row_is_live
        return self.version, bool(self.digest)

    @property
    def next_version(self) -> int:
        return max(self.version, self.row_version) + 1


EMPTY = State()


def apply(state: State, asked: Asked) -> tuple[Answer, State]:
    """The sequential register: what is answered, and the state after it.

    No write is answered before an undone deletion is repaired: the answer to it is `UNKNOWN`.
    """
    if isinstance(asked, Upload | Deletion):
        return (UNKNOWN, state) if state.is_undone else _written(state, asked)
    if not state.digest:
        return (Lost(state.row_version) if state.is_lost else NotFound()), state
    return (BeyondEnd() if isinstance(asked, ReadBeyondEnd) else Found(state.version, state.digest)), state


def _written(state: State, asked: Upload | Deletion) -> tuple[Answer, State]:
    version, is_live = state.current
    match asked:
        case Upload(expected, digest):
            if state.digest == digest and expected in (state.version, state.base):
                return Stored(state.version), state
            if expected == version or (expected == 0 and not is_live):
                return Stored(state.next_version), State(state.next_version, digest, expected)
        case Deletion(expected):
            if not is_live:
                return (Deleted() if version else NeverExisted()), state
            if expected == version:
                return Deleted(), State(state.next_version)
    return Mismatch(version), state
