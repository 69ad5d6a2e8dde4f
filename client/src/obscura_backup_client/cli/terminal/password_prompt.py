"""Reading the password from the terminal or a file, never from an argument."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from obscura_backup_client.cli.exits import PasswordEmpty, PasswordsDiffer, UnreadableFile
from obscura_backup_client.cli.settings import display_name, read_password_line
from obscura_backup_client.cli.terminal.output import write_stderr
from obscura_backup_client.sealing.errors import PasswordGuessable, PasswordRefused, WrongPassword

if TYPE_CHECKING:
    from obscura_backup_client.cli.environment import Environment
    from obscura_backup_client.operations.keys import Purpose

STRENGTHS = ("very weak", "weak", "fair", "good", "strong")


def password(
    environment: Environment, purpose: Purpose, file: str | None, *, accept_weak: bool = False, changes: bool = False
) -> str:
    """Read the password from the file, else from the terminal. A new one is typed twice, and its strength is shown.

    Raises:
        UnreadableFile, NoTerminal, PasswordEmpty, PasswordsDiffer: there is no password.
        PasswordRefused: a new password breaks a rule. A typed one may be typed three times.
        WrongPassword: the password in the file is wrong.
    """
    # Compared by text: importing the class would slow down `--help`.
    if purpose.value == "set":
        return _typed_twice(environment, accept_weak=accept_weak) if file is None else new_from_file(file, accept_weak)
    if purpose.value == "retry":
        if file is not None:
            raise WrongPassword
        write_stderr("The password is wrong (or the backup's header was altered).")
    which = "Current backup" if changes else "Backup"
    return environment.ask_password(f"{which} password: ") if file is None else _first_line(file)


def new_from_file(name: str, accept_weak: bool) -> str:  # noqa: FBT001 - the name of the option
    """Read a new password from a file, and check it. Raises as `password`."""
    given = _first_line(name)
    _require_strong(given, accept_weak=accept_weak)
    return given


def _typed_twice(environment: Environment, *, accept_weak: bool) -> str:
    from obscura_backup_client.sealing.passwords import MAX_PASSWORD_ATTEMPTS

    write_stderr(
        "This sets the backup's password. Without it the backup cannot be restored, and the password cannot be reset."
    )
    for remaining in reversed(range(MAX_PASSWORD_ATTEMPTS)):
        first = environment.ask_password("New backup password (at least 13 characters): ")
        try:
            _require_strong(first, accept_weak=accept_weak)
        except PasswordRefused as refused:
            if not remaining:
                raise
            write_stderr(str(refused))
            continue
        if environment.ask_password("Once more: ") == first:
            return first
        write_stderr("The passwords differ.")
    raise PasswordsDiffer


def _require_strong(new_password: str, *, accept_weak: bool) -> None:
    """Refuse an invalid password, and show how strong a valid one is: attackers guess offline without limits."""
    from obscura_backup_client.sealing.passwords import MIN_SCORE, require_settable, strength

    require_settable(new_password)
    found = strength(new_password)
    feedback = f" {found.feedback}" if found.feedback else ""
    guesses = f"about 10^{math.log10(found.guesses):.0f} guesses"
    write_stderr(f"Strength: {STRENGTHS[found.score]} ({found.score} of 4, {guesses}).{feedback}")
    if found.is_guessable:
        if not accept_weak:
            write_stderr(
                "Use several unrelated words or a password manager. To accept this password anyway: --accept-weak."
            )
            raise PasswordGuessable(found.score, MIN_SCORE)
        write_stderr("Warning: a thief of the backup can easily guess this password.")


def _first_line(name: str) -> str:
    try:
        # An editor's byte order mark is not part of the password.
        line = read_password_line(name).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableFile(display_name(name), "it is not UTF-8 text") from None
    if not line:
        raise PasswordEmpty(display_name(name))
    return line
