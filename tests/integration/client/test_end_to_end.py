"""End to end: two phones, one password, both commands, and a service that may be killed."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner

from obscura_backup_client.cli.app import app
from obscura_backup_client.cli.environment import Environment
from support.servers.service import Person, Service

COMMAND = Path(sys.executable).parent / "obscura-client"
PASSWORD = "correct horse battery"


@dataclass
class Phone:
    """One state directory, used only by the command."""

    service: Service
    folder: Path
    name: str
    token_file: Path
    password_file: Path
    in_processes: bool = False

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command, in a process of its own only where asked: starting one takes longer than most commands."""
        named = ["--state", str(self.folder / self.name), "--server", f"http://127.0.0.1:{self.service.port}"]
        files = ["--token-file", str(self.token_file), "--password-file", str(self.password_file)]
        others = [name for name in os.environ if name.startswith("OBSCURA_")]
        if not self.in_processes:
            environment = Environment(harden=lambda: None)
            ended = CliRunner().invoke(
                app, [*arguments, *named, *files], obj=environment, env=dict.fromkeys(others), input=b""
            )
            return subprocess.CompletedProcess(arguments, ended.exit_code, ended.stdout, ended.stderr)
        return subprocess.run(
            [str(COMMAND), *arguments, *named, *files],
            env={name: value for name, value in os.environ.items() if name not in others},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def does(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def push(self) -> str:
        return self.does("push", "--profile", "low-memory")

    def contacts(self) -> dict[UUID, str]:
        listed: dict[str, Any] = json.loads(self.does("contact", "list", "--json"))
        return {UUID(contact["user_id"]): contact["username"] for contact in listed["contacts"]}

    def status(self) -> Any:
        return json.loads(self.does("status", "--json"))


@dataclass
class Household:
    """One account: a token, a password, and phones."""

    service: Service
    folder: Path
    user_id: UUID

    def __post_init__(self) -> None:
        self.token_file = self.folder / "token"
        self.token_file.write_text(self.service.token(self.user_id) + "\n")
        self.password_file = self.folder / "password"
        self.password_file.write_text(PASSWORD + "\n")

    def phone(self, name: str, *, in_processes: bool = False) -> Phone:
        return Phone(self.service, self.folder, name, self.token_file, self.password_file, in_processes)


@pytest.fixture
def household(service: Service, tmp_path: Path) -> Household:
    return Household(service, tmp_path, uuid4())


def test_five_hundred_contacts_are_restored_with_password_and_token(household: Household) -> None:
    friends = {uuid4(): f"friend {number}" for number in range(500)}
    with (household.folder / "friends.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["username", "user_id"])
        writer.writerows((name, user_id) for user_id, name in friends.items())
    old = household.phone("old", in_processes=True)
    old.does("new")
    old.does("contact", "import", str(household.folder / "friends.csv"))
    old.push()
    identity = old.status()["identity_public_key"]
    for path in (household.folder / "old").iterdir():
        path.unlink()
    (household.folder / "old").rmdir()

    new = household.phone("new", in_processes=True)
    new.does("restore", "--yes")
    assert new.contacts() == friends
    status = new.status()
    assert status["identity_public_key"] == identity
    assert status["contacts"] == 500
    assert status["remote"]["state"] == "same"


def test_phones_that_edited_separately_merge_both_edits(household: Household) -> None:
    one, other = household.phone("one"), household.phone("other")
    one.does("new")
    one.push()
    other.does("restore", "--yes")
    alice, bob, carol = uuid4(), uuid4(), uuid4()
    one.does("contact", "add", str(alice), "alice")
    one.does("contact", "add", str(bob), "bob")
    other.does("contact", "add", str(carol), "carol")
    one.push()
    other.push()
    one.push()
    assert one.contacts() == other.contacts() == {alice: "alice", bob: "bob", carol: "carol"}
    other.does("contact", "remove", str(bob))
    other.push()
    one.does("contact", "add", str(carol), "caroline")
    one.push()
    other.push()
    assert one.contacts() == other.contacts() == {alice: "alice", carol: "caroline"}


def test_a_push_without_changes_uploads_nothing(household: Household) -> None:
    phone = household.phone("phone")
    phone.does("new")
    phone.push()
    phone.push()
    assert phone.status()["remote"]["version"] == 1


def test_a_mistyped_password_changes_nothing(household: Household) -> None:
    phone = household.phone("phone")
    phone.does("new")
    phone.push()
    before = Person.of(household.service)
    before.token = household.token_file.read_text().strip()
    sealed = before.download().body
    phone.does("contact", "add", str(uuid4()), "alice")
    household.password_file.write_text("correct horse batter\n")
    assert phone.run("push").returncode == 3
    assert household.phone("new").run("restore", "--yes").returncode == 3
    assert before.download().body == sealed


def test_the_service_sees_no_content_of_a_backup(household: Household) -> None:
    phone = household.phone("phone")
    phone.does("new")
    phone.does("contact", "add", str(uuid4()), "a-very-recognisable-name")
    phone.push()
    key = bytes.fromhex(phone.status()["identity_public_key"])
    for path in household.service.data_dir.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"a-very-recognisable-name" not in content
            assert key not in content


def test_an_older_backup_causes_an_alarm(household: Household) -> None:
    """The server is restored from an older copy, which brings back a removed contact."""
    phone = household.phone("phone")
    phone.does("new")
    phone.push()
    person = Person(household.service, household.user_id, household.token_file.read_text().strip())
    older = person.download().body
    phone.does("contact", "add", str(uuid4()), "alice")
    phone.push()
    assert person.upload(older, if_match="2").status == 200
    phone.does("contact", "add", str(uuid4()), "bob")
    result = phone.run("push")
    assert result.returncode == 5
    assert "Traceback" not in result.stderr
    assert person.download().body == older


def test_a_deleted_backup_is_missing_until_the_next_push(household: Household) -> None:
    """Resolves two identities: the phone that deleted the backup continues, and the other one gets an error."""
    phone, other = household.phone("phone"), household.phone("other")
    phone.does("new")
    phone.push()
    other.does("new")
    assert other.run("push").returncode == 5
    other.does("delete", "--yes")
    assert phone.run("push").returncode == 5
    assert household.phone("third").run("restore", "--yes").returncode == 10
    other.push()
    third = household.phone("third")
    third.does("restore", "--yes")
    assert third.status()["identity_public_key"] == other.status()["identity_public_key"]


def test_a_push_succeeds_although_the_service_is_killed_repeatedly(tmp_path: Path) -> None:
    service = Service(tmp_path / "data")
    service.start()
    household = Household(service, tmp_path, uuid4())
    phone = household.phone("phone")
    phone.does("new")
    for number in range(4):
        phone.does("contact", "add", str(UUID(int=number)), f"friend {number}")
        service.kill()
        service.start()
        phone.push()
    new = household.phone("new")
    new.does("restore", "--yes")
    assert len(new.contacts()) == 4
    service.kill()
