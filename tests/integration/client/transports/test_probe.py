"""How the server is reached: TLS, its certificate and its clock, by one request without the token."""

from __future__ import annotations

import ssl
import time
from datetime import UTC, datetime

import pytest

from obscura_backup_client.transport.blocking_transport import HttpTransport
from obscura_backup_client.transport.errors import Unavailable
from obscura_backup_client.transport.interface import ServerProbe
from support.client.hostile_server import HostileServer, reply, serving
from support.table import table

NOW = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)


def probed(address: str) -> ServerProbe:
    return HttpTransport(address, "a.very.secret-token", now=lambda: NOW).probe()


def test_the_request_does_not_carry_the_token() -> None:
    server = HostileServer()
    server.replies["GET"] = reply(401)
    with serving(server.serve) as address:
        probed(address)
    assert server.heads[0].startswith(b"GET /v1/config HTTP/1.1\r\n")
    assert b"secret" not in server.heads[0]


@table(
    ("lines", "ahead"),
    [
        (["Date: Mon, 21 Sep 2026 14:13:15 GMT"], 5.0),
        (["Date: Mon, 21 Sep 2026 15:13:20 GMT"], -3600.0),
        (["Date: yesterday"], None),
        (["Date: Mon, 21 Sep 2026 14:13:15 -0000"], None),
        ([], None),
    ],
)
def test_the_clocks_are_compared_by_the_date_of_any_response(lines: list[str], ahead: float | None) -> None:
    server = HostileServer()
    server.replies["GET"] = reply(500, b"", *lines)
    with serving(server.serve) as address:
        found = probed(address)
    assert (found.clock_ahead_seconds, found.tls_version, found.certificate_ends_s) == (ahead, "", None)
    assert found.seconds >= 0


@pytest.mark.usefixtures("trusted")
def test_tls_and_the_certificates_end_are_reported(server_side: ssl.SSLContext) -> None:
    server = HostileServer()
    server.replies["GET"] = reply(401)
    with serving(server.serve, server_side) as address:
        found = probed(address)
    assert found.tls_version.startswith("TLSv1.")
    assert found.certificate_ends_s is not None
    # The certificate is valid for a day.
    assert 0 < found.certificate_ends_s - time.time() <= 24 * 60 * 60


def test_an_untrusted_certificate_and_a_closed_port_are_no_answer(server_side: ssl.SSLContext) -> None:
    with serving(HostileServer().serve, server_side) as address, pytest.raises(Unavailable):
        probed(address)
    with pytest.raises(Unavailable):
        probed(address)
