"""The figures of a run as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def lines(stage: str, figures: dict[str, Any]) -> Iterator[str]:
    """One line per group of figures, under the name of the stage."""
    yield f"\n{stage}"
    for path, values in _groups((), figures):
        yield f"  {' / '.join(path):<44}{', '.join(f'{name} {_text(value)}' for name, value in values.items())}"


def _groups(path: tuple[str, ...], figures: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    plain = {name: value for name, value in figures.items() if not isinstance(value, dict)}
    if plain:
        yield path, plain
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from _groups((*path, name), value)


def _text(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)
