"""Places where a change has no meaning that a test of behaviour could state; each kind has its reason.

Nothing is excluded here because no test kills it: that is what `equivalents.toml` is for, one reason per mutant.
"""

from __future__ import annotations

import ast
from typing import Final

Position = tuple[int, int]
Span = tuple[Position, Position]

_LOGGERS: Final = {"log", "_log", "logger", "logging"}
_LEVELS: Final = {"debug", "info", "warning", "error", "exception", "critical", "log"}
# For type checkers and readers alone; mypy checks what they say.
_TYPING_DECORATORS: Final = {"override", "final", "overload", "runtime_checkable"}
# Freezing is checked by mypy at every assignment, what a constructor takes at every call (so `field(init=False)`), and
# slots save memory: no promise of behaviour is in them.
_DATACLASS_OPTIONS: Final = {"frozen", "slots", "kw_only"}
# Prose for people.
_PROSE_ARGUMENTS: Final = {"help", "description", "summary", "title", "metavar", "short_help", "epilog"}


def excluded_spans(source: str) -> list[tuple[str, Span]]:
    """The places to leave alone, each with its kind: from (line, column) to (line, column), lines counted from 1."""
    return [(kind, _span(node)) for top in ast.walk(ast.parse(source)) for kind, node in _excluded(top)]


def exclusion(spans: list[tuple[str, Span]], start: Position, end: Position) -> str | None:
    """The kind of the excluded place that a change from start to end is in; None: it counts."""
    return next((kind for kind, (first, last) in spans if first <= start and end <= last), None)


def _excluded(node: ast.AST) -> list[tuple[str, ast.AST]]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return [*_of_function(node), *_of_decorators(node)]
        case ast.ClassDef():
            protocol = any(_name(base) == "Protocol" for base in node.bases)  # type-only: its bodies never run
            return [("protocol", node)] if protocol else _of_decorators(node)
        case ast.If() if _name(node.test) == "TYPE_CHECKING":
            return [("type checking", node)]
        case ast.Call() if _is_logging(node):
            return [("log", node)]
        case ast.Call():
            options = {"init"} if _name(node.func) == "field" else frozenset()
            return [
                ("prose" if word.arg in _PROSE_ARGUMENTS else "dataclass option", word)
                for word in node.keywords
                if word.arg in _PROSE_ARGUMENTS | options
            ]
        case ast.AnnAssign() | ast.arg() if node.annotation is not None:
            return [("annotation", node.annotation)]  # `from __future__ import annotations`: never evaluated
    return []


def _of_function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[tuple[str, ast.AST]]:
    if node.name == "__repr__":
        return [("repr", node)]
    return [("annotation", node.returns)] if node.returns is not None else []


def _of_decorators(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> list[tuple[str, ast.AST]]:
    found: list[tuple[str, ast.AST]] = []
    for each in node.decorator_list:
        if _name(each) in _TYPING_DECORATORS:
            found.append(("decorator", each))
        elif isinstance(each, ast.Call) and _name(each) == "dataclass":
            found += [("dataclass option", word) for word in each.keywords if word.arg in _DATACLASS_OPTIONS]
    return found


def _is_logging(call: ast.Call) -> bool:
    function = call.func
    if not isinstance(function, ast.Attribute) or function.attr not in _LEVELS:
        return False
    return _name(function.value) in _LOGGERS or _name(function.value) == "getLogger"


def _name(node: ast.AST) -> str:
    """The last name of `name`, `a.name`, `name(...)` or `name[...]`; empty for anything else."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=inner) | ast.Subscript(value=inner):
            return _name(inner)
    return ""


def _span(node: ast.AST) -> Span:
    assert isinstance(node, ast.expr | ast.stmt | ast.keyword)
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
