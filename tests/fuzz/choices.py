"""Making decisions from bytes: what lets a fuzzer that mutates bytes explore values that have a structure."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


class Choices:
    """Reads decisions from the front of `data`; at the end all are zero, so that every input means something."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """How many bytes are not read yet."""
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        """At most so many bytes."""
        taken = self._data[self._at : self._at + count]
        self._at += len(taken)
        return taken

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(self.left)

    def integer(self, size_bytes: int = 1) -> int:
        """An unsigned integer."""
        return int.from_bytes(self.take(size_bytes), "big")

    def below(self, limit: int) -> int:
        """An integer from 0 up to, not including, `limit`."""
        return self.integer(1 if limit <= 0x100 else 4) % limit

    def flag(self) -> bool:
        """Yes or no."""
        return bool(self.integer() & 1)

    def pick(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.below(len(options))]
