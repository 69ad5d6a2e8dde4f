"""The client in TypeScript, in Node and in Chromium, against a real service and beside a phone, the Python client.

In Chromium the page comes from another origin than the service, so every request passes its rules for origins (CORS).
"""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from interop.actors import Actor, NodeActor, in_chromium, in_node, result
from interop.languages import SOURCE, TypeScriptClient, typescript_client
from obscura_backup_client import BackupClient, NewContact
from obscura_backup_client.sealing.kdf_parameters import PROFILES
from support.client.devices import names, yes
from support.servers.service import Person, Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from interop.actors import ChromiumActor

PASSWORD = "correct horse battery"
ALICE, BOB, CAROL = (UUID(int=number) for number in (1, 2, 3))
LOW_MEMORY = {"memoryKib": 65536, "passes": 3, "lanes": 1}
MEMORY, PASSES = slice(5, 9), slice(9, 13)


@pytest.fixture(scope="module")
def typescript() -> TypeScriptClient:
    return typescript_client()


@pytest.fixture(scope="module")
def node(typescript: TypeScriptClient) -> Iterator[NodeActor]:
    with in_node(typescript) as actor:
        yield actor


@pytest.fixture(scope="module")
def page(typescript: TypeScriptClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ChromiumActor, str]]:
    with in_chromium(typescript, tmp_path_factory.mktemp("browser")) as actor_and_origin:
        yield actor_and_origin


@contextmanager
def serving(folder: Path, origin: str) -> Iterator[Service]:
    service = Service(folder / "data", {"OBSCURA_BACKUP_CORS_ORIGINS": origin})
    service.start()
    yield service
    assert service.stop() == 0


@pytest.fixture(scope="module")
def service(page: tuple[ChromiumActor, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that allows the origin of the page."""
    with serving(tmp_path_factory.mktemp("service"), page[1]) as started:
        yield started


@pytest.fixture
def person(service: Service) -> Person:
    return Person.of(service)


@pytest.fixture
def phone(person: Person, tmp_path: Path) -> BackupClient:
    """A phone that has backed up an identity and a contact."""
    client = phone_of(person, tmp_path / "phone")
    client.create("phone")
    client.put_contacts([NewContact(ALICE, "alice")])
    client.push(PASSWORD, parameters=PROFILES["low-memory"])
    return client


def phone_of(person: Person, folder: Path) -> BackupClient:
    return BackupClient.open(folder, server=address(person.service), token=person.token)


def address(service: Service) -> str:
    return f"http://127.0.0.1:{service.port}"


@pytest.fixture(params=["node", "chromium"])
def web(request: pytest.FixtureRequest, person: Person) -> Actor:
    """A new device that is connected to the person's backup."""
    actor: Actor = request.getfixturevalue("node") if request.param == "node" else request.getfixturevalue("page")[0]
    connect(actor, person)
    return actor


def connect(actor: Actor, person: Person, token: str | None = None) -> None:
    options = {"server": address(person.service), "token": token or person.token, "deviceName": "web"}
    assert result(actor, "connect", options=options) == str(person.user_id)


def tampered(blob: bytes, part: slice, number: int) -> bytes:
    changed = bytearray(blob)
    changed[part] = number.to_bytes(4, "big")
    return bytes(changed)


def test_it_restores_what_a_phone_backed_up(web: Actor, phone: BackupClient) -> None:
    restored = result(web, "restore", password=PASSWORD)
    assert restored["contacts"] == {str(ALICE): "alice"}
    assert restored["identity"] == phone.directory.read().content.identity.public_key.hex()


def test_changes_on_both_sides_reach_both(web: Actor, phone: BackupClient) -> None:
    result(web, "restore", password=PASSWORD)
    result(web, "put", userId=str(BOB), username="bob")
    phone.put_contacts([NewContact(CAROL, "carol")])
    phone.push(PASSWORD)
    pushed = result(web, "push", password=PASSWORD)
    assert pushed["contacts"] == {str(ALICE): "alice", str(BOB): "bob", str(CAROL): "carol"}
    phone.push(PASSWORD)
    assert names(phone) == {"alice", "bob", "carol"}
    assert not result(web, "push", password=PASSWORD)["uploaded"], "both have everything"


def test_a_phone_restores_what_it_backed_up_first(web: Actor, person: Person, tmp_path: Path) -> None:
    result(web, "create", publicKey="50" * 32, privateKey="53" * 32)
    result(web, "put", userId=str(BOB), username="bob")
    pushed = result(web, "push", password=PASSWORD, options={"parameters": LOW_MEMORY})
    assert (pushed["uploaded"], pushed["version"]) == (True, 1)
    phone = phone_of(person, tmp_path / "phone")
    phone.restore(PASSWORD, confirm=yes)
    assert names(phone) == {"bob"}
    assert phone.directory.read().content.identity.public_key.hex() == "50" * 32


def test_it_changes_the_password(web: Actor, phone: BackupClient) -> None:
    result(web, "restore", password=PASSWORD)
    changed = {"newPassword": f"{PASSWORD} 2", "parameters": LOW_MEMORY}
    assert result(web, "push", password=PASSWORD, options=changed)["uploaded"]
    assert phone.push(f"{PASSWORD} 2").version == 2
    assert web.answer("push", password=PASSWORD)["error"] == "wrong-password"


@pytest.mark.usefixtures("phone")
def test_a_wrong_password_is_reported_as_such(web: Actor) -> None:
    answer = web.answer("restore", password="correct horse batterz")
    assert answer["error"] == "wrong-password"
    assert answer["message"].startswith("The password is wrong")


def test_an_older_backup_is_refused_until_it_is_accepted(web: Actor, phone: BackupClient, person: Person) -> None:
    older = person.download().body
    phone.put_contacts([NewContact(BOB, "bob")])
    phone.push(PASSWORD)
    result(web, "restore", password=PASSWORD)
    assert person.upload(older, '"2"').status == 200
    for command in ("restore", "push"):
        answer = web.answer(command, password=PASSWORD)
        assert (answer["error"], answer["reasons"]) == ("rollback-suspected", ["older-writers"])
    pushed = result(web, "push", password=PASSWORD, options={"acceptRollback": True})
    assert pushed["contacts"] == {str(ALICE): "alice", str(BOB): "bob"}, "nothing is lost"


@pytest.mark.usefixtures("phone")
def test_a_missing_backup_is_an_alarm(web: Actor, person: Person) -> None:
    result(web, "restore", password=PASSWORD)
    assert person.delete('"1"').status == 204
    answer = web.answer("push", password=PASSWORD)
    assert (answer["error"], answer["reasons"]) == ("rollback-suspected", ["gone"])


@pytest.mark.usefixtures("phone")
@pytest.mark.parametrize(
    ("part", "number"),
    [(MEMORY, 2**32 - 1), (PASSES, 2**32 - 1), (MEMORY, 512 * 1024), (MEMORY, 512 * 1024 + 1)],
    ids=["4 TiB", "4 billion passes", "512 MiB without confirmation", "more than 512 MiB"],
)
def test_costs_beyond_the_limits_are_refused(web: Actor, person: Person, part: slice, number: int) -> None:
    bomb = tampered(person.download().body, part, number)
    assert person.upload(bomb, '"1"').status == 200
    before = peak_memory_kib(web)
    assert web.answer("restore", password=PASSWORD)["error"] == "refused-parameters"
    assert peak_memory_kib(web) - before < 64 * 1024, "it is refused before the memory is taken"


def peak_memory_kib(actor: Actor) -> int:
    """Of the process in Node. In Chromium, the test of the page shows that no derivation starts."""
    if not isinstance(actor, NodeActor):
        return 0
    status = Path(f"/proc/{actor.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def test_a_damaged_backup_and_one_of_another_user_are_refused(web: Actor, phone: BackupClient, person: Person) -> None:
    blob = person.download().body
    assert person.upload(blob[:-1] + bytes([blob[-1] ^ 1]), '"1"').status == 200
    assert web.answer("restore", password=PASSWORD)["error"] == "damaged"
    other = Person.of(person.service)
    assert other.upload(blob).status == 200
    connect(web, other)
    assert web.answer("restore", password=PASSWORD)["error"] == "damaged"
    assert names(phone) == {"alice"}


def test_a_token_that_is_not_accepted_is_reported_as_such(web: Actor, person: Person) -> None:
    head, claims, signature = person.token.split(".")
    connect(web, person, f"{head}.{claims}.{signature[::-1]}")
    assert web.answer("restore", password=PASSWORD)["error"] == "unauthorized"


def test_a_page_of_another_origin_gets_no_answer(page: tuple[ChromiumActor, str], tmp_path: Path) -> None:
    actor, origin = page
    with serving(tmp_path, origin.replace("127.0.0.1", "localhost")) as elsewhere:
        person = Person.of(elsewhere)
        options = {"server": address(elsewhere), "token": person.token, "retries": {"attempts": 1}}
        result(actor, "connect", options=options)
        answer = actor.answer("restore", password=PASSWORD)
    assert answer["error"] == "unavailable"
    assert "does not allow this page's origin" in answer["message"]


def test_its_own_tests(typescript: TypeScriptClient) -> None:
    """Requests, retries and refusals, with Node's test runner."""
    node = typescript.program[0]
    tests = sorted(str(path) for path in Path(typescript.program[1]).parent.glob("*.test.js"))
    assert len(tests) == 2
    done = subprocess.run([node, "--test", *tests], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout


def test_the_example_of_its_readme(
    typescript: TypeScriptClient, phone: BackupClient, person: Person, tmp_path: Path
) -> None:
    """It compiles against the package's own types, and runs against the package."""
    package = Path(typescript.program[1]).parents[2]
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "obscura-backup-client").symlink_to(package)
    shown = (SOURCE / "node" / "README.md").read_text().partition("```ts\n")[2].partition("```")[0]
    given = f"const [server, token, password] = {json.dumps([address(person.service), person.token, PASSWORD])};\n"
    (tmp_path / "example.mts").write_text(f"{given}const ask = (question: string) => question !== '';\n{shown}")
    node, compiler = typescript.program[0], package / "node_modules" / "typescript" / "bin" / "tsc"
    strict = ["--strict", "--module", "nodenext", "--target", "es2022", "--types", "", "--noUncheckedIndexedAccess"]

    def run(*command: object) -> str:
        arguments = [node, *map(str, command)]
        done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(compiler, *strict, "example.mts")
    assert run("example.mjs") == "alice\n"
    phone.push(PASSWORD)
    assert names(phone) == {"alice", "bob"}
