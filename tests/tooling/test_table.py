"""Tables of cases: every row is checked, and a failure names its row."""

from __future__ import annotations

import asyncio

import pytest

from support.table import table


def test_all_rows_are_checked_and_each_failure_has_its_row() -> None:
    checked: list[int] = []

    @table("number", [1, 2, 3, pytest.param(4, id="the last")])
    def check(number: int) -> None:
        checked.append(number)
        assert number % 2

    with pytest.raises(ExceptionGroup, match="2 of 4 rows fail") as failed:
        check()
    assert checked == [1, 2, 3, 4]
    assert [str(each).split(":")[0] for each in failed.value.exceptions] == ["2", "the last"]


def test_an_error_that_was_not_raised_is_a_failure_of_its_row() -> None:
    @table("row", [1])
    def check(row: int) -> None:
        with pytest.raises(ValueError, match="x"):
            pass

    with pytest.raises(AssertionError, match="1: DID NOT RAISE"):
        check()


def test_tables_multiply_and_take_the_tests_own_fixtures() -> None:
    rows: list[tuple[str, int, str]] = []

    @table("letter", "ab")
    @table(("number", "word"), [(1, "one"), (2, "two")])
    def check(fixture: str, letter: str, number: int, word: str) -> None:
        rows.append((fixture + letter, number, word))

    check(fixture="-")
    assert rows == [("-a", 1, "one"), ("-a", 2, "two"), ("-b", 1, "one"), ("-b", 2, "two")]


def test_coroutines_and_methods_have_tables_too() -> None:
    rows: list[int] = []

    class Contract:
        @table("number", [1, 2])
        async def check(self, fixture: int, number: int) -> None:
            rows.append(fixture + number)
            assert number == 1

    with pytest.raises(AssertionError, match=r"^2: "):
        asyncio.run(Contract().check(fixture=10))
    assert rows == [11, 12]


def test_a_table_without_rows_is_refused() -> None:
    with pytest.raises(AssertionError, match="checks nothing"):
        table("row", [])
