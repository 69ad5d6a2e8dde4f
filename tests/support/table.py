"""Tables of cases in one test each: pytest needs milliseconds per test, and most of these cases microseconds."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

Test = Callable[..., Any]


def table(names: str | tuple[str, ...], rows: Iterable[Any], *, ids: object = None) -> Callable[[Test], Test]:
    """As `pytest.mark.parametrize`, but all rows are checked in one test, also those after a failure.

    Each failure is reported with its row. Fixtures are made once for all rows. Several tables multiply. `ids` may be
    given as there, and is not needed. A test may be a coroutine, and a method.
    """
    parameters = tuple(name.strip() for name in names.split(",")) if isinstance(names, str) else names
    cases = [_case(parameters, row) for row in rows]
    assert cases, "a table without rows checks nothing"

    def decorate(test: Test) -> Test:
        if inspect.iscoroutinefunction(test):

            async def await_rows(*instance: Any, **fixtures: Any) -> None:
                with _failures(len(cases)) as failures:
                    for name, values in cases:
                        with _noted(failures, name):
                            await test(*instance, **fixtures, **values)

            check: Test = await_rows
        else:

            def check_rows(*instance: Any, **fixtures: Any) -> None:
                with _failures(len(cases)) as failures:
                    for name, values in cases:
                        with _noted(failures, name):
                            test(*instance, **fixtures, **values)

            check = check_rows

        checked: Test = functools.wraps(test)(check)
        signature = inspect.signature(test)
        given = [each for each in signature.parameters.values() if each.name not in parameters]
        vars(checked)["__signature__"] = signature.replace(parameters=given)  # pytest reads the fixtures from it
        return checked

    return decorate


@contextmanager
def _failures(rows: int) -> Iterator[list[Exception]]:
    """A list for failures, which are raised at the end."""
    failures: list[Exception] = []
    yield failures
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise ExceptionGroup(f"{len(failures)} of {rows} rows fail", failures)


@contextmanager
def _noted(failures: list[Exception], row: str) -> Iterator[None]:
    """Note a failure with the name of its row, instead of raising it."""
    try:
        yield
    except (Exception, pytest.fail.Exception) as failure:  # noqa: BLE001  # of any kind: `_failures` raises all of them after the last row
        failures.append(AssertionError(f"{row}: {failure}").with_traceback(failure.__traceback__))


def _case(parameters: tuple[str, ...], row: Any) -> tuple[str, dict[str, Any]]:
    """The name of a row for messages, and its values by parameter."""
    name = None
    if isinstance(row, type(pytest.param())):
        name, row = row.id, row.values if len(parameters) > 1 else row.values[0]
    values = tuple(row) if len(parameters) > 1 else (row,)
    return str(name or repr(row)[:200]), dict(zip(parameters, values, strict=True))
