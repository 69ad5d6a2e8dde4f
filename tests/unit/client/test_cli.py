from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from client_testing.contents import ALICE, BOB, NOW_MS, contact
from client_testing.server_in_memory import ServerInMemory
from obscura_backup_client import errors, state_errors, transport_errors
from obscura_backup_client.cli.app import COMMANDS, app
from obscura_backup_client.cli.exits import Exit, NoTerminal, exit_code
from obscura_backup_client.cli.world import World
from obscura_backup_client.errors import ClientError
from obscura_backup_client.parameters import KdfParameters
from obscura_backup_client.payload import decode, encode
from obscura_backup_client.sealed import Header, open_sealed, seal
from obscura_backup_client.state import Account
from obscura_backup_client.state_directory import StateDirectory
from obscura_backup_client.sync import BackupClient
from obscura_backup_client.token import user_id_of

if TYPE_CHECKING:
    from pathlib import Path

    from obscura_backup_client.cli.settings import Settings

USER = UUID("99999999-8888-4777-8666-555555555555")
PASSWORD = "correct horse battery"
HEAVY = {"argon2", "cryptography", "google.protobuf", "urllib3", "rich", "zxcvbn"}


def token(sub: str = str(USER)) -> str:
    return "e30." + base64.urlsafe_b64encode(json.dumps({"sub": sub}).encode()).decode().rstrip("=") + ".c2ln"


@dataclass
class Person:
    """At the keyboard: types these passwords in turn, and answers every question with `says_yes`."""

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
    world: World
    addresses: list[str] = field(default_factory=list)

    def run(self, *arguments: str, stdin: bytes = b"", **environment: str | None) -> Result:
        env = {"OBSCURA_STATE": str(self.home / "phone"), "OBSCURA_TOKEN": token(), **environment}
        return CliRunner().invoke(app, arguments, obj=self.world, input=stdin, env=env)

    def ok(self, *arguments: str, **others: Any) -> str:
        result = self.run(*arguments, **others)
        assert result.exit_code == 0, result.stderr
        return result.stdout

    def facts(self, *arguments: str, **others: Any) -> Any:
        return json.loads(self.ok(*arguments, "--json", **others))


def terminal_in(home: Path) -> Terminal:
    person, server, addresses = Person(), ServerInMemory(), list[str]()

    def connect(address: str, bearer: str, settings: Settings, on_bytes: Any) -> tuple[ServerInMemory, Account]:
        addresses.append(address)
        return server, Account(address, user_id_of(bearer))

    world = World(
        ask_password=person.type_password,
        ask_yes=person.answer,
        connect=connect,
        harden=lambda: None,
        sleep=lambda _: None,
        now_ms=lambda: NOW_MS,
    )
    return Terminal(home, person, server, world, addresses)


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return terminal_in(tmp_path)


@pytest.fixture
def password_file(tmp_path: Path) -> str:
    path = tmp_path / "password"
    path.write_text(PASSWORD + "\n")
    return str(path)


@pytest.fixture(scope="session")
def pushed_once(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """What `pushed` starts from: a key takes long to derive, and most of what follows does not depend on it."""
    terminal = terminal_in(tmp_path_factory.mktemp("pushed"))
    terminal.person.passwords = [PASSWORD, PASSWORD]
    terminal.ok("new", "--device-name", "phone")
    terminal.ok("contact", "add", str(ALICE), "alice")
    terminal.ok("push", "--profile", "low-memory")
    return terminal


@pytest.fixture
def pushed(pushed_once: Terminal, terminal: Terminal) -> Terminal:
    """An identity with Alice, pushed by the password."""
    shutil.copytree(pushed_once.home / "phone", terminal.home / "phone")
    terminal.server.slot = pushed_once.server.slot
    return terminal


# --- starting up ---


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nsys.argv = ['obscura-client', '--help']\nfrom obscura_backup_client.cli import main\n"
        "assert main() == 0\nprint(*sys.modules, file=sys.stderr)"
    )
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr.split()
    )
    assert "click" in loaded
    assert loaded & HEAVY == set()


def test_importing_the_package_loads_nothing_at_all() -> None:
    code = (
        "import sys, obscura_backup_client\nprint(*(n for n in sys.modules if n.startswith('obscura_backup_client')))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.split() == ["obscura_backup_client"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(terminal: Terminal, command: str) -> None:
    assert "--state DIR" in terminal.ok(command, "--help")


def test_help_lists_every_exit_code(terminal: Terminal) -> None:
    shown = terminal.ok("--help")
    assert all(f"\n    {code.value} " in shown for code in Exit)


def test_an_unknown_command_is_a_usage_error(terminal: Terminal) -> None:
    assert terminal.run("destroy").exit_code == Exit.USAGE


def test_a_run_leaves_no_core_dump_and_cannot_be_read_by_others() -> None:
    code = (
        "import ctypes, resource, sys\nfrom obscura_backup_client.cli.hardening import harden\nharden()\n"
        "dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) if sys.platform == 'linux' else 0\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE), dumpable)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown == "(0, 0) 0\n"


# --- new and contacts ---


def test_new_needs_only_a_state_directory(terminal: Terminal) -> None:
    facts = terminal.facts("new", "--state", str(terminal.home / "x"), OBSCURA_TOKEN=None, OBSCURA_STATE=None)
    assert len(bytes.fromhex(facts["identity_public_key"])) == 32
    assert (terminal.home / "x" / "state.json").stat().st_mode & 0o777 == 0o600


def test_new_refuses_a_device_name_that_could_never_be_pushed(terminal: Terminal) -> None:
    assert terminal.run("new", "--device-name", "x" * 300).exit_code == Exit.REFUSED_INPUT
    assert not (terminal.home / "phone").exists()


def test_new_never_overwrites(terminal: Terminal) -> None:
    terminal.ok("new")
    before = (terminal.home / "phone" / "state.json").read_bytes()
    assert terminal.run("new").exit_code == Exit.STATE
    assert (terminal.home / "phone" / "state.json").read_bytes() == before


def test_no_output_shows_the_private_key(terminal: Terminal) -> None:
    shown = terminal.ok("new", "--json") + terminal.ok("status", "--json")
    identity = StateDirectory(terminal.home / "phone").read().content.identity
    assert identity.private_key.hex() not in shown
    assert base64.b64encode(identity.private_key).decode() not in shown


def test_contacts_are_added_listed_and_removed(terminal: Terminal) -> None:
    terminal.ok("new")
    terminal.ok("contact", "add", str(BOB), "bob", "--identity-key", "4b" * 32)
    terminal.ok("contact", "add", str(ALICE), "alice")
    terminal.ok("contact", "remove", str(ALICE))
    listed = terminal.facts("contact", "list")["contacts"]
    assert [(each["user_id"], each["username"]) for each in listed] == [(str(BOB), "bob")]
    assert base64.b64decode(listed[0]["identity_key"]) == b"K" * 32


def test_a_contact_who_names_themself_with_escape_codes_is_shown_without(terminal: Terminal) -> None:
    terminal.ok("new")
    with StateDirectory(terminal.home / "phone").locked() as held:
        state = held.require()
        # As another client may have backed it up.
        named = contact(username="\x1b[2Jalice\x9b2J\n\u202eecila")
        held.write(replace(state, content=replace(state.content, contacts=(named,))))
    shown = terminal.ok("contact", "list") + terminal.ok("contact", "list", "--json")
    assert [each for each in shown if each in "\x1b\x9b\u202e"] == []
    assert terminal.facts("contact", "list")["contacts"][0]["username"] == named.username


@pytest.mark.parametrize("user_id", ["alice", "{00112233-4455-6677-8899-aabbccddeeff}", "00112233"])
def test_a_contact_needs_a_uuid(terminal: Terminal, user_id: str) -> None:
    terminal.ok("new")
    assert terminal.run("contact", "add", user_id, "alice").exit_code == Exit.USAGE


@pytest.mark.parametrize("key", ["4b" * 31 + "4", "é", "4b", "S0tL"])
def test_a_key_that_may_have_been_cut_off_is_not_stored(terminal: Terminal, key: str) -> None:
    terminal.ok("new")
    assert terminal.run("contact", "add", str(BOB), "bob", "--identity-key", key).exit_code == Exit.USAGE
    assert terminal.facts("contact", "list") == {"contacts": []}


def test_a_name_with_control_characters_is_refused_and_not_echoed(terminal: Terminal) -> None:
    terminal.ok("new")
    result = terminal.run("contact", "add", str(BOB), "\x1b[2Jbob")
    assert (result.exit_code, "\x1b" in result.output) == (Exit.REFUSED_INPUT, False)


def test_removing_nobody_says_so(terminal: Terminal) -> None:
    terminal.ok("new")
    assert terminal.run("contact", "remove", str(ALICE)).exit_code == Exit.NOTHING_THERE


def test_five_hundred_contacts_are_imported_at_once(terminal: Terminal) -> None:
    terminal.ok("new")
    rows = "user_id,username\n" + "".join(f"{UUID(int=n)},user{n}\n" for n in range(1, 501))
    started = time.process_time()
    assert terminal.facts("contact", "import", "-", stdin=rows.encode()) == {"added": 500, "changed": 0, "unchanged": 0}
    assert time.process_time() - started < 5


def test_a_contact_file_with_an_error_changes_nothing(terminal: Terminal) -> None:
    terminal.ok("new")
    rows = f"user_id,username\n{ALICE},alice\nnobody,bob\n"
    assert terminal.run("contact", "import", "-", stdin=rows.encode()).exit_code == Exit.REFUSED_INPUT
    assert terminal.facts("contact", "list") == {"contacts": []}


def test_a_contact_file_that_is_not_there_is_a_usage_error(terminal: Terminal) -> None:
    terminal.ok("new")
    assert terminal.run("contact", "import", "/nowhere/contacts.csv").exit_code == Exit.USAGE


# --- options ---


def test_global_options_stand_before_and_after_the_command(terminal: Terminal) -> None:
    here, there = str(terminal.home / "here"), str(terminal.home / "there")
    assert terminal.facts("--state", here, "new")["state"] == here
    assert terminal.facts("new", "--state", there)["state"] == there
    assert json.loads(terminal.ok("--json", "contact", "--state", here, "list")) == {"contacts": []}


def test_the_command_line_beats_the_environment_wherever_it_stands(terminal: Terminal) -> None:
    here = str(terminal.home / "here")
    assert terminal.facts("--state", here, "new", OBSCURA_STATE=str(terminal.home / "env"))["state"] == here


def test_the_default_state_is_in_the_users_data(terminal: Terminal) -> None:
    facts = terminal.facts("new", OBSCURA_STATE=None, XDG_DATA_HOME=str(terminal.home))
    assert facts["state"] == str(terminal.home / "obscura-client")


def test_the_server_is_an_option(terminal: Terminal) -> None:
    terminal.ok("new")
    terminal.ok("status", "--server", "https://backup.example")
    terminal.ok("status")
    assert terminal.addresses == ["https://backup.example", "http://127.0.0.1:8400"]


def test_a_token_file_goes_before_the_environments_token(terminal: Terminal) -> None:
    terminal.ok("new")
    (terminal.home / "token").write_text(token(str(ALICE)) + "\n")
    facts = terminal.facts("status", "--token-file", str(terminal.home / "token"))
    assert facts["account"]["user_id"] == str(ALICE)


# --- push, restore, status ---


def test_a_new_device_restores_with_a_password_and_a_token(pushed: Terminal, password_file: str) -> None:
    laptop = ["--state", str(pushed.home / "laptop")]
    facts = pushed.facts("restore", *laptop, "--password-file", password_file, "--yes")
    assert (facts["contacts"], facts["sealed_on"], facts["new_device"]) == (1, "phone", True)
    assert [each["username"] for each in pushed.facts("contact", "list", *laptop)["contacts"]] == ["alice"]


def test_a_restore_shows_what_it_found_and_asks(pushed: Terminal, password_file: str) -> None:
    pushed.person.says_yes = False
    result = pushed.run("restore", "--state", str(pushed.home / "laptop"), "--password-file", password_file)
    assert result.exit_code == Exit.DECIDE
    assert "phone" in result.stderr
    assert "2026-09-21T14:13:20Z" in result.stderr
    assert result.stdout == ""
    assert not (pushed.home / "laptop" / "state.json").exists()


def test_a_restore_renames_the_device_only_when_asked(pushed: Terminal, password_file: str) -> None:
    pushed.ok("restore", "--password-file", password_file, "--yes")
    assert pushed.facts("status")["device_name"] == "phone"
    pushed.ok("restore", "--password-file", password_file, "--yes", "--device-name", "old phone")
    assert pushed.facts("status")["device_name"] == "old phone"


def test_names_from_a_backup_do_not_move_the_cursor(pushed: Terminal, password_file: str) -> None:
    opened = open_sealed(pushed.server.slot.blob or b"", PASSWORD, USER)
    named = replace(decode(opened.payload), device_name="\x1b[2J\r\n")
    pushed.server.slot = replace(pushed.server.slot, blob=seal(encode(named), opened.key, USER))
    laptop = ["--state", str(pushed.home / "laptop")]
    restored = pushed.run("restore", *laptop, "--password-file", password_file, "--yes")
    shown = restored.output + pushed.ok("status", *laptop)
    assert restored.exit_code == 0
    assert [each for each in shown if each in "\x1b\r"] == []


def test_an_edit_from_a_second_device_is_merged_by_the_firsts_push(pushed: Terminal, password_file: str) -> None:
    laptop = ["--state", str(pushed.home / "laptop")]
    pushed.ok("restore", *laptop, "--password-file", password_file, "--yes")
    pushed.ok("contact", "add", str(BOB), "bob", *laptop)
    pushed.ok("push", *laptop, "--password-file", password_file)
    pushed.ok("contact", "remove", str(ALICE))
    facts = pushed.facts("push", "--password-file", password_file)
    assert (facts["uploaded"], facts["version"], facts["merged"]) == (True, 3, True)
    assert [each["username"] for each in pushed.facts("contact", "list")["contacts"]] == ["bob"]


def test_the_first_push_asks_for_the_password_twice_and_shows_its_strength(terminal: Terminal) -> None:
    terminal.ok("new")
    terminal.person.passwords = ["short", PASSWORD, PASSWORD]
    result = terminal.run("push", "--profile", "low-memory")
    assert result.exit_code == 0
    assert "at least 13" in result.stderr
    assert "Strength: " in result.stderr


def test_a_new_password_that_is_typed_differently_each_time_is_not_set(terminal: Terminal) -> None:
    terminal.ok("new")
    terminal.person.passwords = [PASSWORD, "correct horse batteri"] * 3
    assert terminal.run("push").exit_code == Exit.PASSWORD
    assert terminal.server.pushed == []


def test_a_later_push_asks_once(pushed: Terminal) -> None:
    pushed.ok("contact", "add", str(BOB), "bob")
    pushed.person.passwords = [PASSWORD]
    pushed.ok("push")
    assert pushed.person.prompts == ["Backup password: "]


def test_a_push_without_changes_asks_for_nothing(pushed: Terminal) -> None:
    assert not pushed.facts("push")["uploaded"]
    assert pushed.person.prompts == []


def test_a_wrong_password_changes_nothing(pushed: Terminal) -> None:
    pushed.ok("contact", "add", str(BOB), "bob")
    result = pushed.run("push", "--password-file", "-", stdin=b"not the password\n")
    assert (result.exit_code, pushed.server.slot.version) == (Exit.PASSWORD, 1)


def test_the_password_file_is_its_first_line(pushed: Terminal) -> None:
    pushed.ok("contact", "add", str(BOB), "bob")
    pushed.ok("push", "--password-file", "-", stdin=b"\xef\xbb\xbf" + PASSWORD.encode() + b"\r\nsomething else\n")


def test_a_password_without_a_terminal_or_a_file_is_not_waited_for(terminal: Terminal) -> None:
    terminal.ok("new")
    assert terminal.run("push").exit_code == Exit.PASSWORD


def test_a_rollback_stops_until_it_is_accepted(pushed: Terminal, password_file: str) -> None:
    pushed.server.delete(1)
    result = pushed.run("push", "--password-file", password_file)
    assert (result.exit_code, "[rollback-suspected]" in result.stderr) == (Exit.DECIDE, True)
    pushed.ok("push", "--password-file", password_file, "--accept-rollback", "--profile", "low-memory")


def test_the_status_needs_neither_password_nor_token(pushed: Terminal) -> None:
    assert pushed.facts("status")["remote"]["state"] == "same"
    assert pushed.facts("status", OBSCURA_TOKEN=None)["remote"]["state"] == "not-asked"
    assert "phone" in pushed.ok("status")


def test_a_deletion_shows_what_is_there_and_asks(pushed: Terminal) -> None:
    pushed.person.says_yes = False
    result = pushed.run("delete")
    assert result.exit_code == Exit.DECIDE
    assert "version 1" in result.stderr
    assert "stay on this device" in result.stderr
    assert pushed.server.slot.blob is not None


def test_a_deletion_leaves_this_device_as_it_is(pushed: Terminal) -> None:
    assert pushed.facts("delete", "--yes") == {"deleted": True, "version": 1}
    assert pushed.person.prompts == []
    assert pushed.server.slot.blob is None
    assert [each["username"] for each in pushed.facts("contact", "list")["contacts"]] == ["alice"]


def test_after_a_deletion_a_push_sets_a_password_anew(pushed: Terminal) -> None:
    pushed.ok("delete", "--yes")
    pushed.person.passwords = [PASSWORD, PASSWORD]
    assert pushed.facts("push", "--profile", "low-memory")["uploaded"]


def test_deleting_without_an_identity_here_warns(pushed: Terminal) -> None:
    result = pushed.run("delete", "--state", str(pushed.home / "empty"), "--yes")
    assert (result.exit_code, "NO IDENTITY" in result.stderr) == (0, True)


def test_deleting_nothing_says_so(terminal: Terminal) -> None:
    assert terminal.run("delete", "--yes").exit_code == Exit.NOTHING_THERE


def test_a_lost_backup_is_called_lost_by_a_restore_that_accepts_it(pushed: Terminal) -> None:
    pushed.server.lost = True
    result = pushed.run("restore", "--accept-rollback", "--yes")
    assert (result.exit_code, "[backup-lost]" in result.stderr) == (Exit.DECIDE, True)


@pytest.mark.parametrize("command", ["push", "restore", "delete"])
def test_without_a_token_there_is_nothing_to_talk_about(terminal: Terminal, command: str) -> None:
    terminal.ok("new")
    assert terminal.run(command, OBSCURA_TOKEN=None).exit_code == Exit.TOKEN


@pytest.mark.parametrize("bad", ["opaque", token("alice")])
def test_a_token_without_a_user_is_refused(terminal: Terminal, bad: str) -> None:
    terminal.ok("new")
    result = terminal.run("status", OBSCURA_TOKEN=bad)
    assert result.exit_code == Exit.TOKEN
    assert bad not in result.stderr


def test_a_question_without_a_terminal_says_how_to_answer_it() -> None:
    code = "from obscura_backup_client.cli.world import ask_yes\nask_yes('?')"
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, start_new_session=True)
    assert "NobodyToAsk" in ended.stderr
    assert "--yes" in ended.stderr


def test_an_unusual_amount_of_memory_is_asked_for(terminal: Terminal) -> None:
    terminal.person.passwords, terminal.person.says_yes = [PASSWORD], False
    hungry = Header(KdfParameters(memory_kib=300 * 1024, passes=3, lanes=1), b"s" * 16, b"n" * 12, b"c" * 32)
    terminal.server.push(hungry.encoded + bytes(64), 0)
    assert terminal.run("restore").exit_code == Exit.UNREADABLE
    assert "300 MiB" in terminal.person.prompts[-1]


def test_restoring_nothing_says_so(terminal: Terminal) -> None:
    assert terminal.run("restore").exit_code == Exit.NOTHING_THERE


def test_anything_before_new_or_restore_says_what_to_do(terminal: Terminal) -> None:
    result = terminal.run("contact", "list")
    assert result.exit_code == Exit.STATE
    assert "restore" in result.stderr


# --- failing ---


def breaking(terminal: Terminal, error: BaseException) -> Terminal:
    def connect(*_arguments: Any) -> Any:
        raise error

    return replace(terminal, world=replace(terminal.world, connect=connect))


def test_a_bug_is_one_line_and_not_a_traceback(terminal: Terminal) -> None:
    result = breaking(terminal, ZeroDivisionError("secret detail")).run("status")
    assert result.exit_code == Exit.UNEXPECTED
    assert "ZeroDivisionError" in result.stderr
    assert "secret detail" not in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_bug_shows_its_traceback_to_who_asks_for_it(terminal: Terminal) -> None:
    result = breaking(terminal, ZeroDivisionError()).run("status", OBSCURA_DEBUG="1")
    assert isinstance(result.exception, ZeroDivisionError)


def test_an_interruption_has_its_usual_code(terminal: Terminal) -> None:
    assert breaking(terminal, KeyboardInterrupt()).run("status").exit_code == 130


def all_errors(root: type[ClientError]) -> list[type[ClientError]]:
    return [each for kind in root.__subclasses__() for each in (kind, *all_errors(kind))]


def test_every_error_has_an_exit_code_and_a_code_of_its_own() -> None:
    modules = {errors.__name__, state_errors.__name__, transport_errors.__name__}
    public = [each for each in all_errors(ClientError) if each.__module__ in modules]
    codes = [each.code for each in public]
    assert len(codes) == len(set(codes))
    unmapped = [each.__name__ for each in public if exit_code(each.__new__(each)) is Exit.UNEXPECTED]
    assert unmapped == []


def test_the_command_and_the_api_share_a_state(pushed: Terminal) -> None:
    assert [each.username for each in BackupClient.open(pushed.home / "phone").contacts()] == ["alice"]
