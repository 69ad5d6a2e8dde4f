"""Exit codes, and the errors of the command line itself."""

from __future__ import annotations

from enum import IntEnum

from obscura_backup_client.content import errors as content_errors
from obscura_backup_client.device import errors as device_errors
from obscura_backup_client.errors import ClientError
from obscura_backup_client.formats import errors as format_errors
from obscura_backup_client.operations import errors as operation_errors
from obscura_backup_client.sealing import errors as sealing_errors
from obscura_backup_client.transport import errors as transport_errors


class ExitCode(IntEnum):
    """Exit codes, one per action that the caller has to take. They are part of the command's contract."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    PASSWORD = 3
    UNREADABLE = 4
    DECIDE = 5
    TOKEN = 6
    SERVER = 7
    CONTENDED = 8
    STATE = 9
    NOTHING_THERE = 10
    REFUSED_INPUT = 11
    OUTPUT = 12
    INTERRUPTED = 130


EPILOG = """\b
Exit codes:
  0    success
  1    internal error (a bug)
  2    invalid command line, or a file that it names cannot be read or written
  3    password wrong, missing or too weak
  4    backup cannot be opened: damaged, not a backup, another user's, newer format, refused parameters
  5    your decision is needed: backup older than expected, gone or lost, another identity, not confirmed
  6    token missing, unusable or not accepted
  7    server not reachable or not usable, or its response was lost; it is safe to try again
  8    other devices pushed at the same time; try again
  9    state directory: no identity, already an identity, damaged, in use, not writable
  10   not found: no backup on the server, no such contact, not calibrated, nothing to undo
  11   invalid input: a name, a contact, a contact file, or content that does not fit into a backup
  12   the command succeeded, but its result could not be written
  130  interrupted
"""


class NoTerminal(ClientError):
    """A password is needed, and there is neither a terminal nor a password file."""

    code = "no-terminal"

    def __init__(self) -> None:
        super().__init__("A password is needed, but there is no terminal. Use --password-file.")


class ConfirmationUnavailable(ClientError):
    """A confirmation is needed, and there is no terminal."""

    code = "nobody-to-ask"

    def __init__(self) -> None:
        super().__init__("A confirmation is needed, but there is no terminal. Use --yes to confirm.")


class PasswordEmpty(ClientError):
    """The first line of the file or standard input, `name`, is the password, and it is empty."""

    code = "password-empty"

    def __init__(self, name: str) -> None:
        super().__init__(f"The password must be the first line of {name}, which is empty.")
        self.name = name


class PasswordNotText(ClientError):
    """The typed password is not valid text in the terminal's character encoding; it is not quoted."""

    code = "password-not-text"

    def __init__(self) -> None:
        super().__init__("The typed password is not valid text in this terminal's character encoding.")


class NotCalibrated(ClientError):
    """The calibrated profile was requested, and this device has none."""

    code = "not-calibrated"

    def __init__(self) -> None:
        super().__init__("This device is not calibrated yet. Run `calibrate` first.")


class NoHome(ClientError):
    """No state directory was given, and this user has no home directory."""

    code = "no-home"

    def __init__(self) -> None:
        super().__init__("There is no home directory to keep the state in. Use --state.")


class OutputLost(ClientError):
    """The result could not be written to standard output. The command itself succeeded."""

    code = "output-lost"

    def __init__(self, error: OSError) -> None:
        super().__init__(f"The result cannot be written ({error.strerror or type(error).__name__}).")

    @classmethod
    def sentence(cls, error: OSError) -> str:
        """The line that reports the error."""
        return f"Error: {cls(error)} [{cls.code}]"


class PasswordsDiffer(ClientError):
    """The two entries of a new password differed three times."""

    code = "passwords-differ"

    def __init__(self) -> None:
        super().__init__("The two passwords differ.")


class UnreadableFile(ClientError):
    """A file named by an option or argument cannot be read; `reason` is the system's reason."""

    code = "unreadable-file"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} cannot be read: {reason}.")
        self.name = name
        self.reason = reason


# The first matching class decides, so a subclass precedes its base class.
_BY_CLASS: tuple[tuple[type[ClientError], ExitCode], ...] = (
    (sealing_errors.WrongPassword, ExitCode.PASSWORD),
    (sealing_errors.DifferentKey, ExitCode.PASSWORD),
    (sealing_errors.PasswordRefused, ExitCode.PASSWORD),
    (sealing_errors.NotABackup, ExitCode.UNREADABLE),
    (sealing_errors.NewerFormat, ExitCode.UNREADABLE),
    (sealing_errors.RefusedParameters, ExitCode.UNREADABLE),
    (sealing_errors.KeyDerivationFailed, ExitCode.UNREADABLE),
    (sealing_errors.Damaged, ExitCode.UNREADABLE),
    (operation_errors.RollbackSuspected, ExitCode.DECIDE),
    (content_errors.IdentityError, ExitCode.DECIDE),
    (operation_errors.NotConfirmed, ExitCode.DECIDE),
    (operation_errors.NothingToUndo, ExitCode.NOTHING_THERE),
    (operation_errors.PushContended, ExitCode.CONTENDED),
    (device_errors.StateError, ExitCode.STATE),
    (content_errors.UnknownContact, ExitCode.NOTHING_THERE),
    (format_errors.ContactFileError, ExitCode.REFUSED_INPUT),
    (content_errors.NameRefused, ExitCode.REFUSED_INPUT),
    (content_errors.TooManyContacts, ExitCode.REFUSED_INPUT),
    (content_errors.PayloadError, ExitCode.REFUSED_INPUT),
    (sealing_errors.PayloadTooLarge, ExitCode.REFUSED_INPUT),
    (format_errors.ExportRefused, ExitCode.REFUSED_INPUT),
    (format_errors.ExportExists, ExitCode.USAGE),
    (format_errors.ExportUnwritable, ExitCode.USAGE),
    (NoTerminal, ExitCode.PASSWORD),
    (PasswordEmpty, ExitCode.PASSWORD),
    (PasswordNotText, ExitCode.PASSWORD),
    (NoHome, ExitCode.USAGE),
    (NotCalibrated, ExitCode.NOTHING_THERE),
    (OutputLost, ExitCode.OUTPUT),
    (PasswordsDiffer, ExitCode.PASSWORD),
    (ConfirmationUnavailable, ExitCode.DECIDE),
    (UnreadableFile, ExitCode.USAGE),
    (transport_errors.TokenUnusable, ExitCode.TOKEN),
    (transport_errors.Unauthorized, ExitCode.TOKEN),
    (transport_errors.NotFound, ExitCode.NOTHING_THERE),
    (transport_errors.BackupLost, ExitCode.DECIDE),
    (transport_errors.VersionMismatch, ExitCode.CONTENDED),
    (transport_errors.TooLarge, ExitCode.REFUSED_INPUT),
    (transport_errors.TransportError, ExitCode.SERVER),
)


def exit_code(error: ClientError) -> ExitCode:
    """The exit code for an error."""
    return next((code for kind, code in _BY_CLASS if isinstance(error, kind)), ExitCode.UNEXPECTED)
