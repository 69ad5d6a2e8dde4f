"""The operators of cosmic-ray that are used, and three more for the faults that they do not make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import parso.python.tree as syntax  # before cosmic_ray, which imports its parts in an order that parso does not bear
from cosmic_ray import plugins
from cosmic_ray.operators.operator import Example, Operator

if TYPE_CHECKING:
    from collections.abc import Iterator

_Position = tuple[tuple[int, int], tuple[int, int]]
PROVIDER: Final = "obscura"


class RemoveStatement(Operator):  # type: ignore[misc] # cosmic-ray has no types
    """A call, an assignment to an attribute or an item, `raise`, `del` or `+=` becomes `pass`."""

    def mutation_positions(self, node: Any) -> Iterator[_Position]:
        if node.type == "simple_stmt" and self._removable(node.children[0]):
            yield node.children[0].start_pos, node.children[0].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        first = node.children[0]
        node.children[0] = syntax.Keyword("pass", first.start_pos, first.get_first_leaf().prefix)
        return node

    @staticmethod
    def _removable(statement: Any) -> bool:
        if statement.type in {"raise_stmt", "del_stmt"}:
            return True
        if statement.type == "expr_stmt":
            target, assigned = statement.children[:2]
            augmented = getattr(assigned, "value", "=") != "="  # `+=` and its like
            return assigned.type != "annassign" and (target.type in {"atom_expr", "power"} or augmented)
        return bool(statement.type in {"atom_expr", "power"})

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example("f(x)\n", "pass\n"),
            Example("if a:\n    x.y = 1\n", "if a:\n    pass\n"),
            Example("await f.close()\n", "pass\n"),
            Example("x += 1\n", "pass\n"),
        )


class ForgetContext(Operator):  # type: ignore[misc] # cosmic-ray has no types
    """The body of a `with` runs, but the context manager is not entered: a lock, a bound or a release is missing."""

    def mutation_positions(self, node: Any) -> Iterator[_Position]:
        if node.type == "with_stmt":
            yield from [(node.children[place].start_pos, node.children[place].end_pos) for place in self._places(node)]

    def mutate(self, node: Any, index: int) -> Any:
        place = self._places(node)[index]
        position = node.children[place].start_pos
        node.children[place] = syntax.Name('__import__("contextlib").nullcontext()', position, " ")
        return node

    @staticmethod
    def _places(node: Any) -> list[int]:
        items = range(1, len(node.children) - 2, 2)
        return [place for place in items if node.children[place].type != "with_item"]  # the value of `as` is needed

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example("with lock:\n    pass\n", 'with __import__("contextlib").nullcontext():\n    pass\n'),)


class DropKeyword(Operator):  # type: ignore[misc] # cosmic-ray has no types
    """A keyword argument is not passed: a part gets the default instead of what was configured."""

    def mutation_positions(self, node: Any) -> Iterator[_Position]:
        # A list, made before the first is taken: the node changes while the caller walks over it.
        yield from [(node.children[place].start_pos, node.children[place].end_pos) for place in self._places(node)]

    def mutate(self, node: Any, index: int) -> Any:
        place = self._places(node)[index]
        last = place == len(node.children) - 1
        # Its comma goes with it: the one behind, or the one before where it is the last.
        start = place - 1 if last and place else place
        del node.children[start : start + (1 if node.type == "trailer" else 2)]
        return node

    @staticmethod
    def _places(node: Any) -> list[int]:
        if node.type not in {"arglist", "trailer"} or (node.type == "arglist" and node.parent.type != "trailer"):
            return []
        return [
            place
            for place, child in enumerate(node.children)
            if child.type == "argument" and str(getattr(child.children[1], "value", "")) == "="
        ]

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (
            Example("f(a, b=1)\n", "f(a)\n"),
            Example("f(a=1, b=2)\n", "f( b=2)\n"),
            Example("f(a=1)\n", "f()\n"),
        )


OURS: Final = {each.__name__: each for each in (RemoveStatement, ForgetContext, DropKeyword)}
# Of the replacements of one operator by another: the boundary, the opposite, and the inverse of the arithmetic.
_COMPARISONS: Final = (
    "Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE", "GtE_Gt", "GtE_Lt", "Eq_NotEq",
    "NotEq_Eq", "Is_IsNot", "IsNot_Is",
)  # fmt: skip
_BINARY: Final = (
    "Add_Sub", "Sub_Add", "Mul_FloorDiv", "FloorDiv_Mul", "Div_Mul", "Mod_FloorDiv", "Pow_Mul", "LShift_RShift",
    "RShift_LShift", "BitAnd_BitOr", "BitOr_BitAnd", "BitXor_BitAnd",
)  # fmt: skip
NAMES: Final = (
    *(f"core/ReplaceComparisonOperator_{pair}" for pair in _COMPARISONS),
    *(f"core/ReplaceBinaryOperator_{pair}" for pair in _BINARY),
    "core/ReplaceUnaryOperator_USub_UAdd",
    "core/ReplaceUnaryOperator_Delete_Not",
    "core/AddNot",
    "core/ReplaceTrueWithFalse",
    "core/ReplaceFalseWithTrue",
    "core/ReplaceAndWithOr",
    "core/ReplaceOrWithAnd",
    "core/ReplaceBreakWithContinue",
    "core/ReplaceContinueWithBreak",
    "core/ExceptionReplacer",
    "core/NumberReplacer",
    "core/RemoveDecorator",
    "core/ZeroIterationForLoop",
    *(f"{PROVIDER}/{name}" for name in OURS),
)


def operator(name: str) -> Any:
    """An operator by its name, ready to use."""
    plugins.OPERATOR_PROVIDERS.setdefault(PROVIDER, OURS)
    return plugins.get_operator(name)()
