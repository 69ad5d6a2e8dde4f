"""The page in TypeScript, as a person uses it: in Chromium, by keyboard, from another origin than the service."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from interop.actors import serving
from interop.languages import typescript_client
from obscura_backup_client import BackupClient, NewContact
from obscura_backup_client.sealing.kdf_parameters import PROFILES
from support import browser as browsers
from support.client.devices import names
from support.servers.service import Person, Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.browser import Browser

PASSWORD = "correct horse battery"
ALICE, BOB, CAROL, DAVE = (UUID(int=number) for number in (1, 2, 3, 4))


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with serving(typescript_client().page) as found:
        yield found


@pytest.fixture(scope="module")
def service(origin: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    started = Service(tmp_path_factory.mktemp("service") / "data", {"OBSCURA_BACKUP_CORS_ORIGINS": origin})
    started.start()
    yield started
    assert started.stop() == 0


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browsers.require()
    with browsers.running(tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.fixture
def person(service: Service) -> Person:
    return Person.of(service)


@pytest.fixture
def phone(person: Person, tmp_path: Path) -> BackupClient:
    """A phone that has backed up an identity and a contact."""
    client = BackupClient.open(tmp_path / "phone", server=f"http://127.0.0.1:{person.service.port}", token=person.token)
    client.create("phone")
    client.put_contacts([NewContact(ALICE, "alice")])
    client.push(PASSWORD, parameters=PROFILES["low-memory"])
    return client


class Page:
    """The page, and what a person does there without a mouse."""

    def __init__(self, browser: Browser, origin: str, person: Person) -> None:
        self.browser = browser
        self.origin = origin
        self.person = person
        self.load()

    def load(self) -> None:
        """Open it, and forget what it held."""
        assert self.browser.open(f"{self.origin}/index.html") == 200

    def fill(self, *texts: str) -> None:
        """Type one text into each of the next fields, and press Enter in the last one."""
        for text in texts:
            self.browser.press("Tab")
            self.browser.value("document.activeElement.select()")
            self.browser.type(text)
        self.browser.press("Enter")

    def sign_in(self, password: str = PASSWORD) -> None:
        """Fill the first form and submit it."""
        self.browser.value("document.activeElement.blur()")
        self.fill(f"http://127.0.0.1:{self.person.service.port}/", self.person.token, password)

    def restore(self) -> None:
        """Sign in, and say that the backup is the expected one."""
        self.sign_in()
        assert "sealed on" in self.question()
        self.say_yes()
        assert self.outcome() == "The backup is restored."

    def question(self) -> str:
        """The text of the question that is open now."""
        self.browser.await_true("document.querySelector('#question').open")
        return str(self.browser.value("document.querySelector('#question').innerText"))

    def say_yes(self) -> None:
        # The focus is on "Cancel", which comes after the other button.
        self.browser.value("document.querySelector('#yes').focus()")
        self.browser.press("Enter")

    def add(self, user_id: UUID, name: str) -> None:
        """Fill the second form and submit it."""
        self.browser.value("document.querySelector('#restore button').focus()")
        self.fill(str(user_id), name)

    def outcome(self) -> str:
        """What the page says when it has finished."""
        self.browser.await_true("!document.querySelector('#restore button').disabled")
        return str(self.browser.value("document.querySelector('#status').innerText"))

    def contacts(self) -> dict[UUID, str]:
        rows = self.browser.value("[...document.querySelectorAll('#contacts tr')].map((row) => row.innerText)")
        return {UUID(user_id): name for name, user_id in (row.split("\t") for row in rows)}

    def derivations(self) -> int:
        """How many key derivations were started."""
        return sum(url.endswith("/argon2-worker.js") for url in self.browser.requested())


@pytest.fixture
def page(browser: Browser, origin: str, person: Person) -> Page:
    return Page(browser, origin, person)


def test_a_person_restores_what_the_phone_backed_up(page: Page, phone: BackupClient) -> None:
    page.restore()
    assert page.contacts() == {ALICE: "alice"}
    identity = page.browser.value("document.querySelector('#identity').innerText")
    assert identity == phone.directory.read().content.identity.public_key.hex()
    assert page.browser.complaints() == [], "nothing breaks the page's policy"
    assert page.derivations() == 1


def test_a_contact_that_is_added_there_reaches_the_phone_and_the_other_way_round(
    page: Page, phone: BackupClient
) -> None:
    page.restore()
    phone.put_contacts([NewContact(CAROL, "carol")])
    phone.push(PASSWORD)
    page.add(BOB, "bob")
    assert page.outcome() == "The contact is in the backup."
    assert page.contacts() == {ALICE: "alice", BOB: "bob", CAROL: "carol"}
    phone.push(PASSWORD)
    assert names(phone) == {"alice", "bob", "carol"}


def test_a_phone_that_pushes_between_fetch_and_upload_loses_nothing(page: Page, phone: BackupClient) -> None:
    """The upload is held until the phone has pushed; then the service refuses it, and the page merges again."""
    page.restore()
    page.browser.command("Fetch.enable", patterns=[{"urlPattern": "*/v1/backup", "requestStage": "Request"}])
    page.add(BOB, "bob")
    sent = []
    while "POST" not in sent:
        paused = page.browser.await_event("Fetch.requestPaused")
        sent.append(paused["request"]["method"])
        if sent[-1] == "POST":
            phone.put_contacts([NewContact(CAROL, "carol")])
            assert phone.push(PASSWORD).version == 2
        page.browser.command("Fetch.continueRequest", requestId=paused["requestId"])
    page.browser.command("Fetch.disable")
    assert page.outcome() == "The contact is in the backup."
    assert page.contacts() == {ALICE: "alice", BOB: "bob", CAROL: "carol"}
    assert phone.push(PASSWORD).version == 3
    assert names(phone) == {"alice", "bob", "carol"}


@pytest.mark.usefixtures("phone")
def test_a_wrong_password_is_reported_in_plain_words(page: Page) -> None:
    page.sign_in("correct horse batterz")
    assert page.outcome() == "The password is wrong, or the backup's header was changed."
    assert page.browser.value("document.querySelector('#backup').hidden")


def test_an_older_backup_needs_a_decision_even_after_the_page_was_closed(page: Page, phone: BackupClient) -> None:
    person, older = page.person, page.person.download().body
    phone.put_contacts([NewContact(BOB, "bob")])
    phone.push(PASSWORD)
    page.restore()
    assert person.upload(older, '"2"').status == 200
    page.load()
    page.sign_in()
    assert "is older than the one that this device saw before" in page.question()
    page.browser.press("Escape")
    assert "is older" in page.outcome()
    assert page.browser.value("document.querySelector('#backup').hidden")


def test_a_costly_header_is_refused_before_a_derivation_starts(page: Page, phone: BackupClient) -> None:
    bomb = bytearray(page.person.download().body)
    bomb[5:9] = b"\xff" * 4
    assert page.person.upload(bytes(bomb), '"1"').status == 200
    page.sign_in()
    assert page.outcome() == "The backup requests a key derivation outside the limits. It was not started."
    assert page.derivations() == 0
    assert names(phone) == {"alice"}
