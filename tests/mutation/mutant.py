"""One small change to one source file."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Site:
    """A change that can be made.

    Attributes:
        path: of the source file, from the root of the repository.
        operator: the kind of change.
        occurrence: the operator's number of this change in the file, from 0.
        start: line and column of what changes; lines are counted from 1, columns from 0.
        first: the first line of the smallest statement around it.
        last: its last line; for a compound statement, the last line of its head.
        function: the qualified name of the function or class around it; empty at the level of the module.
        text: the line, without outer white space.
        number: counts equal changes of equal lines of one function, from 0.
    """

    path: Path
    operator: str
    occurrence: int
    start: tuple[int, int]
    first: int
    last: int
    function: str
    text: str
    number: int = 0

    @property
    def identity(self) -> str:
        """What stays the same when other parts of the file change."""
        return "\0".join((self.path.as_posix(), self.function, self.operator, self.text, str(self.number)))


@dataclass(frozen=True)
class Mutant:
    """A change that was made.

    Attributes:
        site: where it is.
        original: the whole file.
        mutated: the whole file with the change.
    """

    site: Site
    original: str = field(repr=False)
    mutated: str = field(repr=False)

    @property
    def change(self) -> tuple[str, str]:
        """The changed lines before and after, without outer white space, joined by line breaks."""
        before, after = self.original.splitlines(), self.mutated.splitlines()
        matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
        changes = [code for code in matcher.get_opcodes() if code[0] != "equal"]
        first, last = changes[0], changes[-1]
        return (
            "\n".join(line.strip() for line in before[first[1] : last[2]]),
            "\n".join(line.strip() for line in after[first[3] : last[4]]),
        )

    @property
    def diff(self) -> str:
        """The change as a unified diff without context."""
        name = self.site.path.as_posix()
        lines = difflib.unified_diff(
            self.original.splitlines(), self.mutated.splitlines(), name, name, lineterm="", n=0
        )
        return "\n".join(lines)
