"""`obscura-client doctor`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import click

from obscura_backup_client.cli.context import CommandContext
from obscura_backup_client.cli.exits import exit_code
from obscura_backup_client.cli.settings import global_options
from obscura_backup_client.cli.terminal.attack_cost import parameters_text
from obscura_backup_client.cli.terminal.escaping import printable
from obscura_backup_client.cli.terminal.wording import contacts_text, timestamp_text
from obscura_backup_client.errors import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from obscura_backup_client.device.directory import StateDirectory
    from obscura_backup_client.transport.interface import ServerProbe

OK, WARNING, FAILED, SKIPPED = "ok", "warning", "failed", "skipped"
# The server's time is exact to a second. Tokens and edits tolerate less than this.
MAX_CLOCK_SKEW_SECONDS: Final = 60
# A certificate is renewed automatically well before that, if it is.
MIN_CERTIFICATE_DAYS: Final = 14
# `calibrate` aims at 0.5 to 1 s. Outside of this range it is worth running.
QUICK_SECONDS, SLOW_SECONDS = 0.25, 2.0
_DAY_SECONDS: Final = 24 * 60 * 60


@dataclass(frozen=True)
class Check:
    """The result of one check; `error` is why it failed."""

    name: str
    outcome: str
    detail: str
    error: ClientError | None = None


@click.command()
@global_options
@click.pass_context
def doctor(context: click.Context) -> None:
    """Check this device's state and token, the way to the server, both clocks, and how long a key derivation takes.

    Changes nothing. The exit code is that of the first failed check, and 0 if none failed.
    """
    command = CommandContext.of(context)
    checks = list(_checks(command))
    failed = next((check for check in checks if check.error is not None), None)
    facts: dict[str, Any] = {
        "well": failed is None,
        "checks": [
            {
                "check": each.name,
                "outcome": each.outcome,
                "detail": each.detail,
                "code": each.error and each.error.code,
            }
            for each in checks
        ],
    }
    command.result(facts, "\n".join(f"{each.outcome:<8} {each.name:<8} {each.detail}" for each in checks))
    if failed is not None and failed.error is not None:
        context.exit(exit_code(failed.error))


def _checks(command: CommandContext) -> Iterator[Check]:
    tokens: list[str] = []
    probes: list[ServerProbe] = []
    client = command.local()

    def token() -> tuple[str, str]:
        # Read once: it may come from a pipe.
        found = command.settings.token
        if found is None:
            return WARNING, "none; without --token-file or OBSCURA_TOKEN no command can use the server"
        described = _token(command, found)
        tokens.append(found)
        return described

    def tls() -> tuple[str, str]:
        probes.append(command.environment.probe(command.settings.server, command.settings))
        return _tls(probes[0], command.environment.now_ms() / 1000)

    yield _checked("state", lambda: _state(client.directory))
    yield _checked("token", token)
    yield _checked("address", lambda: _address(command))
    # Fails with the same error if the address cannot be used.
    yield _checked("tls", tls)
    if probes:
        yield _checked("clock", lambda: _clock(probes[0]))
    else:
        yield Check("clock", SKIPPED, "the server does not answer")
    if probes and tokens:
        yield _checked("service", lambda: _service(command, tokens[0]))
    else:
        yield Check("service", SKIPPED, "there is no usable token" if probes else "the server does not answer")
    yield _checked("kdf", lambda: _derivation(command, client.directory))


def _checked(name: str, check: Callable[[], tuple[str, str]]) -> Check:
    try:
        outcome, detail = check()
    except ClientError as error:
        return Check(name, FAILED, f"{error} [{error.code}]", error)
    return Check(name, outcome, detail)


def _state(directory: StateDirectory) -> tuple[str, str]:
    state = directory.read_or_none()
    if state is None:
        return WARNING, f"no identity in {directory.path}; `new` creates one, `restore` brings one back"
    # Fails if another process keeps it locked, or if it cannot be written.
    with replace(directory, lock_wait_seconds=1).locked():
        pass
    name = printable(state.device_name) or "a device without a name"
    return OK, f"{contacts_text(state.content.contact_count)} on {name}, in {directory.path}"


def _token(command: CommandContext, token: str) -> tuple[str, str]:
    from obscura_backup_client.transport.bearer_token import expiry_ms, user_id_of
    from obscura_backup_client.transport.errors import TokenUnusable

    user_id, ends_ms = user_id_of(token, command.settings.user_claim), expiry_ms(token)
    if ends_ms is None:
        return OK, f"of user {user_id}; it does not say when it expires"
    ends = timestamp_text(ends_ms)
    if ends_ms <= command.environment.now_ms():
        raise TokenUnusable(f"it expired at {ends} by this device's clock; get a new one from your app's login")
    return OK, f"of user {user_id}, until {ends}"


def _address(command: CommandContext) -> tuple[str, str]:
    from obscura_backup_client.transport.address import normalize_address

    return OK, normalize_address(command.settings.server, allow_insecure_http=command.settings.allow_insecure_http)


def _tls(found: ServerProbe, now_s: float) -> tuple[str, str]:
    answered = f"the server answers in {round(found.seconds * 1000)} ms"
    if not found.tls_version:
        return OK, f"not used, because the address is http://; {answered}"
    if found.certificate_ends_s is None:
        return OK, f"{found.tls_version}; {answered}"
    ends = timestamp_text(round(found.certificate_ends_s * 1000))
    days = (found.certificate_ends_s - now_s) / _DAY_SECONDS
    detail = f"{found.tls_version}, certificate until {ends}; {answered}"
    if days < MIN_CERTIFICATE_DAYS:
        return WARNING, f"{detail}. The certificate ends in {max(0, round(days))} days: tell the server's operator"
    return OK, detail


def _clock(found: ServerProbe) -> tuple[str, str]:
    ahead = found.clock_ahead_seconds
    if ahead is None:
        return WARNING, "the server does not say its time"
    if abs(ahead) <= MAX_CLOCK_SKEW_SECONDS:
        return OK, "agrees with the server's within a minute"
    direction = "ahead of" if ahead > 0 else "behind"
    return WARNING, (
        f"{round(abs(ahead))} s {direction} the server's. Set this device's clock: of two edits, the one with the "
        "later time wins"
    )


def _service(command: CommandContext, token: str) -> tuple[str, str]:
    from obscura_backup_client.transport.errors import NotFound

    progress = command.progress
    transport, _ = command.environment.connect(
        command.settings.server, token, command.settings, progress.on_bytes, progress.on_wait
    )
    try:
        return OK, f"accepts the token, and has version {transport.head().version} of the backup"
    except NotFound:
        return OK, "accepts the token, and has no backup yet"


def _derivation(command: CommandContext, directory: StateDirectory) -> tuple[str, str]:
    from obscura_backup_client.device import calibrated_parameters
    from obscura_backup_client.sealing.kdf_parameters import DEFAULT_PROFILE

    calibrated = calibrated_parameters.read(directory)
    parameters = calibrated or DEFAULT_PROFILE
    timing = command.environment.measure(parameters)
    seconds = timing if isinstance(timing, float) else timing.seconds
    chosen = "default" if calibrated is None else "calibrated"
    detail = f"{parameters_text(parameters)} ({chosen}): {round(seconds * 1000)} ms"
    if QUICK_SECONDS <= seconds <= SLOW_SECONDS:
        return OK, detail
    return WARNING, f"{detail}; `calibrate` finds parameters that take 0.5 to 1 s"
