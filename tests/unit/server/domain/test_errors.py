"""What the errors of the domain say, and for how long they ask a client to wait."""

from __future__ import annotations

from obscura_backup.domain.errors import BlobStoreUnavailable, MetadataUnavailable, Unauthenticated, Unavailable
from support.table import table


def caused(cause: Exception, message: str | None = None) -> Unavailable:
    error = Unavailable(message)
    error.__cause__ = cause
    return error


def test_the_default_message_is_the_first_line_of_the_docstring() -> None:
    assert str(Unavailable()) == "A store is not available; the same request may be sent again."


def test_a_message_replaces_the_default() -> None:
    assert str(Unauthenticated("It ended.")) == "It ended."


def test_the_cause_stands_behind_the_message() -> None:
    assert caused(OSError("no route"), "It is down.").with_cause == "It is down. (no route)"


def test_a_cause_of_several_lines_becomes_one_line() -> None:
    assert caused(OSError("no\n  route\t!"), "It is down.").with_cause == "It is down. (no route !)"


def test_a_cause_that_the_message_quotes_is_not_repeated() -> None:
    assert caused(OSError("no route"), "It is down: no route.").with_cause == "It is down: no route."


def test_without_a_cause_there_are_no_brackets() -> None:
    assert Unavailable("It is down.").with_cause == "It is down."


def test_a_cause_without_a_message_adds_no_brackets() -> None:
    assert caused(OSError(), "It is down.").with_cause == "It is down."


@table(("error", "seconds"), [(Unavailable, 2), (MetadataUnavailable, 5), (BlobStoreUnavailable, 5)])
def test_how_long_a_client_is_asked_to_wait(error: type[Unavailable], seconds: int) -> None:
    assert error.retry_after_seconds == seconds
