"""What a script can tell from the exit code."""

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
    """By what the caller has to do about it. The meanings are part of the command's contract."""

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
  0    it worked
  1    a bug in this program
  2    the command line is wrong, or a file that it names cannot be read or written
  3    the password is wrong, missing or not strong enough
  4    the backup cannot be read: damaged, not a backup, another user's, of a newer format, refused parameters
  5    stopped for you to decide: an older backup than expected, gone or lost, another identity, not confirmed
  6    the token is missing, unusable or not accepted
  7    the server cannot be reached or used, or its answer was lost; trying again is safe
  8    other devices kept pushing in between; try again
  9    the state directory: no identity, one already, damaged, in use, not writable
  10   there is nothing there: no backup on the server, no such contact, nothing calibrated
  11   a name, a contact, a contact file or the whole content is not what a backup can hold
  12   the command did its work, and its result could not be written out
  130  interrupted
"""


class NoTerminal(ClientError):
    """A password is needed, and there is neither a terminal to ask on nor a file to read it from."""

    code = "no-terminal"

    def __init__(self) -> None:
        super().__init__("A password is needed and there is no terminal to ask on: use --password-file.")


class ConfirmationUnavailable(ClientError):
    """A question has to be answered, and there is no terminal to ask on."""

    code = "nobody-to-ask"

    def __init__(self) -> None:
        super().__init__("There is no terminal to ask on. If the answer is yes, say so with --yes.")


class PasswordEmpty(ClientError):
    """The first line of a file or of standard input, `name`, is to be the password, and there is nothing in it."""

    code = "password-empty"

    def __init__(self, name: str) -> None:
        super().__init__(f"The password is to be the first line of {name}, and that is empty.")
        self.name = name


class PasswordNotText(ClientError):
    """What was typed as a password is not text in the terminal's character encoding; it is not quoted."""

    code = "password-not-text"

    def __init__(self) -> None:
        super().__init__("What was typed is not text in this terminal's character encoding.")


class NotCalibrated(ClientError):
    """The profile of this device is wanted, and nobody calibrated it."""

    code = "not-calibrated"

    def __init__(self) -> None:
        super().__init__("This device has no profile of its own yet: `calibrate` finds one.")


class NoHome(ClientError):
    """The state has to be somewhere, nobody said where, and this user has no home directory."""

    code = "no-home"

    def __init__(self) -> None:
        super().__init__("There is no home directory to keep the state in: say where with --state.")


class OutputLost(ClientError):
    """The result could not be written to standard output. What the command does was done before."""

    code = "output-lost"

    def __init__(self, error: OSError) -> None:
        super().__init__(f"The result cannot be written ({error.strerror or type(error).__name__}).")

    @classmethod
    def sentence(cls, error: OSError) -> str:
        """The error as it is shown."""
        return f"Error: {cls(error)} [{cls.code}]"


class PasswordsDiffer(ClientError):
    """The second typing of a new password was not the first, three times over."""

    code = "passwords-differ"

    def __init__(self) -> None:
        super().__init__("The two passwords are not the same.")


class UnreadableFile(ClientError):
    """A file that an option or argument names cannot be read; `reason` is the system's word for why."""

    code = "unreadable-file"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} cannot be read: {reason}.")
        self.name = name
        self.reason = reason


# The first class that fits decides, so that a subclass stands before its root.
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
