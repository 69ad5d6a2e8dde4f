"""Showing, renaming and searching contacts, and the reference to the profile picture."""

from __future__ import annotations

import base64
from uuid import UUID

import pytest

from obscura_backup_client.cli.exits import ExitCode
from obscura_backup_client.device.directory import StateDirectory
from support.client.contents import ALICE, BOB
from support.client.terminal import Terminal, terminal_in
from support.table import table

KEY = bytes(range(64))


@pytest.fixture(scope="module")
def local_once(created_once: Terminal, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    terminal = terminal_in(tmp_path_factory.mktemp("local")).after(created_once)
    terminal.ok("contact", "add", str(BOB), "Bob Miller", "--identity-key", "4b" * 32)
    terminal.ok("contact", "add", str(ALICE), "alice")
    return terminal


@pytest.fixture
def local(local_once: Terminal, terminal: Terminal) -> Terminal:
    """An identity with Alice and Bob."""
    return terminal.after(local_once)


# --- contacts ---


def test_a_contact_is_shown_with_its_key(local: Terminal) -> None:
    shown = local.ok("contact", "show", str(BOB))
    assert f"User id  {BOB}\nName     Bob Miller\nKey      {'4b' * 32}\n" in shown
    assert local.facts("contact", "show", str(BOB))["identity_key"] == base64.b64encode(b"K" * 32).decode()
    assert "Key      unknown" in local.ok("contact", "show", str(ALICE))


@pytest.mark.parametrize(("word", "name"), [("show", []), ("rename", ["bobby"])])
def test_an_unknown_or_removed_contact_is_neither_shown_nor_renamed(
    local: Terminal, word: str, name: list[str]
) -> None:
    local.ok("contact", "remove", str(BOB))
    for user_id in (BOB, UUID(int=5)):
        result = local.run("contact", word, str(user_id), *name)
        assert (result.exit_code, "[unknown-contact]" in result.stderr) == (ExitCode.NOTHING_THERE, True)
    assert local.facts("contact", "list")["total"] == 1


def test_a_renamed_contact_keeps_its_key(local: Terminal) -> None:
    assert local.ok("contact", "rename", str(BOB), "bobby") == f"{BOB} is now bobby.\n"
    found = local.facts("contact", "show", str(BOB))
    assert (found["username"], base64.b64decode(found["identity_key"])) == ("bobby", b"K" * 32)


def test_renaming_to_the_same_name_writes_nothing(local: Terminal) -> None:
    before = (local.home / "phone" / "state.json").stat().st_ino
    local.ok("contact", "rename", str(ALICE), "alice")
    assert (local.home / "phone" / "state.json").stat().st_ino == before


def test_an_invalid_name_is_refused(local: Terminal) -> None:
    assert local.run("contact", "rename", str(BOB), "").exit_code == ExitCode.REFUSED_INPUT
    assert local.facts("contact", "show", str(BOB))["username"] == "Bob Miller"


@table(
    ("word", "found"),
    [
        ("MILL", ["Bob Miller"]),
        ("b", ["Bob Miller"]),
        ("", ["alice", "Bob Miller"]),
        ("carol", []),
        (str(ALICE).upper()[:9], ["alice"]),
        (str(ALICE)[1:9], []),
    ],
)
def test_a_word_selects_contacts_by_name_or_by_the_start_of_the_user_id(
    local: Terminal, word: str, found: list[str]
) -> None:
    listed = local.facts("contact", "list", word)
    assert ([each["username"] for each in listed["contacts"]], listed["total"]) == (found, len(found))


def test_a_word_is_found_in_any_spelling_of_its_letters(local: Terminal) -> None:
    local.ok("contact", "rename", str(BOB), "Jose\u0301 Stra\u00dfe")
    assert local.facts("contact", "list", "jos\u00e9 strasse")["total"] == 1


def test_pages_join_to_the_whole_list(local: Terminal) -> None:
    rows = "user_id,username\n" + "".join(f"{UUID(int=n)},user{n:02}\n" for n in range(1, 6))
    local.ok("contact", "import", "-", stdin=rows.encode())
    pages = [local.facts("contact", "list", "user", "--limit", "2", "--offset", str(at)) for at in (0, 2, 4)]
    assert [page["next_offset"] for page in pages] == [2, 4, None]
    assert {page["total"] for page in pages} == {5}
    listed = [each["username"] for page in pages for each in page["contacts"]]
    assert listed == [f"user{n:02}" for n in range(1, 6)]


def test_a_page_as_text_says_where_the_next_one_begins(local: Terminal) -> None:
    result = local.run("contact", "list", "--limit", "1")
    assert result.stdout == f"{ALICE}  alice\n"
    assert "1 of 2 contacts. The next page: --offset 1" in result.stderr
    assert "next page" not in local.run("contact", "list", "--limit", "1", "--offset", "1").stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["carol"], "No contact matches."), (["--offset", "9"], "There are only 2 contacts.")],
)
def test_an_empty_page_says_why(local: Terminal, arguments: list[str], says: str) -> None:
    result = local.run("contact", "list", *arguments)
    assert (result.exit_code, result.stdout, result.stderr.strip()) == (0, "", says)


# --- profile ---


@pytest.fixture
def key_file(local: Terminal) -> str:
    path = local.home / "picture-key"
    path.write_text(base64.b64encode(KEY).decode() + "\n")
    return str(path)


def test_a_profile_is_set_and_shown(local: Terminal, key_file: str) -> None:
    facts = local.facts("profile", "set", "attachment-7", "--key-file", key_file)
    assert facts == {"attachment_id": "attachment-7", "decryption_key_bytes": 64}
    found = StateDirectory(local.home / "phone").read().content.profile
    assert found is not None
    assert (found.attachment_id, found.decryption_key) == ("attachment-7", KEY)
    assert "Attachment  attachment-7\nKey         64 bytes\nEdited      2026" in local.ok("profile", "show")


def test_the_key_is_read_from_standard_input_in_hex(local: Terminal) -> None:
    local.ok("profile", "set", "attachment-7", "--key-file", "-", stdin=KEY.hex().encode())
    shown = local.facts("profile", "show", "--with-key")["profile"]
    assert base64.b64decode(shown["decryption_key"]) == KEY


def test_the_key_is_shown_only_on_request(local: Terminal, key_file: str) -> None:
    encoded = base64.b64encode(KEY).decode()
    shown = local.ok("profile", "set", "a", "--key-file", key_file)
    shown += local.ok("profile", "show") + local.ok("profile", "show", "--json")
    assert (encoded in shown, KEY.hex() in shown) == (False, False)
    assert encoded in local.ok("profile", "show", "--with-key")


def test_a_profile_is_cleared_and_the_next_push_has_that_change(local: Terminal, key_file: str) -> None:
    local.ok("profile", "set", "attachment-7", "--key-file", key_file)
    assert local.facts("profile", "clear") == {"cleared": True}
    assert local.facts("profile", "show") == {"profile": None}
    assert "There is no profile picture." in local.run("profile", "show").stderr
    found = StateDirectory(local.home / "phone").read().content.profile
    assert found is not None
    assert (found.attachment_id, found.decryption_key) == ("", b"")


def test_clearing_no_profile_writes_nothing(local: Terminal) -> None:
    before = (local.home / "phone" / "state.json").stat().st_ino
    assert local.facts("profile", "clear") == {"cleared": False}
    assert (local.home / "phone" / "state.json").stat().st_ino == before


@table("line", ["", "not a key", "4b4b", "4b" * 15 + "4"])
def test_a_file_without_a_key_is_refused_and_not_quoted(local: Terminal, line: str) -> None:
    result = local.run("profile", "set", "attachment-7", "--key-file", "-", stdin=line.encode())
    assert (result.exit_code, "standard input cannot be read" in result.stderr) == (ExitCode.USAGE, True)
    assert not line or line not in result.stderr
    assert local.facts("profile", "show") == {"profile": None}


def test_an_empty_attachment_id_is_a_usage_error(local: Terminal, key_file: str) -> None:
    result = local.run("profile", "set", "", "--key-file", key_file)
    assert (result.exit_code, "profile clear" in result.stderr) == (ExitCode.USAGE, True)


def test_a_key_or_id_that_does_not_fit_is_refused(local: Terminal, key_file: str) -> None:
    assert local.run("profile", "set", "x" * 257, "--key-file", key_file).exit_code == ExitCode.REFUSED_INPUT
    long_key = local.run("profile", "set", "x", "--key-file", "-", stdin=b"4b" * 129)
    assert long_key.exit_code == ExitCode.REFUSED_INPUT
    assert local.facts("profile", "show") == {"profile": None}
