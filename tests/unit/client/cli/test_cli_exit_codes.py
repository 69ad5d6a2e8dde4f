"""The exit code of every error: a contract with the scripts that run the command."""

from __future__ import annotations

import pytest

from obscura_backup_client import errors, export_errors, profile_errors, state_errors, transport_errors
from obscura_backup_client.cli import exits
from obscura_backup_client.cli.exits import Exit, exit_code

CODES = {
    Exit.USAGE: (export_errors.ExportExists, export_errors.ExportUnwritable, exits.NoHome, exits.UnreadableFile),
    Exit.PASSWORD: (
        errors.WrongPassword,
        errors.DifferentKey,
        errors.PasswordTooShort,
        errors.PasswordTooLong,
        errors.PasswordCharacterRefused,
        errors.PasswordGuessable,
        errors.PasswordUnchanged,
        exits.NoTerminal,
        exits.PasswordEmpty,
        exits.PasswordNotText,
        exits.PasswordsDiffer,
    ),
    Exit.UNREADABLE: (
        errors.NotABackup,
        errors.NewerFormat,
        errors.RefusedParameters,
        errors.KeyDerivationFailed,
        errors.Damaged,
    ),
    Exit.DECIDE: (
        errors.RollbackSuspected,
        errors.IdentityConflict,
        errors.IdentityReplaced,
        errors.NotConfirmed,
        exits.NobodyToAsk,
        transport_errors.BackupLost,
    ),
    Exit.TOKEN: (transport_errors.TokenUnusable, transport_errors.Unauthorized),
    Exit.SERVER: (
        transport_errors.ServerRefused,
        transport_errors.RateLimited,
        transport_errors.Unavailable,
        transport_errors.OutcomeUnknown,
        transport_errors.UnexpectedAnswer,
    ),
    Exit.CONTENDED: (errors.PushContended, transport_errors.VersionMismatch),
    Exit.STATE: (
        state_errors.StateMissing,
        state_errors.StateExists,
        state_errors.StateBusy,
        state_errors.StateDamaged,
        state_errors.StateNewer,
        state_errors.StateUnusable,
        profile_errors.ProfileDamaged,
        profile_errors.ProfileNewer,
    ),
    Exit.NOTHING_THERE: (errors.UnknownContact, exits.NotCalibrated, transport_errors.NotFound),
    Exit.REFUSED_INPUT: (
        errors.ContactFileError,
        errors.NameRefused,
        errors.TooManyContacts,
        errors.PayloadError,
        errors.PayloadTooLarge,
        export_errors.ExportRefused,
        transport_errors.TooLarge,
    ),
    Exit.OUTPUT: (exits.OutputLost,),
}


@pytest.mark.parametrize(
    ("kind", "code"),
    [(kind, code) for code, kinds in CODES.items() for kind in kinds],
    ids=lambda each: each.__name__ if isinstance(each, type) else "",
)
def test_an_error_has_the_exit_code_that_scripts_rely_on(kind: type[errors.ClientError], code: Exit) -> None:
    assert exit_code(kind.__new__(kind)) is code
