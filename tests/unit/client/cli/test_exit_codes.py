"""The exit code of every error: a contract with the scripts that run the command."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from obscura_backup_client import errors
from obscura_backup_client.cli import exits
from obscura_backup_client.cli.exits import ExitCode, exit_code
from obscura_backup_client.client import BackupClient
from obscura_backup_client.content import errors as content_errors
from obscura_backup_client.device import errors as device_errors
from obscura_backup_client.errors import ClientError
from obscura_backup_client.formats import errors as format_errors
from obscura_backup_client.operations import errors as operation_errors
from obscura_backup_client.sealing import errors as sealing_errors
from obscura_backup_client.transport import errors as transport_errors
from support.client.terminal import Terminal
from support.table import table

CODES = {
    ExitCode.USAGE: (format_errors.ExportExists, format_errors.ExportUnwritable, exits.NoHome, exits.UnreadableFile),
    ExitCode.PASSWORD: (
        sealing_errors.WrongPassword,
        sealing_errors.DifferentKey,
        sealing_errors.PasswordTooShort,
        sealing_errors.PasswordTooLong,
        sealing_errors.PasswordCharacterRefused,
        sealing_errors.PasswordGuessable,
        sealing_errors.PasswordUnchanged,
        exits.NoTerminal,
        exits.PasswordEmpty,
        exits.PasswordNotText,
        exits.PasswordsDiffer,
    ),
    ExitCode.UNREADABLE: (
        sealing_errors.NotABackup,
        sealing_errors.NewerFormat,
        sealing_errors.RefusedParameters,
        sealing_errors.KeyDerivationFailed,
        sealing_errors.Damaged,
    ),
    ExitCode.DECIDE: (
        operation_errors.RollbackSuspected,
        content_errors.IdentityConflict,
        content_errors.IdentityReplaced,
        operation_errors.NotConfirmed,
        exits.ConfirmationUnavailable,
        transport_errors.BackupLost,
    ),
    ExitCode.TOKEN: (transport_errors.TokenUnusable, transport_errors.Unauthorized),
    ExitCode.SERVER: (
        transport_errors.ServerRefused,
        transport_errors.RateLimited,
        transport_errors.Unavailable,
        transport_errors.OutcomeUnknown,
        transport_errors.UnexpectedResponse,
    ),
    ExitCode.CONTENDED: (operation_errors.PushContended, transport_errors.VersionMismatch),
    ExitCode.STATE: (
        device_errors.StateMissing,
        device_errors.StateExists,
        device_errors.StateBusy,
        device_errors.StateDamaged,
        device_errors.StateNewer,
        device_errors.StateUnusable,
        device_errors.ProfileDamaged,
        device_errors.ProfileNewer,
    ),
    ExitCode.NOTHING_THERE: (content_errors.UnknownContact, exits.NotCalibrated, transport_errors.NotFound),
    ExitCode.REFUSED_INPUT: (
        format_errors.ContactFileError,
        content_errors.NameRefused,
        content_errors.TooManyContacts,
        content_errors.PayloadError,
        sealing_errors.PayloadTooLarge,
        format_errors.ExportRefused,
        transport_errors.TooLarge,
    ),
    ExitCode.OUTPUT: (exits.OutputLost,),
}


@table(
    ("kind", "code"),
    [(kind, code) for code, kinds in CODES.items() for kind in kinds],
    ids=lambda each: each.__name__ if isinstance(each, type) else "",
)
def test_an_error_has_the_exit_code_that_scripts_rely_on(kind: type[ClientError], code: ExitCode) -> None:
    assert exit_code(kind.__new__(kind)) is code


def breaking(terminal: Terminal, error: BaseException) -> Terminal:
    def connect(*_arguments: Any) -> Any:
        raise error

    return replace(terminal, environment=replace(terminal.environment, connect=connect))


def test_a_bug_is_one_line_and_not_a_traceback(terminal: Terminal) -> None:
    result = breaking(terminal, ZeroDivisionError("secret detail")).run("status")
    assert result.exit_code == ExitCode.UNEXPECTED
    assert "ZeroDivisionError" in result.stderr
    assert "secret detail" not in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_bug_shows_its_traceback_in_debug_mode(terminal: Terminal) -> None:
    result = breaking(terminal, ZeroDivisionError()).run("status", OBSCURA_DEBUG="1")
    assert isinstance(result.exception, ZeroDivisionError)


def test_an_interruption_has_exit_code_130(terminal: Terminal) -> None:
    assert breaking(terminal, KeyboardInterrupt()).run("status").exit_code == 130


def all_errors(root: type[ClientError]) -> list[type[ClientError]]:
    return [each for kind in root.__subclasses__() for each in (kind, *all_errors(kind))]


def test_every_error_has_an_exit_code_and_a_unique_code() -> None:
    modules = {each.__name__ for each in (errors, format_errors, device_errors, transport_errors)}
    public = [each for each in all_errors(ClientError) if each.__module__ in modules]
    codes = [each.code for each in public]
    assert len(codes) == len(set(codes))
    unmapped = [each.__name__ for each in public if exit_code(each.__new__(each)) is ExitCode.UNEXPECTED]
    assert unmapped == []


def test_the_command_and_the_api_share_a_state(pushed: Terminal) -> None:
    assert [each.username for each in BackupClient.open(pushed.home / "phone").contacts()] == ["alice"]
