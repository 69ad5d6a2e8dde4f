"""How a connection to PostgreSQL is asked for, and what is known of a server that is down."""

from __future__ import annotations

import time

import psycopg
import pytest
from obscura_backup.adapters.postgres.circuit_breaker import Outage, unavailable

from obscura_backup.adapters.postgres.parameters import parameters
from obscura_backup.adapters.postgres.sessions import ReadOnlyServer, affects_all_connections, is_read_only
from obscura_backup.domain.errors import MetadataUnavailable, StoreUnusable

URL = "postgresql://someone@localhost/db"
LOST = psycopg.OperationalError("the connection is lost")
SHUTTING_DOWN = psycopg.errors.AdminShutdown("terminating connection due to administrator command")


def test_parameters_of_a_connection() -> None:
    assert parameters(URL, connect_timeout_seconds=2) == {
        "user": "someone",
        "host": "localhost",
        "dbname": "db",
        "connect_timeout": 2,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "application_name": "obscura-backup",
        "client_encoding": "utf-8",
    }


@pytest.mark.parametrize(
    ("url", "attribute"),
    [
        ("postgresql://a,b/db", "read-write"),
        ("postgresql://a,b/db?target_session_attrs=any", "any"),
        ("postgresql://a/db", None),
    ],
)
def test_of_several_servers_the_one_that_takes_writes_is_wanted(url: str, attribute: str | None) -> None:
    assert parameters(url, connect_timeout_seconds=2).get("target_session_attrs") == attribute


def test_what_the_url_says_goes_before_what_we_would_choose() -> None:
    given = parameters("postgresql://a/db?connect_timeout=9&application_name=mine", connect_timeout_seconds=2)
    assert (given["connect_timeout"], given["application_name"]) == ("9", "mine")


@pytest.mark.parametrize(
    "url",
    ["postgresql://a:b@c@d/db", "postgresql://a:b/c@d/db", "postgresql://a:port/db", "postgresql://%zz/db", "x://"],
)
def test_a_url_that_is_none_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(StoreUnusable, match="percent-encoded") as refused:
        parameters(url, connect_timeout_seconds=2)
    assert refused.value.__cause__ is None


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch) -> tuple[Outage, list[float]]:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return Outage(probe_seconds=5), now


def cause_of(known: Outage) -> BaseException | None:
    return known.cause


def may_connect(known: Outage) -> bool:
    return not known.forbids_connecting


def test_without_an_outage_everybody_passes(outage: tuple[Outage, list[float]]) -> None:
    known, _ = outage
    known.admit()
    assert not known.forbids_connecting


def test_in_an_outage_one_passes_after_a_pause_and_then_one_for_each_probe(outage: tuple[Outage, list[float]]) -> None:
    known, now = outage
    known.begin(LOST)
    assert may_connect(known) is False
    now[0] += 0.99
    with pytest.raises(MetadataUnavailable) as refused:
        known.admit()
    assert refused.value.__cause__ is LOST
    now[0] += 0.01
    known.admit()
    assert may_connect(known) is True
    now[0] += 4.99
    with pytest.raises(MetadataUnavailable):
        known.admit()
    now[0] += 0.01
    known.admit()


def test_an_outage_is_told_once_at_its_beginning_and_once_at_its_end(
    outage: tuple[Outage, list[float]], caplog: pytest.LogCaptureFixture
) -> None:
    known, _ = outage
    known.end()
    known.begin(LOST)
    known.begin(SHUTTING_DOWN)
    assert cause_of(known) is SHUTTING_DOWN
    known.end()
    known.end()
    assert cause_of(known) is None
    assert [record.getMessage() for record in caplog.records] == [
        "the metadata store is not available: the connection is lost",
        "the metadata store is available again",
    ]


def test_an_outage_without_words_is_told_by_its_kind(
    outage: tuple[Outage, list[float]], caplog: pytest.LogCaptureFixture
) -> None:
    outage[0].begin(psycopg.OperationalError(" "))
    assert "not available: OperationalError" in caplog.text


def test_a_cause_holds_no_frames(outage: tuple[Outage, list[float]]) -> None:
    with pytest.raises(psycopg.OperationalError) as failed:
        raise psycopg.OperationalError("kept for hours")
    assert failed.value.__traceback__ is not None
    outage[0].begin(failed.value)
    assert cause_of(outage[0]) is failed.value
    assert failed.value.__traceback__ is None


@pytest.mark.parametrize(
    ("error", "all_", "read_only"),
    [
        (ReadOnlyServer(), True, True),
        (SHUTTING_DOWN, True, False),
        (psycopg.errors.CannotConnectNow(), True, False),
        (psycopg.errors.UndefinedTable(), False, False),
        (LOST, False, False),
    ],
)
def test_what_an_error_says_of_the_server(error: psycopg.Error, *, all_: bool, read_only: bool) -> None:
    assert (affects_all_connections(error), is_read_only(error)) == (all_, read_only)
    assert ("read-only" in str(unavailable(error))) is read_only
