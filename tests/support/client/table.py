"""Tables of cases in one test each: pytest needs milliseconds per test, and most of these cases microseconds."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import pytest

Test = Callable[..., None]


def table(names: str | tuple[str, ...], rows: Iterable[Any], *, ids: object = None) -> Callable[[Test], Test]:
    """As `pytest.mark.parametrize`, but all rows are checked in one test, also those after a failure.

    Each failure is reported with its row. Fixtures are made once for all rows. Several tables multiply. `ids` may be
    given as there, and is not needed.
    """
    parameters = tuple(name.strip() for name in names.split(",")) if isinstance(names, str) else names
    cases = [_case(parameters, row) for row in rows]
    assert cases, "a table without rows checks nothing"

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        def check_all_rows(**fixtures: Any) -> None:
            failures: list[Exception] = []
            for name, values in cases:
                try:
                    test(**fixtures, **values)
                except (Exception, pytest.fail.Exception) as failure:  # noqa: BLE001 - it is raised below
                    failures.append(AssertionError(f"{name}: {failure}").with_traceback(failure.__traceback__))
            if len(failures) == 1:
                raise failures[0]
            if failures:
                raise ExceptionGroup(f"{len(failures)} of {len(cases)} rows fail", failures)

        signature = inspect.signature(test)
        given = [each for each in signature.parameters.values() if each.name not in parameters]
        check_all_rows.__signature__ = signature.replace(parameters=given)  # type: ignore[attr-defined]  # for pytest
        return check_all_rows

    return decorate


def _case(parameters: tuple[str, ...], row: Any) -> tuple[str, dict[str, Any]]:
    """The name of a row for messages, and its values by parameter."""
    name = None
    if isinstance(row, type(pytest.param())):
        name, row = row.id, row.values if len(parameters) > 1 else row.values[0]
    values = tuple(row) if len(parameters) > 1 else (row,)
    return str(name or repr(row)[:200]), dict(zip(parameters, values, strict=True))
