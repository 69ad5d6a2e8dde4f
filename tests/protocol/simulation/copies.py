"""Copies of both stores, as an operator keeps them to restore from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from obscura_backup.domain.model import UserId
    from protocol.simulation.pairs import Pair

COPIES = 4


@dataclass(frozen=True, slots=True)
class Copy:
    """Both stores at one moment."""

    rows: Any
    objects: Any


class Copies:
    """That of the empty stores, the last few, and the last one before a deletion.

    Args:
        pair: the stores, which are empty.
    """

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._kept = [self._copy()]
        self._before_deletion = self._kept[0]
        self._deleted: set[UserId] = set()

    def _copy(self) -> Copy:
        return Copy(self._pair.copy_rows(), self._pair.copy_objects())

    def keep(self, deleted: Callable[[], set[UserId]]) -> None:
        """Copy the stores, if they hold anything new; `deleted`: the users whose objects are tombstones."""
        copy = self._copy()
        if copy == self._kept[-1]:
            return
        now = deleted()
        if now - self._deleted:
            self._before_deletion = self._kept[-1]
        self._deleted = now
        self._kept.append(copy)
        del self._kept[1:-COPIES]

    def of(self, age: str) -> Copy:
        """One of the copies."""
        return {
            "before the last deletion": self._before_deletion,
            "the last but one": self._kept[-2:][0],
            "an older one": self._kept[-COPIES:][0],
            "of empty stores": self._kept[0],
        }[age]
