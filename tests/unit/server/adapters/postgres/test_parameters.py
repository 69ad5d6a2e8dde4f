"""The parameters of a connection, from its URL."""

from __future__ import annotations

import pytest

from obscura_backup.adapters.postgres.parameters import parameters
from obscura_backup.domain.errors import StoreUnusable
from support.servers.in_process.scripted_postgres import URL
from support.table import table


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


@table(
    ("url", "attribute"),
    [
        ("postgresql://a,b/db", "read-write"),
        ("postgresql://a,b/db?target_session_attrs=any", "any"),
        ("postgresql://a/db", None),
    ],
)
def test_several_hosts_mean_the_one_that_accepts_writes(url: str, attribute: str | None) -> None:
    assert parameters(url, connect_timeout_seconds=2).get("target_session_attrs") == attribute


def test_parameters_of_the_url_have_precedence() -> None:
    found = parameters("postgresql://a/db?connect_timeout=9&application_name=mine", connect_timeout_seconds=2)
    assert (found["connect_timeout"], found["application_name"]) == ("9", "mine")


@table(
    "url",
    ["postgresql://a:b@c@d/db", "postgresql://a:b/c@d/db", "postgresql://a:port/db", "postgresql://%zz/db", "x://"],
)
def test_malformed_url_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(StoreUnusable, match="percent-encoded") as raised:
        parameters(url, connect_timeout_seconds=2)
    assert raised.value.__cause__ is None
