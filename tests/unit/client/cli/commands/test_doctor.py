"""`doctor` checks state, token, address, TLS, clock, service and key derivation, one line each."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from obscura_backup_client.cli.exits import ExitCode
from obscura_backup_client.device.directory import StateDirectory
from obscura_backup_client.sealing.errors import KeyDerivationFailed
from obscura_backup_client.sealing.kdf_parameters import PROFILES
from obscura_backup_client.transport.errors import ServerRefused, Unauthorized, Unavailable
from obscura_backup_client.transport.interface import ServerProbe
from support.client.contents import NOW_MS
from support.client.terminal import USER, Terminal, token

NOW_S = NOW_MS / 1000
DAY_S = 24 * 60 * 60
TLS = ServerProbe(0.012, 0.4, "TLSv1.3", NOW_S + 90 * DAY_S)


def with_environment(terminal: Terminal, **changes: Any) -> Terminal:
    return replace(terminal, environment=replace(terminal.environment, **changes))


@pytest.fixture
def healthy(pushed: Terminal) -> Terminal:
    """A device that pushed, and a server that is reached by TLS."""
    return with_environment(pushed, probe=lambda _address, _settings: TLS, measure=lambda _parameters: 0.7)


def checks(terminal: Terminal, **environment: Any) -> dict[str, tuple[str, str]]:
    document = json.loads(terminal.run("doctor", "--json", **environment).stdout)
    return {each["check"]: (each["outcome"], each["detail"]) for each in document["checks"]}


def outcomes(terminal: Terminal, **environment: Any) -> dict[str, str]:
    return {name: outcome for name, (outcome, _) in checks(terminal, **environment).items()}


def token_until(seconds: object) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"sub": str(USER), "exp": seconds}).encode())
    return f"e30.{claims.decode().rstrip('=')}.c2ln"


def test_every_check_of_a_healthy_device_is_ok(healthy: Terminal) -> None:
    assert healthy.ok("doctor").splitlines() == [
        f"ok       state    1 contact on phone, in {healthy.home / 'phone'}",
        f"ok       token    of user {USER}; it does not say when it expires",
        "ok       address  http://127.0.0.1:8400",
        "ok       tls      TLSv1.3, certificate until 2026-12-20T14:13:20Z; the server answers in 12 ms",
        "ok       clock    agrees with the server's within a minute",
        "ok       service  accepts the token, and has version 1 of the backup",
        "ok       kdf      128 MiB, 3 passes (default): 700 ms",
    ]


def test_it_changes_nothing_and_asks_nothing(healthy: Terminal) -> None:
    state, slot = healthy.home / "phone", healthy.server.slot
    before = {each.name: each.read_bytes() for each in state.iterdir()}
    healthy.ok("doctor")
    assert {each.name: each.read_bytes() for each in state.iterdir()} == before
    assert (healthy.server.slot, healthy.person.prompts) == (slot, [])


def test_without_identity_token_and_backup_there_are_warnings_and_no_failure(terminal: Terminal) -> None:
    bare = with_environment(terminal, probe=lambda _address, _settings: TLS, measure=lambda _parameters: 0.7)
    assert outcomes(bare) == dict.fromkeys(["token", "address", "tls", "clock", "service", "kdf"], "ok") | {
        "state": "warning"
    }
    assert checks(bare)["service"] == ("ok", "accepts the token, and has no backup yet")
    assert checks(bare, OBSCURA_TOKEN=None)["token"][0] == "warning"
    assert checks(bare, OBSCURA_TOKEN=None)["service"] == ("skipped", "there is no usable token")
    assert bare.run("doctor", OBSCURA_TOKEN=None).exit_code == ExitCode.OK
    assert list(bare.home.iterdir()) == []


@pytest.mark.parametrize(
    ("ends_s", "outcome", "says"),
    [
        (NOW_S + 60, "ok", "until 2026-09-21T14:14:20Z"),
        (NOW_S, "failed", "it expired at 2026-09-21T14:13:20Z by this device's clock"),
        ("soon", "ok", "it does not say when it expires"),
    ],
)
def test_the_tokens_end_is_checked(healthy: Terminal, ends_s: object, outcome: str, says: str) -> None:
    found = checks(healthy, OBSCURA_TOKEN=token_until(ends_s))
    assert (found["token"][0], says in found["token"][1]) == (outcome, True)
    assert found["service"][0] == ("ok" if outcome == "ok" else "skipped")


@pytest.mark.parametrize(
    ("probe", "check", "says"),
    [
        (replace(TLS, clock_ahead_seconds=61.0), "clock", "61 s ahead of the server's"),
        (replace(TLS, clock_ahead_seconds=-90.0), "clock", "90 s behind the server's"),
        (replace(TLS, clock_ahead_seconds=None), "clock", "the server does not say its time"),
        (replace(TLS, certificate_ends_s=NOW_S + 13 * DAY_S), "tls", "The certificate ends in 13 days"),
    ],
)
def test_a_wrong_clock_or_a_certificate_near_its_end_is_a_warning(
    healthy: Terminal, probe: ServerProbe, check: str, says: str
) -> None:
    terminal = with_environment(healthy, probe=lambda _address, _settings: probe)
    assert checks(terminal)[check][0] == "warning"
    assert says in checks(terminal)[check][1]
    assert terminal.run("doctor").exit_code == ExitCode.OK


def test_plain_http_is_named(healthy: Terminal) -> None:
    terminal = with_environment(healthy, probe=lambda _address, _settings: ServerProbe(0.001, 0.0))
    assert checks(terminal)["tls"] == (
        "ok",
        "not used, because the address is http://; the server answers in 1 ms",
    )


def test_a_server_that_does_not_answer_fails_and_skips_what_needs_it(healthy: Terminal) -> None:
    def probe(_address: object, _settings: object) -> ServerProbe:
        raise Unavailable("the connection was refused")

    terminal = with_environment(healthy, probe=probe)
    assert terminal.run("doctor").exit_code == ExitCode.SERVER
    assert outcomes(terminal) == {
        "state": "ok",
        "token": "ok",
        "address": "ok",
        "tls": "failed",
        "clock": "skipped",
        "service": "skipped",
        "kdf": "ok",
    }


def test_an_address_that_may_not_get_the_token_fails(healthy: Terminal) -> None:
    result = healthy.run("doctor", "--server", "http://backup.example")
    assert (result.exit_code, f"[{ServerRefused.code}]" in result.stdout) == (ExitCode.SERVER, True)


def test_a_token_that_the_server_refuses_fails(healthy: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    def head() -> None:
        raise Unauthorized

    monkeypatch.setattr(healthy.server, "head", head)
    assert healthy.run("doctor").exit_code == ExitCode.TOKEN
    assert checks(healthy)["service"][0] == "failed"


def test_the_exit_code_is_that_of_the_first_failure(healthy: Terminal) -> None:
    (healthy.home / "phone" / "state.json").write_text("{}")
    result = healthy.run("doctor", OBSCURA_TOKEN="not a token")
    assert (result.exit_code, "[state-damaged]" in result.stdout, "[token-unusable]" in result.stdout) == (
        ExitCode.STATE,
        True,
        True,
    )


def test_a_state_that_is_in_use_fails(healthy: Terminal) -> None:
    with StateDirectory(healthy.home / "phone").locked():
        result = healthy.run("doctor")
    assert (result.exit_code, "[state-busy]" in result.stdout) == (ExitCode.STATE, True)


@pytest.mark.parametrize("seconds", [0.1, 3.0])
def test_a_quick_or_slow_derivation_suggests_to_calibrate(healthy: Terminal, seconds: float) -> None:
    terminal = with_environment(healthy, measure=lambda _parameters: seconds)
    assert checks(terminal)["kdf"][0] == "warning"
    assert "`calibrate` finds parameters" in checks(terminal)["kdf"][1]


def test_a_derivation_without_enough_memory_fails(healthy: Terminal) -> None:
    def measure(_parameters: object) -> float:
        raise KeyDerivationFailed("not enough memory", PROFILES["default"])

    assert with_environment(healthy, measure=measure).run("doctor").exit_code == ExitCode.UNREADABLE


def test_the_token_is_not_shown(healthy: Terminal) -> None:
    assert token() not in healthy.run("doctor", "--verbose").output
