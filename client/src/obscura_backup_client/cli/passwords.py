"""Getting the password from a person or a file, and never from an argument."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obscura_backup_client.cli.exits import PasswordsDiffer, UnreadableFile
from obscura_backup_client.cli.output import tell
from obscura_backup_client.cli.settings import read_file
from obscura_backup_client.errors import PasswordRefused

if TYPE_CHECKING:
    from obscura_backup_client.cli.progress import ProgressLine
    from obscura_backup_client.cli.settings import Settings
    from obscura_backup_client.cli.world import World
    from obscura_backup_client.unlocking import Purpose

TRIES = 3
STRENGTHS = ("very weak", "weak", "fair", "good", "strong")


def password(settings: Settings, world: World, progress: ProgressLine, purpose: Purpose) -> str:
    """The password: from the file if one is named, else typed; a new one twice, and with its strength shown.

    Raises:
        UnreadableFile, NoTerminal, PasswordsDiffer: see there.
        PasswordRefused: a new one from a file breaks a rule. A typed one is asked for again, up to three times.
    """
    # Known here by its text: the class would load what `--help` must not wait for.
    new = purpose.value == "set"
    if settings.password_file is not None:
        given = _first_line(settings.password_file)
        if new:
            _judge(given)
        return given
    progress.clear()
    return _typed_twice(world) if new else world.ask_password("Backup password: ")


def _typed_twice(world: World) -> str:
    tell("This sets the password of the backup. Without it nobody can restore the backup, and nobody can reset it.")
    for remaining in reversed(range(TRIES)):
        first = world.ask_password("New backup password (at least 13 characters): ")
        try:
            _judge(first)
        except PasswordRefused as refused:
            if not remaining:
                raise
            tell(str(refused))
            continue
        if world.ask_password("Once more: ") == first:
            return first
        tell("They are not the same.")
    raise PasswordsDiffer


def _judge(new_password: str) -> None:
    """Refuse what cannot be set, and say how strong the rest is: a guesser works offline, at leisure."""
    from obscura_backup_client.passwords import require_settable, strength

    require_settable(new_password)
    found = strength(new_password)
    feedback = f" {found.feedback}" if found.feedback else ""
    tell(f"Strength: {STRENGTHS[found.score]} ({found.score} of 4).{feedback}")


def _first_line(name: str) -> str:
    # Of standard input just the line: whoever types it ends it with Enter, and not with the end of the input.
    content = read_file(name, only_a_line=name == "-")
    line = content.partition(b"\n")[0].removesuffix(b"\r")
    try:
        # An editor's byte order mark is not part of what a person would type elsewhere.
        return line.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableFile(name, "it is not UTF-8 text") from None
