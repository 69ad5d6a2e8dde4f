"""The cases of a benchmark: which call, how many bytes, how many clients."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CALLS = ("upload", "download", "mix")
SIZES = {"64KiB": 64 * 1024, "1KiB": 1024, "2MiB": 2 * 1024 * 1024}
CLIENTS = (16, 64, 1)


class NoSuchCase(ValueError):
    """A pattern selects no case."""


@dataclass(frozen=True)
class Case:
    """One kind of load.

    Attributes:
        call: `upload`, `download`, or `mix`: half of each.
        size: of a backup, a key of `SIZES`.
        clients: users, each with one connection and at most one call at a time.
    """

    call: str
    size: str
    clients: int

    @property
    def name(self) -> str:
        """What patterns match."""
        return f"{self.call}-{self.size}-{self.clients}"

    @property
    def bytes(self) -> int:
        """Of a backup."""
        return SIZES[self.size]


# The most telling ones first: a run that takes too long leaves out the last ones.
ALL = tuple(Case(call, size, clients) for size in SIZES for clients in CLIENTS for call in CALLS)


def selected(patterns: Iterable[str]) -> list[Case]:
    """The cases whose name matches one of the patterns, such as `upload-64KiB-16` or `*-64KiB-*`.

    Raises:
        NoSuchCase: a pattern matches nothing.
    """
    patterns = list(patterns)
    for pattern in patterns:
        if not any(fnmatchcase(case.name, pattern) for case in ALL):
            raise NoSuchCase(f"No case matches {pattern}. An example: upload-64KiB-16; * stands for any text.")
    return [case for case in ALL if any(fnmatchcase(case.name, pattern) for pattern in patterns)]
