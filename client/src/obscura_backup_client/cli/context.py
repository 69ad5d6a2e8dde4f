"""What every command begins and ends with."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from obscura_backup_client.cli.environment import Environment
from obscura_backup_client.cli.exits import ConfirmationUnavailable
from obscura_backup_client.cli.settings import Settings
from obscura_backup_client.cli.terminal.escaping import printable_json, printable_lines
from obscura_backup_client.cli.terminal.output import encodable, write_stderr
from obscura_backup_client.cli.terminal.password_prompt import password
from obscura_backup_client.cli.terminal.progress import ProgressLine

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from obscura_backup_client.client import BackupClient
    from obscura_backup_client.operations.keys import Purpose
    from obscura_backup_client.sealing.kdf_parameters import KdfParameters

MAX_NAMED_CONTACTS = 3
"""How many contacts a warning names."""

_META = "obscura_backup_client.run"


@dataclass(frozen=True)
class CommandContext:
    """One run of one command."""

    settings: Settings
    environment: Environment
    progress: ProgressLine

    @classmethod
    def of(cls, context: click.Context) -> CommandContext:
        """The one run that a context and those below it share; a test's world is the context's object."""
        environment = context.find_object(Environment) or Environment()
        # One for all, so that whoever ends the run ends its progress line, too, and the cursor comes back.
        command: CommandContext = context.meta.setdefault(
            _META, cls(Settings(context), environment, ProgressLine(environment.shows_progress()))
        )
        return command

    def local(self) -> BackupClient:
        """The client for what needs no server."""
        from obscura_backup_client.client import BackupClient
        from obscura_backup_client.device.directory import StateDirectory

        directory = StateDirectory(self.settings.state)
        if directory.is_writable_by_others():
            self.note(f"Warning: other users of this machine may write to {directory.path}, and replace what it keeps.")
        elif directory.is_owned_by_another_user():
            self.note(f"Warning: the state in {directory.path} is another user's file: is this identity yours?")
        return BackupClient(
            directory,
            random=self.environment.random,
            now_ms=self.environment.now_ms,
            sleep=self.environment.sleep,
            jitter=self.environment.jitter,
            on_step=self.progress.on_step,
        )

    def connected(self) -> BackupClient:
        """The client with a server. Without a token it is the local one, whose network calls say what is missing.

        Raises:
            TokenUnusable, ServerRefused, UnreadableFile: see there.
        """
        client, token = self.local(), self.settings.token
        if token is None:
            return client
        progress = self.progress
        transport, account = self.environment.connect(
            self.settings.server, token, self.settings, progress.on_bytes, progress.on_wait
        )
        return replace(client, transport=transport, account=account)

    def secret(self, *, accept_weak: bool = False, changes: bool = False) -> Callable[[Purpose], str]:
        """Gives the password once it is needed, for whatever purpose; `changes` is whether it is about to change."""

        def give(purpose: Purpose) -> str:
            self.progress.clear()
            return password(
                self.environment, purpose, self.settings.password_file, accept_weak=accept_weak, changes=changes
            )

        return give

    def read_password(self) -> str | None:
        """The password that opens, where it is in a file: read now, before anything else is read from there."""
        from obscura_backup_client.operations.keys import Purpose

        return None if self.settings.password_file is None else self.secret()(Purpose.OPEN)

    def confirm_memory(self, parameters: KdfParameters) -> bool:
        """Ask before a key derivation that needs unusually much memory; without anybody to ask the answer is no."""
        self.progress.clear()
        try:
            return self.environment.ask_yes(
                f"This backup takes {parameters.memory_kib // 1024} MiB of memory to open. Go on?"
            )
        except ConfirmationUnavailable:
            return False

    def confirm_account(self, client: BackupClient) -> None:
        """Ask before what was backed up as one user goes into the empty slot of another: a token is easily mixed up.

        Raises:
            NotConfirmed: the answer is no. ConfirmationUnavailable: there is no terminal, and no --yes.
        """
        from obscura_backup_client.operations.errors import NotConfirmed

        state, account = client.directory.read_or_none(), client.account
        if state is None or account is None or account in state.last_seen:
            return
        others = [str(each.user_id) for each in state.last_seen if each.server == account.server]
        if others:
            self.note(f"This device was backed up at {account.server} as user {', '.join(others)} before.")
            question = f"The token is of user {account.user_id}. Back it up as that user, too?"
            if not (self.settings.assume_yes or self.environment.ask_yes(question)):
                raise NotConfirmed

    def result(self, facts: dict[str, Any], text: str) -> None:
        """Write the result to stdout: the facts as JSON where that is wanted, else the text."""
        self.progress.clear()
        if self.settings.as_json:
            document = _json(facts, ensure_ascii=False)
            click.echo(document if encodable(document, sys.stdout) == document else _json(facts, ensure_ascii=True))
        else:
            click.echo(encodable(printable_lines(text), sys.stdout))

    def note(self, text: str) -> None:
        """Tell a person something that is not the result."""
        self.progress.clear()
        write_stderr(printable_lines(text))

    def warn_future_dated(self, future_dated: tuple[UUID, ...]) -> None:
        """Warn of entries that a wrong clock stamped: until that day no edit elsewhere is newer by its own clock."""
        if future_dated:
            shown = ", ".join(str(user_id) for user_id in future_dated[:MAX_NAMED_CONTACTS])
            more = (
                f" and {len(future_dated) - MAX_NAMED_CONTACTS} more" if len(future_dated) > MAX_NAMED_CONTACTS else ""
            )
            self.note(f"Warning: edited by a device whose clock is over a day ahead: {shown}{more}.")


def _json(facts: dict[str, Any], *, ensure_ascii: bool) -> str:
    # Programs read JSON, and people pipe it to a terminal: what would move its cursor or show nothing is escaped.
    document = json.dumps(facts, indent=2, ensure_ascii=ensure_ascii)
    return printable_json(document)
