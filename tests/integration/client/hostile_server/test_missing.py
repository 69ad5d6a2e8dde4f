"""A 404 from a proxy, and one from the server itself."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from obscura_backup_client.cli.exits import ExitCode, exit_code
from obscura_backup_client.client import BackupClient
from obscura_backup_client.content.editing import NewContact
from obscura_backup_client.device.directory import StateDirectory
from obscura_backup_client.operations.errors import RollbackSuspected
from obscura_backup_client.operations.results import RemoteState
from obscura_backup_client.transport.errors import NotFound, OutcomeUnknown, TransportError, UnexpectedResponse
from support.client.contents import ALICE
from support.client.devices import KEY, names
from support.client.hostile_server import HostileServer, reply
from support.client.known_state import KnownState, Phone, files, honest, require_nothing_from

PROBLEM = "Content-Type: application/problem+json"
LOST = b""


def problem(code: str) -> bytes:
    document = {"type": f"urn:obscura-backup:problem:{code}", "title": "Not Found", "status": 404, "detail": "None."}
    return reply(404, json.dumps(document).encode(), PROBLEM)


NONE = {"nothing": reply(404), "the service's problem": problem("backup-not-found")}
SOMETHING_ELSE = {
    "text": reply(404, b"404 page not found\n", "Content-Type: text/plain; charset=utf-8"),
    "JSON": reply(404, b'{"error": "Not found"}', "Content-Type: application/json"),
    "a page": reply(404, b"<html><h1>404 Not Found</h1>", "Content-Type: text/html"),
    "a path that the service does not know": problem("not-found"),
}
ANY = NONE | SOMETHING_ELSE


def without_body(said: bytes) -> bytes:
    """The same as an answer to HEAD."""
    return said.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def missing(said: bytes) -> dict[str, bytes]:
    """A server that gives only this response."""
    return {"GET": said, "HEAD": without_body(said), "POST": said, "DELETE": said}


def in_turn(*said: bytes) -> Callable[[socket.socket], None]:
    """One response after another; None closes the connection."""
    turns = iter(said)
    return lambda connection: connection.sendall(next(turns))


@pytest.fixture
def newcomer(phone: Phone, tmp_path: Path) -> BackupClient:
    """A device that has seen no backup yet."""
    client = replace(phone(), directory=StateDirectory(tmp_path / "newcomer"))
    client.create("newcomer")
    client.put_contacts([NewContact(ALICE, "alice")])
    return client


# --- a proxy's ---


@pytest.mark.parametrize("said", SOMETHING_ELSE)
def test_a_proxys_404_is_no_missing_backup_to_a_device_that_had_one(
    phone: Phone, liar: HostileServer, said: str
) -> None:
    liar.replies = {**missing(SOMETHING_ELSE[said])}
    client = phone()
    require_nothing_from(client, UnexpectedResponse)
    with pytest.raises(UnexpectedResponse) as refused:
        client.status()
    assert exit_code(refused.value) == ExitCode.SERVER
    assert "POST" not in liar.asked


@pytest.mark.parametrize("said", SOMETHING_ELSE)
def test_a_device_without_a_backup_sends_nothing_after_a_proxys_404(
    newcomer: BackupClient, liar: HostileServer, said: str
) -> None:
    liar.replies = {**missing(SOMETHING_ELSE[said])}
    before = files(newcomer)
    with pytest.raises(UnexpectedResponse):
        newcomer.status()
    with pytest.raises(UnexpectedResponse):
        newcomer.push(KEY)
    with pytest.raises(UnexpectedResponse):
        newcomer.restore(KEY, confirm=lambda _: True)
    with pytest.raises(UnexpectedResponse):
        newcomer.delete(confirm=lambda _: True)
    assert (files(newcomer), "POST" in liar.asked, "DELETE" in liar.asked) == (before, False, False)


# --- the server's own ---


@pytest.mark.parametrize("said", NONE)
def test_a_first_push_follows_the_servers_404(newcomer: BackupClient, liar: HostileServer, said: str) -> None:
    liar.replies = {**missing(NONE[said]), "POST": reply(200, b"", 'ETag: "1"')}
    assert newcomer.status().remote_state is RemoteState.NONE
    with pytest.raises(NotFound):
        newcomer.restore(KEY, confirm=lambda _: True)
    assert newcomer.push(KEY).version == 1


@pytest.mark.parametrize("said", NONE)
def test_the_servers_404_is_an_alarm_to_a_device_that_had_a_backup(
    phone: Phone, liar: HostileServer, said: str
) -> None:
    liar.replies = {**missing(NONE[said])}
    client = phone()
    assert client.status().remote_state is RemoteState.GONE
    require_nothing_from(client, RollbackSuspected)


# --- after an upload ---


@pytest.mark.parametrize("said", ANY)
def test_a_404_to_a_first_upload_does_not_mean_that_there_is_no_backup(
    newcomer: BackupClient, liar: HostileServer, said: str
) -> None:
    liar.replies = {**missing(NONE["nothing"]), "POST": ANY[said]}
    with pytest.raises(UnexpectedResponse):
        newcomer.push(KEY)
    assert newcomer.directory.read().last_seen == {}


@pytest.mark.parametrize("said", ANY)
def test_a_404_after_a_lost_response_leaves_the_outcome_unknown_and_the_next_push_safe(
    phone: Phone, liar: HostileServer, truth: KnownState, said: str
) -> None:
    liar.replies = {"GET": honest(truth.latest), "POST": in_turn(LOST, ANY[said])}
    client = phone()
    before = client.directory.read()
    with pytest.raises(OutcomeUnknown) as unknown:
        client.push(KEY)
    assert exit_code(unknown.value) == ExitCode.SERVER
    after = client.directory.read()
    assert (after.last_seen, after.content, after.seq) == (before.last_seen, before.content, before.seq + 1)
    liar.replies["POST"] = reply(200, b"", 'ETag: "3"')
    assert client.push(KEY).uploaded
    assert names(client) == {contact.username for contact in before.content.live_contacts}


# --- after a deletion ---


@pytest.mark.parametrize("said", ANY)
def test_a_404_after_a_deletion_whose_response_was_lost_is_not_an_alarm(
    phone: Phone, liar: HostileServer, truth: KnownState, said: str
) -> None:
    liar.replies = {"HEAD": without_body(honest(truth.latest)), "DELETE": in_turn(LOST, ANY[said])}
    client = phone()
    error = NotFound if said == "the service's problem" else OutcomeUnknown
    with pytest.raises(error):
        client.delete(confirm=lambda _: True)
    assert [known.may_be_gone for known in client.directory.read().last_seen.values()] == [True]
    liar.replies = {**missing(NONE["nothing"]), "POST": reply(200, b"", 'ETag: "3"')}
    assert client.status().remote_state is RemoteState.NONE
    assert client.push(KEY).version == 3


@pytest.mark.parametrize("said", SOMETHING_ELSE)
def test_a_deletion_that_a_proxy_refused_is_not_recorded(
    phone: Phone, liar: HostileServer, truth: KnownState, said: str
) -> None:
    liar.replies = {"HEAD": without_body(honest(truth.latest)), "DELETE": SOMETHING_ELSE[said]}
    client = phone()
    before = client.directory.read()
    with pytest.raises(TransportError) as refused:
        client.delete(confirm=lambda _: True)
    assert type(refused.value) is UnexpectedResponse
    assert client.directory.read() == before


@pytest.mark.parametrize("said", NONE)
def test_a_deletion_that_found_no_backup_is_recorded(
    phone: Phone, liar: HostileServer, truth: KnownState, said: str
) -> None:
    liar.replies = {"HEAD": without_body(honest(truth.latest)), "DELETE": NONE[said]}
    client = phone()
    with pytest.raises(NotFound):
        client.delete(confirm=lambda _: True)
    liar.replies = {**missing(NONE["nothing"]), "POST": reply(200, b"", 'ETag: "3"')}
    assert client.push(KEY).version == 3
