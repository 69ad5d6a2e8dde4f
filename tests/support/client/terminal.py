"""The command in a test, with a simulated terminal, person and server."""

from __future__ import annotations

import base64
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from click.testing import CliRunner, Result

from obscura_backup_client.cli.app import app
from obscura_backup_client.cli.environment import Environment
from obscura_backup_client.cli.exits import NoTerminal
from obscura_backup_client.cli.settings import Settings
from obscura_backup_client.device.state import Account
from obscura_backup_client.transport.bearer_token import user_id_of
from support.client.contents import NOW_MS
from support.client.devices import counting_random
from support.client.server_in_memory import ServerInMemory

USER = UUID("99999999-8888-4777-8666-555555555555")
PASSWORD = "correct horse battery"
HEAVY = {"argon2", "cryptography", "google.protobuf", "h11", "rich", "zxcvbn"}


def token(sub: str = str(USER)) -> str:
    return "e30." + base64.urlsafe_b64encode(json.dumps({"sub": sub}).encode()).decode().rstrip("=") + ".c2ln"


@dataclass
class Person:
    """Types these passwords in turn, and answers every question with `says_yes`."""

    passwords: list[str] = field(default_factory=list)
    says_yes: bool = True
    prompts: list[str] = field(default_factory=list)

    def type_password(self, prompt: str) -> str:
        self.prompts.append(prompt)
        if not self.passwords:
            raise NoTerminal
        return self.passwords.pop(0)

    def answer(self, question: str) -> bool:
        self.prompts.append(question)
        return self.says_yes


@dataclass
class Terminal:
    """Runs commands of one person against one server, on devices that are folders under `home`."""

    home: Path
    person: Person
    server: ServerInMemory
    environment: Environment
    addresses: list[str] = field(default_factory=list)

    def after(self, other: Terminal) -> Terminal:
        """This terminal, whose phone and server go on from those of another one."""
        shutil.copytree(other.home / "phone", self.home / "phone")
        self.server.slot = other.server.slot
        return self

    def run(self, *arguments: str, stdin: bytes = b"", **environment: str | None) -> Result:
        env = {"OBSCURA_STATE": str(self.home / "phone"), "OBSCURA_TOKEN": token(), **environment}
        return CliRunner().invoke(app, arguments, obj=self.environment, input=stdin, env=env)

    def ok(self, *arguments: str, **others: Any) -> str:
        result = self.run(*arguments, **others)
        assert result.exit_code == 0, result.stderr
        return result.stdout

    def facts(self, *arguments: str, **others: Any) -> Any:
        return json.loads(self.ok(*arguments, "--json", **others))


def terminal_in(home: Path, first_random: int = 1) -> Terminal:
    person, server, addresses = Person(), ServerInMemory(), list[str]()

    def connect(address: str, bearer: str, settings: Settings, *_told: Any) -> tuple[ServerInMemory, Account]:
        addresses.append(address)
        return server, Account(address, user_id_of(bearer, settings.user_claim))

    environment = Environment(
        ask_password=person.type_password,
        ask_yes=person.answer,
        connect=connect,
        harden=lambda: None,
        random=counting_random(first_random),
        sleep=lambda _: None,
        now_ms=lambda: NOW_MS,
        load=lambda: 0.0,
    )
    return Terminal(home, person, server, environment, addresses)
