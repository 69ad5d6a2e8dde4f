"""What we use of uvicorn beyond its documented interface. Read this list before raising its version in pyproject.toml.

Each name is looked for in the installed version, and our own modules use no other one.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import signal
import tomllib
import weakref
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import SIGNALS, Process

from obscura_backup.entrypoints.http.server import protocol, workers
from obscura_backup.entrypoints.http.server.protocol import BoundedProtocol
from obscura_backup.entrypoints.http.server.workers import Worker, Workers

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[6]

PROTOCOL = {"client", "cycle", "expect_100_continue", "flow", "headers", "loop", "parser", "pipeline", "server_state"}
PROTOCOL |= {"server", "transport", "url"}
PROTOCOL_METHODS = {
    "_start_asgi_task",
    "connection_lost",
    "connection_made",
    "data_received",
    "eof_received",
    "on_body",
    "on_header",
    "on_headers_complete",
    "on_message_begin",
    "on_message_complete",
    "on_response_complete",
    "on_url",
    "pause_writing",
    "resume_writing",
    "send_400_response",
    "timeout_keep_alive_handler",
}
CYCLE = {"body", "keep_alive", "response_complete", "response_started", "scope", "transport"}
PARSER = {"get_http_version", "should_upgrade"}
SUPERVISOR = {"config", "processes", "processes_num", "should_exit", "signal_queue", "sockets"}
SUPERVISOR_METHODS = {
    "handle_ttin",
    "init_processes",
    "join_all",
    "keep_subprocess_alive",
    "restart_all",
    "run",
    "terminate_all",
}
PROCESS = {"parent_conn", "process"}
PROCESS_METHODS = {"exitcode", "is_alive", "join", "kill", "pid", "start", "target", "terminate"}


async def app(scope: object, receive: object, send: object) -> None:
    """Serve nothing."""


class Transport(asyncio.Transport):
    """Stands where a connection is."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


def config() -> uvicorn.Config:
    return uvicorn.Config(app, log_config=None, ws="none", lifespan="off", workers=2)


def names_used(module: ModuleType, owner: str) -> set[str]:
    """The attributes of variables of this name in a module, as in `self.x` for `self`."""
    tree = ast.parse(inspect.getsource(module))
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and (
            (isinstance(node.value, ast.Name) and node.value.id == owner)
            or (isinstance(node.value, ast.Attribute) and node.value.attr == owner)
        )
    }


def overridden(kind: type, base: type) -> set[str]:
    return {name for name in vars(kind).keys() & vars(base).keys() if not name.startswith("__")}


async def test_protocol_has_them() -> None:
    made = HttpToolsProtocol(config(), ServerState(), {})
    made.connection_made(Transport())
    made.on_message_begin()
    assert vars(made).keys() >= PROTOCOL
    assert vars(HttpToolsProtocol).keys() >= PROTOCOL_METHODS
    assert {name for name in PARSER if callable(getattr(made.parser, name, None))} == PARSER
    assert callable(getattr(FlowControl, "pause_reading", None))
    weakref.ref(made.server_state)  # connections are counted per server by it


async def test_cycle_of_a_request_has_them() -> None:
    made = HttpToolsProtocol(config(), ServerState(), {})
    made.connection_made(Transport())
    made.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert isinstance(made.cycle, RequestResponseCycle)
    assert vars(made.cycle).keys() >= CYCLE
    assert set(made.cycle.scope) >= {"client", "headers", "method", "path", "raw_path", "state"}
    for task in list(made.tasks):
        task.cancel()


def test_supervisor_has_them() -> None:
    made = Multiprocess(config(), sockets=[])
    assert vars(made).keys() >= SUPERVISOR
    assert vars(Multiprocess).keys() >= SUPERVISOR_METHODS
    assert vars(Process(config(), [])).keys() >= PROCESS
    assert vars(Process).keys() >= PROCESS_METHODS
    assert hasattr(config(), "timeout_worker_healthcheck")
    assert {signal.SIGINT, signal.SIGTERM, signal.SIGHUP} <= set(SIGNALS)


async def test_our_protocol_uses_no_other_name() -> None:
    made = HttpToolsProtocol(config(), ServerState(), {})
    made.on_message_begin()
    used = names_used(protocol, "self")
    assert used & (vars(made).keys() | set(dir(HttpToolsProtocol))) == PROTOCOL | (PROTOCOL_METHODS & used)
    assert overridden(BoundedProtocol, HttpToolsProtocol) == PROTOCOL_METHODS
    assert names_used(protocol, "cycle") == CYCLE
    assert names_used(protocol, "parser") == PARSER
    assert names_used(protocol, "flow") == {"pause_reading"}


def test_our_workers_use_no_other_name() -> None:
    used = names_used(workers, "self") | names_used(workers, "worker") | names_used(workers, "old")
    supervisor, process = Multiprocess(config(), sockets=[]), Process(config(), [])
    of_uvicorn = used & (vars(supervisor).keys() | vars(process).keys() | set(dir(Multiprocess)) | set(dir(Process)))
    assert of_uvicorn <= SUPERVISOR | SUPERVISOR_METHODS | PROCESS | PROCESS_METHODS
    assert overridden(Workers, Multiprocess) <= SUPERVISOR_METHODS
    assert overridden(Worker, Process) <= PROCESS_METHODS


def test_server_has_them() -> None:
    """The end of the service finds the listeners by the handler that the server set for SIGTERM."""
    server = uvicorn.Server(config())
    assert getattr(server.handle_exit, "__self__", None) is server
    source = inspect.getsource(uvicorn.Server)
    assert "self.servers" in source
    assert "signal.signal(sig, self.handle_exit)" in source


def test_installed_version_is_the_one_that_the_project_asks_for() -> None:
    """A minor version of uvicorn may change any of these names."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    major, minor = version("uvicorn").split(".")[:2]
    assert f"uvicorn>={major}.{minor},<{major}.{int(minor) + 1}" in wanted
