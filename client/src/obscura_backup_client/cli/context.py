"""What every command shares: settings, the client, prompts and output."""

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
from obscura_backup_client.cli.terminal.wording import contact_change_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from obscura_backup_client.client import BackupClient
    from obscura_backup_client.operations.keys import Purpose
    from obscura_backup_client.operations.results import Changes
    from obscura_backup_client.sealing.kdf_parameters import KdfParameters

MAX_NAMED_CONTACTS = 3
"""The most contacts that one warning names."""

_META = "obscura_backup_client.run"


@dataclass(frozen=True)
class CommandContext:
    """The context of one command: its settings, its environment and its progress line."""

    settings: Settings
    environment: Environment
    progress: ProgressLine

    @classmethod
    def of(cls, context: click.Context) -> CommandContext:
        """The one that a click context and its children share. Tests pass their `Environment` as the object."""
        environment = context.find_object(Environment) or Environment()
        # Shared, so that every way to end a command also ends its progress line and shows the cursor again.
        command: CommandContext = context.meta.setdefault(
            _META, cls(Settings(context), environment, ProgressLine(environment.shows_progress()))
        )
        return command

    def local(self) -> BackupClient:
        """The client without a server."""
        from obscura_backup_client.client import BackupClient
        from obscura_backup_client.device.directory import StateDirectory

        directory = StateDirectory(self.settings.state)
        if directory.is_writable_by_others():
            self.note(f"Warning: other users of this machine can write to {directory.path} and replace your state.")
        elif directory.is_owned_by_another_user():
            self.note(f"Warning: the state in {directory.path} belongs to another user. Is this identity yours?")
        return BackupClient(
            directory,
            random=self.environment.random,
            now_ms=self.environment.now_ms,
            sleep=self.environment.sleep,
            jitter=self.environment.jitter,
            on_step=self.progress.on_step,
        )

    def connected(self) -> BackupClient:
        """The client with a server. Without a token it is the local one, whose network calls report the missing token.

        Raises:
            TokenUnusable, ServerRefused, UnreadableFile: the token or the address cannot be used.
        """
        return self.with_server(self.local())

    def with_server(self, client: BackupClient) -> BackupClient:
        """The same client with a server. Raises as `connected`."""
        token = self.settings.token
        if token is None:
            return client
        progress = self.progress
        transport, account = self.environment.connect(
            self.settings.server, token, self.settings, progress.on_bytes, progress.on_wait
        )
        if self.settings.verbose:
            from obscura_backup_client.cli.terminal.verbose import VerboseTransport

            self.note(f"Server: {account.server}, user {account.user_id}.")
            transport = VerboseTransport(transport, self.note)
        typed = self.settings.password_file is None
        return replace(client, transport=transport, account=account, password_is_typed=typed)

    def secret(self, *, accept_weak: bool = False, changes: bool = False) -> Callable[[Purpose], str]:
        """A function that returns the password when it is needed; `changes` is whether it is about to change."""

        def give(purpose: Purpose) -> str:
            self.progress.clear()
            return password(
                self.environment, purpose, self.settings.password_file, accept_weak=accept_weak, changes=changes
            )

        return give

    def read_password(self) -> str | None:
        """The current password from its file, read now, before the new one is read from there; None without a file."""
        from obscura_backup_client.operations.keys import Purpose

        return None if self.settings.password_file is None else self.secret()(Purpose.OPEN)

    def confirm_memory(self, parameters: KdfParameters) -> bool:
        """Ask before a key derivation that needs much memory. Without a terminal the answer is no."""
        self.progress.clear()
        try:
            return self.environment.ask_yes(
                f"Opening this backup needs {parameters.memory_kib // 1024} MiB of memory. Continue?"
            )
        except ConfirmationUnavailable:
            return False

    def confirm_account(self, client: BackupClient) -> None:
        """Ask before one user's state is backed up as another user: tokens are easily mixed up.

        Raises:
            NotConfirmed: the answer is no.
            ConfirmationUnavailable: there is no terminal, and no --yes.
        """
        from obscura_backup_client.operations.errors import NotConfirmed

        state, account = client.directory.read_or_none(), client.account
        if state is None or account is None or account in state.last_seen:
            return
        others = [str(each.user_id) for each in state.last_seen if each.server == account.server]
        if others:
            self.note(f"This device was backed up at {account.server} as user {', '.join(others)}.")
            question = f"The token belongs to user {account.user_id}. Back up this device as that user too?"
            if not (self.settings.assume_yes or self.environment.ask_yes(question)):
                raise NotConfirmed

    def result(self, facts: dict[str, Any], text: str) -> None:
        """Write the result to stdout: the facts as JSON with --json, else the text."""
        self.progress.clear()
        if self.settings.as_json:
            document = _json(facts, ensure_ascii=False)
            click.echo(document if encodable(document, sys.stdout) == document else _json(facts, ensure_ascii=True))
        else:
            click.echo(encodable(printable_lines(text), sys.stdout))

    def note(self, text: str) -> None:
        """Write a message that is not the result to stderr."""
        self.progress.clear()
        write_stderr(printable_lines(text))

    def name_changes(self, changes: Changes, heading: str) -> None:
        """With --verbose, write each changed contact to stderr, under a heading."""
        if self.settings.verbose and changes.contacts:
            self.note("\n".join([f"{heading}:", *(f"  {contact_change_text(each)}" for each in changes.contacts)]))

    def warn_future_dated(self, future_dated: tuple[UUID, ...]) -> None:
        """Warn of entries edited in the future by a wrong clock: until then they win over edits on other devices."""
        if future_dated:
            shown = ", ".join(str(user_id) for user_id in future_dated[:MAX_NAMED_CONTACTS])
            more = (
                f" and {len(future_dated) - MAX_NAMED_CONTACTS} more" if len(future_dated) > MAX_NAMED_CONTACTS else ""
            )
            self.note(f"Warning: edited by a device whose clock is more than a day ahead: {shown}{more}.")


def _json(facts: dict[str, Any], *, ensure_ascii: bool) -> str:
    # JSON is also shown on terminals, so invisible characters and control characters are escaped.
    document = json.dumps(facts, indent=2, ensure_ascii=ensure_ascii)
    return printable_json(document)
