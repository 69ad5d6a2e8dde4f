from __future__ import annotations

from pathlib import Path

import pytest

from obscura_backup_client.sealing import sealed
from support.client.cheap_kdf import cheap_argon2id
from support.client.contents import ALICE
from support.client.terminal import PASSWORD, Terminal, terminal_in


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return terminal_in(tmp_path)


@pytest.fixture
def password_file(tmp_path: Path) -> str:
    path = tmp_path / "password"
    path.write_text(PASSWORD + "\n")
    return str(path)


@pytest.fixture(scope="session")
def created_once(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """The state before `created`."""
    # Other random bytes than those of the commands that go on from here.
    terminal = terminal_in(tmp_path_factory.mktemp("created"), first_random=1_000_000)
    terminal.ok("new", "--device-name", "phone")
    return terminal


@pytest.fixture(scope="session")
def pushed_once(created_once: Terminal, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """The state before `pushed`, made once and sealed with a key of `cheap_kdf`."""
    terminal = terminal_in(tmp_path_factory.mktemp("pushed"), first_random=2_000_000).after(created_once)
    terminal.person.passwords = [PASSWORD, PASSWORD]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sealed, "argon2id", cheap_argon2id)
        terminal.ok("contact", "add", str(ALICE), "alice")
        terminal.ok("push", "--profile", "low-memory")
    return terminal


@pytest.fixture
def created(created_once: Terminal, terminal: Terminal) -> Terminal:
    """A new identity without contacts."""
    return terminal.after(created_once)


@pytest.fixture
def pushed(pushed_once: Terminal, terminal: Terminal, cheap_kdf: None) -> Terminal:
    """An identity with Alice, pushed with the password."""
    return terminal.after(pushed_once)
