"""`serve`: its output, its warnings and its exit codes."""

from __future__ import annotations

import pickle
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from obscura_backup import __version__
from obscura_backup.entrypoints.cli.serve import _make_app, _warn, _welcome
from obscura_backup.entrypoints.http import app
from obscura_backup.entrypoints.http.server import run as server
from obscura_backup.entrypoints.http.server.run import listen
from support.servers.in_process.app import settings
from support.servers.in_process.server import Ran, commands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"auth_secret": "s" * 31}, "auth_secret is shorter than the 32 bytes"),
        ({"auth_secret": "s" * 32}, None),
        ({"auth_secret": None}, None),
        ({"metadata_url": "memory:"}, "a store is in memory"),
        ({"blobs_url": "memory:"}, "a store is in memory"),
        ({"status_password": "p" * 12}, "set admin_port to enable the status page"),
        ({"status_password": "p" * 12, "admin_port": 1}, None),
    ],
)
def test_warnings_at_the_start(caplog: pytest.LogCaptureFixture, given: dict[str, Any], says: str | None) -> None:
    _warn(settings(**given))
    assert len(caplog.records) == (says is not None)
    assert (says or "") in caplog.text


def test_welcome_shows_the_commands_of_a_first_push(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/opt/bin/obscura-backup"])
    text = _welcome(settings(data_dir=tmp_path), "http://127.0.0.1:8400")
    assert "/opt/bin/obscura-backup token " in text
    assert f"--data-dir {tmp_path} --out {tmp_path}/demo.token" in text
    assert f"/opt/bin/obscura-client push --state {tmp_path}/demo --token-file {tmp_path}/demo.token\n" in text
    assert "--server" not in text


def test_later_welcome_shows_the_status_of_the_demo(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "state.json").write_text("{}")
    given = settings(data_dir=tmp_path, auth_user_claim="a claim")
    text = _welcome(given, "http://127.0.0.1:9000")
    assert f"status --state {tmp_path}/demo" in text
    assert text.count("--server http://127.0.0.1:9000 --user-claim 'a claim'\n") == 1
    assert " token " not in text


def test_application_is_made_in_each_process_by_a_function_that_can_be_pickled(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    monkeypatch.setattr(app, "create_app", lambda *given: made.append(given))
    given: Any = settings(), lambda: False
    pickle.loads(pickle.dumps(_make_app))(*given)  # noqa: S301  # written by this test
    assert made == [given]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Ran]]:
    """Runs commands. A service ends as soon as it serves, and its socket is closed at the end of the test."""
    with ExitStack() as opened:
        monkeypatch.setattr(server, "listen", lambda host, port: opened.enter_context(listen(host, port)))
        monkeypatch.setattr(server, "run", lambda _settings, _listening, _make_app: None)
        monkeypatch.setattr(server, "raise_descriptor_limit", lambda _: None)
        yield opened.enter_context(commands(capsys, monkeypatch))


@pytest.mark.parametrize(("docs", "tail"), [("on", " (its API: {url}/docs)"), ("off", "")])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_serve_prints_its_url(command: Callable[..., Ran], tmp_path: Path, host: str, docs: str, tail: str) -> None:
    ran = command("serve", "--data-dir", tmp_path, "--host", host, "--port", 0, OBSCURA_BACKUP_DOCS=docs)
    assert (ran.code, ran.out) == (0, "")
    (line,) = ran.err.splitlines()
    assert line.startswith(f"Obscura Backup {__version__} listens on http://")
    url = line.split()[5]
    assert url.startswith("http://[::1]:" if host == "::1" else "http://127.0.0.1:")
    assert line.endswith(url + tail.format(url=url))


def test_serve_opens_the_management_listener_and_prints_its_url(
    command: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[Any] = []
    monkeypatch.setattr(server, "run", lambda *given: served.append(given))
    ran = command("serve", "--data-dir", tmp_path, "--port", 0, "--admin-port", 0, OBSCURA_BACKUP_ADMIN_HOST="::1")
    ((given, sockets, _),) = served
    ports = [each.getsockname()[1] for each in sockets]
    assert given.admin_port == ports[1] != ports[0]
    assert ran.err.splitlines()[1] == f"Metrics: http://[::1]:{given.admin_port}/metrics"


def test_serve_prints_the_welcome_on_request(command: Callable[..., Ran], tmp_path: Path) -> None:
    assert "A first push" in command("serve", "--data-dir", tmp_path, "--port", 0, "--welcome").err


def test_address_in_use_and_unusable_store_have_different_exit_codes(
    command: Callable[..., Ran], tmp_path: Path
) -> None:
    with listen("127.0.0.1", 0) as taken:
        ran = command("serve", "--data-dir", tmp_path, "--port", taken.getsockname()[1])
        other = command("serve", "--data-dir", tmp_path, "--port", 0, "--admin-port", taken.getsockname()[1])
    assert (ran.code, ran.out) == (other.code, other.out) == (4, "")
    (tmp_path / "file").write_text("in the way")
    ran = command("serve", "--data-dir", tmp_path / "file" / "data", "--port", 0)
    assert (ran.code, ran.out) == (3, "")
    assert "cannot be used" in ran.err


def test_check_uses_stores_and_keys_and_does_not_listen(
    command: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("listen", "run"):
        monkeypatch.setattr(server, name, lambda *_: pytest.fail("started"))
    ran = command("serve", "--check", "--data-dir", tmp_path)
    assert (ran.code, ran.out) == (0, "")
    assert "The service was not started." in ran.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["auth-secret", "blobs", "metadata.sqlite3"]


@pytest.mark.parametrize(
    ("variable", "value", "code", "says"),
    [
        ("OBSCURA_BACKUP_PORT", "eighty", 2, "port"),
        ("OBSCURA_BACKUP_METADATA_URL", "sqlite:////proc/nowhere/a.db", 3, "/proc/nowhere"),
        ("OBSCURA_BACKUP_METADATA_URL", "postgresql://someone@127.0.0.1:1/db", 3, "metadata store does not answer"),
        (
            "OBSCURA_BACKUP_AUTH_JWKS",
            "http://127.0.0.1:1/keys",
            3,
            "The key set http://127.0.0.1:1/keys cannot be read",
        ),
    ],
)
def test_check_tells_what_cannot_be_used(
    command: Callable[..., Ran], tmp_path: Path, variable: str, value: str, code: int, says: str
) -> None:
    ran = command("serve", "--check", "--data-dir", tmp_path, **{variable: value})
    assert (ran.code, ran.out) == (code, "")
    assert says in ran.err
    assert "not started" not in ran.err
