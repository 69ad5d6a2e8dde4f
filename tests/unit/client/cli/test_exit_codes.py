"""The exit code of every error: a contract with the scripts that run the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from obscura_backup_client.cli import exits
from obscura_backup_client.cli.exits import ExitCode, exit_code
from obscura_backup_client.content import errors as content_errors
from obscura_backup_client.device import errors as device_errors
from obscura_backup_client.formats import errors as format_errors
from obscura_backup_client.operations import errors as operation_errors
from obscura_backup_client.sealing import errors as sealing_errors
from obscura_backup_client.transport import errors as transport_errors

if TYPE_CHECKING:
    from obscura_backup_client import errors

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


@pytest.mark.parametrize(
    ("kind", "code"),
    [(kind, code) for code, kinds in CODES.items() for kind in kinds],
    ids=lambda each: each.__name__ if isinstance(each, type) else "",
)
def test_an_error_has_the_exit_code_that_scripts_rely_on(kind: type[errors.ClientError], code: ExitCode) -> None:
    assert exit_code(kind.__new__(kind)) is code
