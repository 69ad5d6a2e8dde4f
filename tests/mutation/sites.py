"""All places of a source file where cosmic-ray can change it, and the change itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mutation.operators import NAMES, operator  # first: it imports parso before cosmic-ray

# isort: split
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

from mutation.exclusions import excluded_spans, exclusion
from mutation.mutant import Mutant, Site
from mutation.statements import place_of, places

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def sites(root: Path, path: Path) -> list[list[Site]]:
    """The sites of one file: a list for each place in the code, so that a place with many does not count more.

    Args:
        root: of the repository.
        path: of the source file, from the root.
    """
    source = (root / path).read_text(encoding="utf-8")
    lines, spans, statements = source.splitlines(), excluded_spans(source), places(source)
    equal: Counter[str] = Counter()
    by_place: dict[tuple[int, int], list[Site]] = {}
    for name, occurrence, start, end in _positions(source):
        if exclusion(spans, start, end) is None:
            around = place_of(statements, start[0])
            text = lines[start[0] - 1].strip()
            site = Site(path, name, occurrence, start, around.first, around.last, around.function, text)
            by_place.setdefault(start, []).append(replace(site, number=equal[site.identity]))
            equal[site.identity] += 1
    return [by_place[start] for start in sorted(by_place)]


def mutant(root: Path, site: Site) -> Mutant | None:
    """The changed file; None where the change gives no valid or no other code."""
    source = (root / site.path).read_text(encoding="utf-8")
    try:
        mutated = mutate_code(source, operator(site.operator), site.occurrence)
    except AttributeError:  # cosmic-ray cannot change `except a.b`
        return None
    if mutated is None or mutated.split() == source.split():
        return None
    try:
        compile(mutated, str(site.path), "exec", dont_inherit=True)
    except SyntaxError:
        return None
    return Mutant(site, source, mutated)


def _positions(source: str) -> Iterator[tuple[str, int, tuple[int, int], tuple[int, int]]]:
    nodes: list[Any] = list(ast_nodes(get_ast(source)))
    for name in NAMES:
        made = operator(name)
        positions = (each for node in nodes for each in made.mutation_positions(node))
        for occurrence, (start, end) in enumerate(positions):
            yield name, occurrence, start, end
