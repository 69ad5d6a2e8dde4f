from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from obscura_backup_client.client import BackupClient
from obscura_backup_client.content.editing import NewContact
from obscura_backup_client.content.errors import NameRefused
from obscura_backup_client.content.names import sanitized_device_name
from obscura_backup_client.formats.identity_keys import MalformedKeyError, parse_identity_key
from support.client.contents import ALICE, BOB
from support.client.devices import KEY, Device, yes
from support.client.server_in_memory import ServerInMemory
from support.table import table

# The last is what a byte that is not UTF-8 becomes on its way through a command line.
UNUSABLE = ["x" * 257, "ü" * 129, "a\nb", "\x1b[2J", "\udcff"]
PUBLIC_KEY = bytes(range(200, 232))
HEX, BASE64 = PUBLIC_KEY.hex(), base64.b64encode(PUBLIC_KEY).decode()


# --- devices ---


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_device_is_not_created_under_a_name_that_cannot_be_sealed(device: Device, name: str) -> None:
    client = device("tablet")
    with pytest.raises(NameRefused):
        client.create(name)
    assert not client.directory.path.exists()


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_device_is_not_restored_under_a_name_that_cannot_be_sealed(
    phone: BackupClient, device: Device, server: ServerInMemory, name: str
) -> None:
    phone.push(KEY)
    server.calls.clear()
    with pytest.raises(NameRefused):
        device("laptop").restore(KEY, confirm=yes, device_name=name)
    assert server.calls == []
    assert not device("laptop").directory.path.exists()


@pytest.mark.parametrize("name", ["", "x" * 256, "ü" * 128, "Zoë's 📱"])
def test_a_name_at_the_limit_is_accepted_and_sealed(device: Device, name: str) -> None:
    client = device("tablet")
    client.create(name)
    assert client.push(KEY).uploaded


def test_a_restore_renames_a_device(laptop: BackupClient) -> None:
    laptop.restore(KEY, confirm=yes, device_name="new name")
    assert laptop.directory.read().device_name == "new name"


def test_a_restore_without_a_name_keeps_the_present_one(laptop: BackupClient) -> None:
    laptop.restore(KEY, confirm=yes, new_device_name="host name")
    assert laptop.directory.read().device_name == "laptop"


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_state_with_an_unusable_name_can_still_push(phone: BackupClient, name: str) -> None:
    path = phone.directory.path / "state.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "device_name": name}))
    assert phone.push(KEY).uploaded


@table(("name", "nearest"), [("a\x1bb\udcff", "ab"), ("ü" * 200, "ü" * 128), ("fine", "fine")])
def test_a_sanitized_name_keeps_as_much_as_allowed(name: str, nearest: str) -> None:
    assert sanitized_device_name(name) == nearest


# --- contacts ---


@table("name", ["", "  ", "x" * 257, "a\x1b[31mb", "a\nb", "\ud800", "a\u2028b"])
def test_a_contact_cannot_have_a_name_that_an_import_would_refuse(phone: BackupClient, name: str) -> None:
    before = phone.contacts()
    with pytest.raises(NameRefused):
        phone.put_contacts([NewContact(BOB, name)])
    assert phone.contacts() == before


def test_a_contact_may_keep_such_a_name(phone: BackupClient) -> None:
    with phone.directory.locked() as locked_state:
        state = locked_state.require()
        odd = tuple(replace(each, username="a\x1bb") for each in state.content.contacts)
        locked_state.write(replace(state, content=replace(state.content, contacts=odd)))
    assert phone.put_contacts([NewContact(ALICE, "a\x1bb")]).unchanged == 1


# --- keys ---


@table(
    "text",
    [
        HEX,
        HEX.upper(),
        f" {HEX[:20]} {HEX[20:]}\n",
        BASE64,
        BASE64.rstrip("="),
        BASE64.translate(str.maketrans("+/", "-_")),
    ],
)
def test_a_key_is_read_in_every_common_form(text: str) -> None:
    assert parse_identity_key(text) == PUBLIC_KEY


def test_an_empty_text_is_an_empty_key() -> None:
    assert parse_identity_key("  ") == b""


@table(
    "text",
    [
        pytest.param(HEX[:-1], id="hex without its last digit"),
        pytest.param(HEX[1:], id="hex without its first digit"),
        pytest.param(HEX[:30], id="15 bytes"),
        pytest.param(BASE64[:20], id="15 bytes in Base64"),
        pytest.param(BASE64[:-2] + "9=", id="Base64 with bits left over"),
        pytest.param(BASE64 + "=", id="too much padding"),
        pytest.param(BASE64[:-2], id="Base64 cut in a byte"),
        pytest.param("é", id="no ASCII"),
        pytest.param("٣" * 64, id="other digits"),
        pytest.param("0x" + HEX, id="a prefix"),
        pytest.param("ab" * 4097, id="too long"),
    ],
)
def test_a_key_that_may_be_miscopied_is_refused(text: str) -> None:
    with pytest.raises(MalformedKeyError) as refused:
        parse_identity_key(text)
    assert text not in str(refused.value)


def test_a_name_that_is_not_utf_8_is_refused_for_that_reason(device: Device, phone: BackupClient) -> None:
    with pytest.raises(NameRefused, match="the device name is not UTF-8 text"):
        device("tablet").create("\udcff\n")
    with pytest.raises(NameRefused, match="the username is not UTF-8 text"):
        phone.put_contacts([NewContact(BOB, "b\udcff")])
    with pytest.raises(NameRefused, match="contains a control character or line break"):
        device("tablet").create("a\nb")
