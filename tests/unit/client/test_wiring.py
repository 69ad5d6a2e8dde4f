"""Each parameter of the asyncio client and each option of a command is passed on."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from obscura_backup_client.async_client import AsyncBackupClient
from obscura_backup_client.client import BackupClient
from obscura_backup_client.content.merge import Keep
from obscura_backup_client.device.directory import StateDirectory
from obscura_backup_client.operations.errors import NotConfirmed
from obscura_backup_client.sealing.kdf_parameters import PROFILES
from support.client.contents import ALICE
from support.client.devices import KEY, LOW_MEMORY
from support.client.terminal import terminal_in
from support.table import table

METHODS = [
    name
    for name, method in inspect.getmembers(AsyncBackupClient, inspect.iscoroutinefunction)
    if not name.startswith("_")
]
# What an application gives as a function, plain or async; the blocking client gets a function that calls it.
ASKED = {"secret", "new_secret", "confirm", "confirm_memory"}


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """Replace a method of `BackupClient`; record its arguments and the answers of its callbacks."""

    def record(name: str) -> dict[str, Any]:
        given: dict[str, Any] = {}
        signature = inspect.signature(getattr(BackupClient, name))

        def stand_in(*args: Any, **kwargs: Any) -> None:
            given.update(signature.bind(*args, **kwargs).arguments)
            for each in ASKED & given.keys():
                if callable(given[each]):
                    given[each] = given[each]("asked")
            raise NotConfirmed

        monkeypatch.setattr(BackupClient, name, stand_in)
        return given

    return record


@table("name", METHODS)
async def test_the_asyncio_client_passes_on_each_parameter(
    tmp_path: Path, recorded: Callable[[str], dict[str, Any]], name: str
) -> None:
    given = recorded(name)

    def asked(which: str) -> Callable[[object], str]:
        return lambda what: f"{which} {what}"

    names = [each for each in inspect.signature(getattr(AsyncBackupClient, name)).parameters if each != "self"]
    options: dict[str, Any] = {each: asked(each) if each in ASKED else f"the {each}" for each in names}
    if "contacts" in options:
        options["contacts"] = ["the contacts"]
    client = AsyncBackupClient(BackupClient(StateDirectory(tmp_path)))
    with pytest.raises(NotConfirmed):
        await getattr(client, name)(**options)
    expected = {each: f"{each} asked" if each in ASKED else wish for each, wish in options.items()}
    assert {each: value for each, value in given.items() if each != "self"} == expected


async def test_a_kept_key_reaches_the_blocking_client_unchanged(
    tmp_path: Path, recorded: Callable[[str], dict[str, Any]]
) -> None:
    given = recorded("push")
    with pytest.raises(NotConfirmed):
        await AsyncBackupClient(BackupClient(StateDirectory(tmp_path))).push(KEY)
    assert given["secret"] is KEY


DECIDED = {"keep": Keep.MINE, "accept_rollback": True}
UNDECIDED = {"keep": None, "accept_rollback": False}
OPTIONS = ("--keep", "mine", "--accept-rollback")
COMMANDS = [
    (("push",), "push", {"parameters": None, **UNDECIDED}),
    (("push", "--profile", "desktop", *OPTIONS), "push", {"parameters": PROFILES["desktop"], **DECIDED}),
    (("passwd",), "change_password", {"parameters": None, **UNDECIDED}),
    (("passwd", "--profile", "low-memory", *OPTIONS), "change_password", {"parameters": LOW_MEMORY, **DECIDED}),
    (("restore",), "restore", {"device_name": None, **UNDECIDED}),
    (("restore", "--device-name", "tablet", *OPTIONS), "restore", {"device_name": "tablet", **DECIDED}),
    (("restore", "--keep", "theirs"), "restore", {"keep": Keep.THEIRS}),
    (("new", "--device-name", "tablet"), "create", {"device_name": "tablet"}),
    (("contact", "remove", str(ALICE)), "remove_contact", {"user_id": ALICE}),
    (("contact", "rename", str(ALICE), "al"), "rename_contact", {"user_id": ALICE, "username": "al"}),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "name", "expected"), COMMANDS, ids=[" ".join(each[0]) for each in COMMANDS])
def test_each_option_of_a_command_reaches_the_client(
    tmp_path: Path,
    recorded: Callable[[str], dict[str, Any]],
    arguments: tuple[str, ...],
    name: str,
    expected: dict[str, Any],
) -> None:
    terminal = terminal_in(tmp_path)
    terminal.person.passwords = ["correct horse battery"] * 3
    if name != "create":
        terminal.ok("new", "--device-name", "phone")
    given = recorded(name)
    terminal.run(*arguments)
    assert {each: given.get(each) for each in expected} == expected
