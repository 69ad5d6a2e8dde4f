"""The start of the service: its socket, its limit of open files, its stores, and how each process sets itself up."""

from __future__ import annotations

import ctypes
import logging
import os
import resource
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from uvicorn.config import STARTUP_FAILURE

from obscura_backup.domain.errors import StoreUnusable
from obscura_backup.entrypoints.http.server import run as server
from obscura_backup.entrypoints.http.server.protocol import BoundedProtocol
from obscura_backup.entrypoints.http.server.run import (
    AddressInUse,
    AppFactory,
    check_stores,
    listen,
    prepared_for_workers,
    raise_descriptor_limit,
)
from obscura_backup.entrypoints.http.server.shutdown import ShutdownState, StartSignals
from support.servers.in_process.app import settings
from support.table import table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from litestar.types import ASGIApp


@table(("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
def test_socket_listens_on_the_given_address(host: str, family: socket.AddressFamily) -> None:
    with listen(host, 0) as listening:
        assert listening.family == family
        assert listening.getsockname()[0] == host
        with socket.create_connection(listening.getsockname()[:2], timeout=10):
            pass


def test_error_of_a_port_in_use_names_the_address() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressInUse, match=rf"Cannot listen on 127\.0\.0\.1:{port}: Address already in use"):
            listen("127.0.0.1", port)


def test_backlog_of_a_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(socket, "create_server", lambda _, **named: given.update(named))
    listen("127.0.0.1", 0)
    assert given == {"family": socket.AF_INET, "backlog": 2048}


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[tuple[int, int]]]:
    """Calls `raise_descriptor_limit` under these limits of open files; returns the limits that it sets."""

    def pretend(soft: int, hard: int, max_connections: int) -> list[tuple[int, int]]:
        changes: list[tuple[int, int]] = []
        monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
        monkeypatch.setattr(resource, "setrlimit", lambda _, both: changes.append(both))
        raise_descriptor_limit(settings(max_connections=max_connections))
        return changes

    return pretend


WANTED = 3 * 100 + 512
"""Open files for 100 connections: two per place for connections, one for a body, and those of the service itself."""


@pytest.mark.parametrize(
    ("soft", "hard", "changes", "warns"),
    [
        (WANTED, WANTED, [], False),
        (WANTED - 1, 1_000_000, [(WANTED, 1_000_000)], False),
        (WANTED - 1, resource.RLIM_INFINITY, [(WANTED, resource.RLIM_INFINITY)], False),
        (256, WANTED, [(WANTED, WANTED)], False),
        (256, WANTED - 1, [(WANTED - 1, WANTED - 1)], True),
        (1_000_000, 1_000_000, [], False),
    ],
)
def test_limit_of_open_files_is_raised_for_the_connections(
    limits: Callable[..., list[tuple[int, int]]],
    caplog: pytest.LogCaptureFixture,
    soft: int,
    hard: int,
    changes: list[tuple[int, int]],
    *,
    warns: bool,
) -> None:
    assert limits(soft, hard, 100) == changes
    assert bool(caplog.records) is warns
    if warns:
        assert f"the limit of open files is {hard}, but 100 connections need {WANTED}" in caplog.text


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # the tests' own threads
@pytest.mark.parametrize("workers", [1, 2])
def test_stores_are_started_once_before_anything_is_served(tmp_path: Path, workers: int) -> None:
    check_stores(settings(data_dir=tmp_path, workers=workers))
    assert (tmp_path / "metadata.sqlite3").exists()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnusable):
        check_stores(settings(data_dir=tmp_path / "file", workers=workers))


async def application(*_: Any) -> None:
    """Answers nothing."""


def make_app(*_: Any) -> ASGIApp:
    """What `run` is given."""
    return application


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The calls that set a process up. Their global effects are undone afterwards."""
    calls: list[Any] = []

    monkeypatch.setattr(ShutdownState, "watch", lambda _, seconds, *, has_parent: calls.append((seconds, has_parent)))
    monkeypatch.setattr(server, "log_to_stderr", lambda *given: calls.append(given))
    monkeypatch.setattr(server, "_die_with_parent", lambda pid: calls.append(f"dies with {pid}"))
    for name in ("max_connections", "max_connections_per_address", "addresses"):
        monkeypatch.setattr(BoundedProtocol, name, getattr(BoundedProtocol, name))
    monkeypatch.setattr(logging.getLogger("uvicorn"), "level", logging.getLogger("uvicorn").level)
    return calls


def test_process_sets_itself_up_by_the_settings(made: list[Any]) -> None:
    given = settings(
        max_connections=77,
        max_connections_per_address=7,
        trusted_proxies=("10.0.0.0/8",),
        log_level="error",
        log_format="json",
        notice_seconds=1.5,
    )

    def make(*arguments: Any) -> ASGIApp:
        made.append(arguments)
        return application

    assert AppFactory(given, os.getpid(), make)() is application
    assert made[:2] == [("error", "json"), (1.5, False)]
    settings_given, is_stopping = made[2]
    assert (settings_given, is_stopping()) == (given, False)
    is_stopping.__self__.announced = True
    assert is_stopping()
    assert (BoundedProtocol.max_connections, BoundedProtocol.max_connections_per_address) == (77, 7)
    assert BoundedProtocol.addresses.of_peer(("10.1.2.3", 9)) is None
    assert BoundedProtocol.addresses.of_peer(("192.0.2.1", 9)) == "192.0.2.1"
    assert logging.getLogger("uvicorn").level == logging.ERROR


def test_a_worker_ends_with_its_parent(made: list[Any]) -> None:
    AppFactory(settings(), 1, make_app)()
    assert made[0] == "dies with 1"
    assert (1.0, True) in made


def test_worker_whose_parent_has_ended_exits_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    class Library:
        @staticmethod
        def prctl(option: int, number: int) -> None:
            asked.append((option, number))

    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Library)
    server._die_with_parent(os.getppid())
    assert asked == [(1, signal.SIGKILL)]
    with pytest.raises(SystemExit) as ended:
        server._die_with_parent(os.getppid() + 1)
    assert ended.value.code == 1


class Served:
    """Takes the place of uvicorn's server."""

    def __init__(self, *, fails: BaseException | None = None, failed_to_start: bool = False) -> None:
        self.sockets: list[Any] = []
        self.failed_to_start = failed_to_start
        self._fails = fails

    def run(self, sockets: Any = None) -> None:
        self.sockets = sockets
        if self._fails is not None:
            raise self._fails


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[dict[str, Any], Served]]]:
    """Calls `run` with a server in place of uvicorn's; returns the configuration and the server."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def running(served: Served, **values: Any) -> tuple[dict[str, Any], Served]:
        told: dict[str, Any] = {}
        monkeypatch.setattr(uvicorn, "Config", lambda made_by, **named: told.update(made_by=made_by, **named))
        monkeypatch.setattr(uvicorn, "Server", lambda _: served)
        monkeypatch.setattr("obscura_backup.entrypoints.http.server.workers.Workers", lambda *_, **__: served)
        listening: Any = "the socket"
        server.run(settings(**values), [listening], make_app)
        return told, served

    yield running
    for number, handler in before.items():
        signal.signal(number, handler)


def test_configuration_of_uvicorn(run: Callable[..., tuple[dict[str, Any], Served]]) -> None:
    told, served = run(Served(), drain_seconds=2.5)
    assert served.sockets == ["the socket"]
    assert told.pop("made_by") == AppFactory(settings(drain_seconds=2.5), os.getpid(), make_app)
    assert told == {
        "factory": True,
        "workers": 1,
        "http": BoundedProtocol,
        "loop": "uvloop",
        "ws": "none",
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "headers": [("X-Content-Type-Options", "nosniff")],
        "proxy_headers": False,
        "timeout_keep_alive": 65,
        "timeout_graceful_shutdown": 3,
    }


def test_signals_end_a_start_and_nothing_after_it(
    run: Callable[..., tuple[dict[str, Any], Served]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(Served())
    terminate: Any = signal.getsignal(signal.SIGTERM)
    interrupt: Any = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit) as ended:
        terminate(signal.SIGTERM, None)
    assert ended.value.code == 0
    with pytest.raises(KeyboardInterrupt):
        interrupt(signal.SIGINT, None)
    monkeypatch.setattr(StartSignals, "is_over", True)
    terminate(signal.SIGTERM, None)
    interrupt(signal.SIGINT, None)


def test_keyboard_interrupt_exits_with_success(run: Callable[..., tuple[dict[str, Any], Served]]) -> None:
    run(Served(fails=KeyboardInterrupt()))


def test_several_workers_share_a_temporary_folder_for_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    at_import: list[Path] = []
    with prepared_for_workers(
        settings(workers=2), lambda: at_import.append(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
    ):
        assert "obscura-backup-metrics-" in at_import[0].name
        assert at_import[0].is_dir()
    assert not at_import[0].exists()


def test_single_process_imports_the_application_when_it_serves() -> None:
    with prepared_for_workers(settings(), lambda: pytest.fail("imported early")):
        pass


def test_failed_start_of_workers_exits_with_a_failure(run: Callable[..., tuple[dict[str, Any], Served]]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(Served(failed_to_start=True), workers=2)
    assert ended.value.code == STARTUP_FAILURE
