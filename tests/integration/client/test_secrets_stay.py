"""Token, passwords, derived keys and private key: in no log record, no error, and no value that is shown.

What Python cannot do is not claimed: whoever has a traceback rendered with the local variables of its frames, as some
crash reporters do, renders passwords and tokens that are plain strings there. What is an object of this package does
not show its secrets even then.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import logging
import pprint
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from obscura_backup_client.async_client import AsyncBackupClient
from obscura_backup_client.client import BackupClient
from obscura_backup_client.content.editing import NewContact
from obscura_backup_client.device.directory import LockedState, StateDirectory
from obscura_backup_client.device.state import Account
from obscura_backup_client.errors import ClientError
from obscura_backup_client.formats.export_reading import decode_payload
from obscura_backup_client.operations.errors import RollbackSuspected
from obscura_backup_client.operations.keys import Unlocker
from obscura_backup_client.sealing.errors import Damaged, WrongPassword
from obscura_backup_client.sealing.kdf import argon2id
from obscura_backup_client.sealing.kdf_parameters import PROFILES
from obscura_backup_client.sealing.sealed import OpenedBackup, SealingKey, open_sealed, read_header
from obscura_backup_client.transport.asyncio_transport import AsyncHttpTransport
from obscura_backup_client.transport.blocking_transport import HttpTransport
from obscura_backup_client.transport.errors import Unauthorized, Unavailable
from obscura_backup_client.transport.interface import FetchedBackup
from obscura_backup_client.transport.retries import RetryPolicy
from support.client.contents import ALICE, BOB, NOW_MS
from support.client.devices import counting_random, yes
from support.client.http_slot import http_slot
from support.client.server_in_memory import ServerInMemory
from support.client.terminal import USER, token

TOKEN = token() + "t0ken-hush"
OLD_PASSWORD, NEW_PASSWORD = "plenty of hush and silence", "another quiet word of hush"
PRIVATE_KEY = b"private-key-of-hush-and-silence!"
AVATAR_KEY = b"avatar-key-of-hush-and-silence!!"
LOW_MEMORY = PROFILES["low-memory"]
HURRIED = RetryPolicy(connect_timeout_seconds=1, attempts=2, initial_backoff_seconds=0.001)


class Records(logging.Handler):
    """Every record of every logger at level DEBUG."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.texts: list[str] = []
        self.names: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        self.names.add(record.name.partition(".")[0])
        self.texts.append(f"{record.getMessage()} {record.__dict__!r} {logging.Formatter().format(record)}")


@pytest.fixture
def records() -> Iterator[Records]:
    handler, root = Records(), logging.getLogger()
    before = root.level
    names = [name for name, each in logging.root.manager.loggerDict.items() if isinstance(each, logging.Logger)]
    levels = {name: logging.getLogger(name).level for name in [*names, "asyncio"]}
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(before)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def server() -> ServerInMemory:
    return ServerInMemory()


@pytest.fixture
def address(server: ServerInMemory) -> Iterator[str]:
    with http_slot(server, TOKEN) as address:
        yield address


Make = Callable[..., BackupClient]


@pytest.fixture
def make(tmp_path: Path, address: str) -> Make:
    """A device, whose first random bytes are its private key."""

    def make(name: str, bearer: str = TOKEN, at: str = address) -> BackupClient:
        random, calls, clock = counting_random(), itertools.count(), itertools.count(NOW_MS, 1000)
        return BackupClient(
            StateDirectory(tmp_path / name),
            random=lambda count: PRIVATE_KEY if count == 32 and not next(calls) else random(count),
            now_ms=lambda: next(clock),
            transport=HttpTransport(at, bearer, retry_policy=HURRIED),
            account=Account(at, USER),
            sleep=lambda _: None,
        )

    return make


@pytest.fixture
def phone(make: Make) -> BackupClient:
    """A device with an identity, Alice and an avatar, pushed by the old password."""
    client = make("phone")
    client.create("phone")
    client.put_contacts([NewContact(ALICE, "alice")])
    client.set_profile("avatar", AVATAR_KEY)
    client.push(OLD_PASSWORD, parameters=LOW_MEMORY)
    return client


def forms(secret: bytes) -> set[str]:
    """The forms in which bytes may be shown: text, Python, hex and Base64."""
    inner = repr(secret)[2:-1]
    encoded = base64.b64encode(secret).decode().rstrip("=")
    return {inner, secret.hex(), encoded, encoded.replace("+", "-").replace("/", "_"), repr(list(secret))[1:-1]}


def key_of(blob: bytes, password: str) -> SealingKey:
    header = read_header(blob)
    return SealingKey(header.parameters, header.salt, argon2id(password.encode(), header.salt, header.parameters))


def below_this_file(frames: TracebackType | None) -> TracebackType | None:
    """Without the frames of this file, whose local variables hold the searched secrets."""
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    return frames


def require_silent(text: str, secrets: set[str]) -> None:
    assert [each for each in secrets if each in text] == []


BYTES = forms(PRIVATE_KEY) | forms(AVATAR_KEY)
STRINGS = {TOKEN, TOKEN.rpartition(".")[2], OLD_PASSWORD, NEW_PASSWORD}


@pytest.mark.parametrize("show", [repr, bytes.hex, lambda secret: str(base64.b64encode(secret)), list])
def test_the_search_finds_a_shown_secret(show: Callable[[bytes], object]) -> None:
    with pytest.raises(AssertionError):
        require_silent(f"x {show(PRIVATE_KEY)} x", BYTES)


def test_no_secret_is_logged_at_debug_level(
    phone: BackupClient, make: Make, server: ServerInMemory, records: Records
) -> None:
    secrets = STRINGS | BYTES | forms(key_of(server.pushed[-1], OLD_PASSWORD).root)
    laptop = make("laptop")
    laptop.restore(OLD_PASSWORD, confirm=yes)
    phone.put_contacts([NewContact(BOB, "bob")])
    phone.change_password(OLD_PASSWORD, NEW_PASSWORD, parameters=LOW_MEMORY)
    secrets |= forms(key_of(server.pushed[-1], NEW_PASSWORD).root)
    with pytest.raises(WrongPassword):
        laptop.push(OLD_PASSWORD)
    laptop.verify(NEW_PASSWORD)
    laptop.sync(NEW_PASSWORD, confirm=yes)
    laptop.import_payload(phone.export_payload(), confirm=lambda _: True)
    with pytest.raises(Unauthorized):
        make("phone", TOKEN + "x").push(NEW_PASSWORD, parameters=LOW_MEMORY)
    with pytest.raises(Unavailable):
        make("phone", at="http://127.0.0.1:9").push(NEW_PASSWORD, parameters=LOW_MEMORY)

    # The server of the test may log in here, too; the client says nothing at all.
    assert not {name for name in records.names if name.startswith(("obscura", "h11", "urllib3", "ssl"))}
    for text in records.texts:
        require_silent(text, secrets)


def test_no_secret_is_logged_by_the_asyncio_client(phone: BackupClient, address: str, records: Records) -> None:
    async def live() -> None:
        phone.remove_contact(ALICE)
        client = AsyncBackupClient(
            replace(phone, transport=None), AsyncHttpTransport(address, TOKEN, retry_policy=HURRIED)
        )
        assert (await client.push(OLD_PASSWORD)).uploaded
        with pytest.raises(WrongPassword):
            await client.verify(NEW_PASSWORD)
        require_silent(repr(client), STRINGS | BYTES)

    asyncio.run(live(), debug=True)

    assert "asyncio" in records.names
    for text in records.texts:
        require_silent(text, STRINGS | BYTES)


def test_no_value_shows_a_secret(phone: BackupClient, server: ServerInMemory) -> None:
    blob = server.pushed[-1]
    key = key_of(blob, OLD_PASSWORD)
    state = phone.directory.read()
    unlocker = Unlocker(
        OLD_PASSWORD, USER, phone.random, lambda _: None, lambda _: False, lambda: LOW_MEMORY, new_secret=NEW_PASSWORD
    )
    unlocker.open(blob)
    values: list[Any] = [
        state,
        state.content,
        state.content.identity,
        state.content.profile,
        state.last_seen,
        LockedState(phone.directory, state),
        phone,
        phone.transport,
        AsyncHttpTransport(phone.account.server if phone.account else "", TOKEN),
        AsyncBackupClient(phone),
        phone._session(),
        phone._session().fetch(state, unlocker, accept_rollback=False),
        phone.status(),
        phone.verify(OLD_PASSWORD),
        phone.push(OLD_PASSWORD),
        unlocker,
        key,
        OpenedBackup(open_sealed(blob, key, USER).payload, key),
        FetchedBackup(blob, 1),
        decode_payload(phone.export_payload()),
        *found_by(phone),
    ]
    secrets = STRINGS | BYTES | forms(key.root)
    for value in values:
        for shown in (repr(value), str(value), f"{value}", pprint.pformat(value), f"{[value]} {{'x': {value!r}}}"):
            require_silent(shown, secrets)


def found_by(phone: BackupClient) -> list[Any]:
    """The previews before a restore and an import."""
    found: list[Any] = []

    def confirm(each: object) -> bool:
        found.append(each)
        return True

    phone.restore(OLD_PASSWORD, confirm=confirm)
    document = json.loads(phone.export_payload())
    document["contacts"][0] |= {"username": "alicia", "edited_at_ms": NOW_MS + 10**9}
    phone.import_payload(json.dumps(document).encode(), confirm=confirm)
    assert len(found) == 2
    return found


def verify_a_damaged_one(phone: BackupClient, _make: Make, server: ServerInMemory) -> None:
    blob = server.slot.blob or b""
    server.slot = replace(server.slot, blob=blob[:-1] + bytes([blob[-1] ^ 1]))
    phone.verify(OLD_PASSWORD)


def push_after_it_is_gone(phone: BackupClient, _make: Make, server: ServerInMemory) -> None:
    server.slot = replace(server.slot, blob=None)
    phone.push(OLD_PASSWORD)


Fail = Callable[[BackupClient, Make, ServerInMemory], object]

FAILURES: dict[str, tuple[type[ClientError], Fail]] = {
    "wrong password": (WrongPassword, lambda phone, _make, _server: phone.verify(NEW_PASSWORD)),
    "damaged": (Damaged, verify_a_damaged_one),
    "rollback": (RollbackSuspected, push_after_it_is_gone),
    "token refused": (Unauthorized, lambda _phone, make, _server: make("phone", TOKEN + "x").push(OLD_PASSWORD)),
    "no server": (Unavailable, lambda _phone, make, _server: make("phone", at="http://127.0.0.1:9").status()),
    "weak password": (ClientError, lambda phone, _make, _server: phone.change_password(OLD_PASSWORD, "hush")),
}


@pytest.mark.parametrize("name", FAILURES)
def test_no_error_or_local_variable_shows_a_secret(
    phone: BackupClient, make: Make, server: ServerInMemory, name: str
) -> None:
    kind, fail = FAILURES[name]
    secrets = BYTES | forms(key_of(server.pushed[-1], OLD_PASSWORD).root)
    with pytest.raises(kind) as failed:
        fail(phone, make, server)
    error = failed.value

    plain = "".join(traceback.TracebackException.from_exception(error).format())
    require_silent(f"{plain} {error} {error!r} {error.args!r} {error.__dict__!r}", secrets | STRINGS)
    # The client cannot control frames of libraries and strings in its own frames, but bytes in its own objects.
    ours = error.with_traceback(below_this_file(error.__traceback__))
    with_locals = "".join(traceback.TracebackException.from_exception(ours, capture_locals=True).format())
    assert "self = BackupClient" in with_locals
    require_silent(with_locals, secrets)
