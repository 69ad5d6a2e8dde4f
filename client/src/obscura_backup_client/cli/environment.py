"""Everything that a command uses of its environment, in one place, so that tests can replace it."""

from __future__ import annotations

import os
import random as random_module
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

import click

from obscura_backup_client.cli.exits import ConfirmationUnavailable, NoTerminal, PasswordNotText
from obscura_backup_client.cli.terminal.escaping import printable_lines
from obscura_backup_client.cli.terminal.hardening import harden

if TYPE_CHECKING:
    from obscura_backup_client.cli.settings import Settings
    from obscura_backup_client.device.state import Account
    from obscura_backup_client.sealing.kdf_parameters import KdfParameters
    from obscura_backup_client.sealing.kdf_timing import Timing
    from obscura_backup_client.transport.interface import OnBytes, OnWait, ServerProbe, Transport


def ask_password(prompt: str) -> str:
    """Ask on the terminal, without echo.

    Raises:
        NoTerminal: there is no terminal. Reading standard input instead would show the password.
        PasswordNotText: the input cannot be decoded.
    """
    import getpass

    if not _has_terminal():
        raise NoTerminal
    try:
        return getpass.getpass(prompt)
    except UnicodeDecodeError:
        # The original error contains the typed bytes, so it is not chained.
        raise PasswordNotText from None


def ask_yes(question: str) -> bool:
    """Ask on the terminal; anything but y or yes means no.

    Raises:
        ConfirmationUnavailable: there is no terminal.
    """
    if not _has_terminal():
        raise ConfirmationUnavailable
    with open("/dev/tty", encoding="utf-8", errors="replace") as terminal:  # noqa: PTH123 - a device, not a path of ours
        click.echo(f"{printable_lines(question)} [y/N] ", nl=False, err=True)
        return terminal.readline().strip().lower() in ("y", "yes")


def connect(
    server: str, token: str, settings: Settings, on_bytes: OnBytes, on_wait: OnWait
) -> tuple[Transport, Account]:
    """The transport to the server, and the account that the token names.

    Raises:
        TokenUnusable, ServerRefused: the token or the address cannot be used.
    """
    from obscura_backup_client.device.state import Account
    from obscura_backup_client.transport.bearer_token import user_id_of
    from obscura_backup_client.transport.blocking_transport import HttpTransport

    user_id = user_id_of(token, settings.user_claim)
    transport = HttpTransport(server, token, settings.allow_insecure_http, on_bytes=on_bytes, on_wait=on_wait)
    return transport, Account(transport.server, user_id)


def probe(address: str, settings: Settings) -> ServerProbe:
    """Ask the server, without the token, how it is reached.

    Raises:
        TransportError: it is not reached.
    """
    from obscura_backup_client.transport.blocking_transport import HttpTransport

    # A transport needs a token. This request does not carry it.
    return HttpTransport(address, "none", settings.allow_insecure_http).probe()


def measure(parameters: KdfParameters) -> Timing | float:
    """Time one key derivation on this device."""
    from obscura_backup_client.sealing.calibration import measure_derivation

    return measure_derivation(parameters)


def load() -> float:
    """The load of this machine per processor."""
    from obscura_backup_client.sealing.kdf_timing import load_per_processor

    return load_per_processor()


Connect = Callable[[str, str, "Settings", "OnBytes", "OnWait"], "tuple[Transport, Account]"]


@dataclass(frozen=True)
class Environment:
    """Terminal, network, clock and randomness; the defaults are the real ones."""

    ask_password: Callable[[str], str] = ask_password
    ask_yes: Callable[[str], bool] = ask_yes
    connect: Connect = connect
    harden: Callable[[], None] = harden
    random: Callable[[int], bytes] = os.urandom
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random_module.random
    probe: Callable[[str, Settings], ServerProbe] = probe
    measure: Callable[[KdfParameters], Timing | float] = measure
    load: Callable[[], float] = load
    shows_progress: Callable[[], bool] = lambda: is_terminal(sys.stderr)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether the stream is a terminal. It is None in a program that was started without it."""
    return stream is not None and stream.isatty()


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
