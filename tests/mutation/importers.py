"""Which test files import which source files: a value that is made at import has no line that a test could run."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def importers(root: Path, sources: Iterable[str], tests: Iterable[str]) -> dict[str, set[str]]:
    """The test files that name a source file in an import.

    Args:
        root: of the repository.
        sources: the folders that modules are imported from, from the root.
        tests: the test files, from the root.
    """
    found: dict[str, set[str]] = {}
    folders = [Path(source) for source in sources]
    for test in tests:
        tree = ast.parse((root / test).read_text(encoding="utf-8"))
        for name in {name for node in ast.walk(tree) for name in _names(node)}:
            module = Path(*name.split("."))
            for path in (
                folder / file for folder in folders for file in (module.with_suffix(".py"), module / "__init__.py")
            ):
                if (root / path).is_file():
                    found.setdefault(path.as_posix(), set()).add(test)
    return found


def _names(node: ast.AST) -> Iterator[str]:
    """All that an import may name as a module: in `from a import b`, both `a` and `a.b`."""
    match node:
        case ast.Import(names=names):
            yield from (each.name for each in names)
        case ast.ImportFrom(module=str(module), names=names):
            yield module
            yield from (f"{module}.{each.name}" for each in names)
