"""Which lines a change belongs to, for the question which tests reach it."""

from __future__ import annotations

import ast
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """The lines of a statement, or of its head, and the qualified name around it."""

    first: int
    last: int
    function: str


def places(source: str) -> list[Place]:
    """Every statement of the source; what is inside another comes after it."""
    found: list[Place] = []
    _collect(ast.parse(source), "", found)
    return found


def place_of(found: list[Place], line: int) -> Place:
    """The innermost statement at this line; where no statement is, the line itself."""
    return next((each for each in reversed(found) if each.first <= line <= each.last), Place(line, line, ""))


def _collect(node: ast.AST, function: str, found: list[Place]) -> None:
    for child in ast.iter_child_nodes(node):
        inside = function
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inside = f"{function}.{child.name}".removeprefix(".")
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            first, last = _head(child)
            found.append(Place(first, last, inside))
        _collect(child, inside, found)


def _head(node: ast.stmt | ast.excepthandler | ast.match_case) -> tuple[int, int]:
    if isinstance(node, ast.match_case):
        return node.pattern.lineno, node.pattern.end_lineno or node.pattern.lineno
    body: list[ast.stmt] = getattr(node, "body", [])
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(each.lineno for each in decorators)])
    last = max(node.lineno, body[0].lineno - 1) if body else node.end_lineno or node.lineno
    return first, last
