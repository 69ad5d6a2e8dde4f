"""The parameters of a connection to PostgreSQL, from its URL."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from obscura_backup.domain.errors import StoreUnusable


def parameters(url: str, *, connect_timeout_seconds: int) -> dict[str, Any]:
    """The connection parameters of a URL, with defaults that detect a dead network.

    Raises:
        StoreUnusable: it is not a PostgreSQL URL.
    """
    given = _read(url)
    if given is None:
        # Without a cause: libpq quotes the malformed part, which may be the password.
        raise StoreUnusable(
            "The metadata URL is not a valid PostgreSQL URL. In a password, @ : / ? # and % must be percent-encoded."
        )
    several = {"target_session_attrs": "read-write"} if "," in f"{given.get('host')}{given.get('hostaddr')}" else {}
    return {
        **several,  # else libpq takes the first host that answers, even a standby
        "connect_timeout": connect_timeout_seconds,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "application_name": "obscura-backup",
        "client_encoding": "utf-8",
        **given,
    }


def _read(url: str) -> dict[str, Any] | None:
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        return None
    # After an unescaped @ or / in the password, libpq reads the rest as host, port or database, which errors quote.
    login, _, _ = url.partition("//")[2].partition("?")[0].rpartition("@")
    ports = str(given.get("port") or "").split(",")
    sound = (
        not {"@", "/"} & set(login)
        and "@" not in f"{given.get('host')}{given.get('dbname')}"
        and all(port.isdecimal() or not port for port in ports)
    )
    return given if sound else None
