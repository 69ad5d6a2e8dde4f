"""Runs an application under uvicorn: one process, or several behind one socket."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import math
import multiprocessing
import os
import resource
import signal
import socket
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from obscura_backup.domain.errors import ObscuraError
from obscura_backup.entrypoints.http.limits.client_address import ClientAddress
from obscura_backup.entrypoints.http.server.bounds import KEEP_ALIVE_SECONDS, OPEN_CONNECTIONS_FACTOR
from obscura_backup.entrypoints.http.server.protocol import BoundedProtocol
from obscura_backup.entrypoints.http.server.shutdown import ShutdownState, StartSignals
from obscura_backup.entrypoints.logs import log_to_stderr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from litestar.types import ASGIApp

    from obscura_backup.entrypoints.settings import Settings

    MakeApp: TypeAlias = Callable[[Settings, Callable[[], bool]], ASGIApp]

BACKLOG = 2048
STUCK_SECONDS = 10.0
"""How much longer than notice and drain a worker may take to end (its stores have to be closed) before it is killed."""
CAN_FORK = sys.platform == "linux"
"""Elsewhere the system's libraries may have threads of their own, so that workers are new processes."""
_PR_SET_PDEATHSIG = 1
OWN_DESCRIPTORS = 512
"""For the 256 folders of the embedded store, threads, connections to other stores, and spools."""

log = logging.getLogger(__name__)


class AddressInUse(ObscuraError):
    """The address to listen on is not available."""

    code = "address-in-use"


@dataclass(frozen=True)
class AppFactory:
    """Makes the application inside the process that runs it. Worker processes get a pickled copy.

    Attributes:
        settings: of the service.
        parent_pid: of the process that was started first.
        make_app: makes the application; its second argument tells whether the process was told to stop. A function at
            the top of a module, since it is pickled.
    """

    settings: Settings
    parent_pid: int
    make_app: MakeApp

    def __call__(self) -> ASGIApp:
        """Set this process up, and make the application."""
        if os.getpid() != self.parent_pid:
            _die_with_parent(self.parent_pid)
        log_to_stderr(self.settings.log_level, self.settings.log_format)
        BoundedProtocol.max_connections = self.settings.max_connections
        BoundedProtocol.max_connections_per_address = self.settings.max_connections_per_address
        BoundedProtocol.management_port = self.settings.admin_port
        BoundedProtocol.addresses = ClientAddress(self.settings.trusted_proxies)
        # uvicorn's lines at start and stop repeat ours, and its warnings are about malformed requests.
        logging.getLogger("uvicorn").setLevel(logging.ERROR)
        shutdown = ShutdownState()
        shutdown.watch(self.settings.notice_seconds, has_parent=os.getpid() != self.parent_pid)
        with _without_collections():
            return self.make_app(self.settings, shutdown.is_announced)


def listen(host: str, port: int) -> socket.socket:
    """Bind a socket first, so that a port in use is reported before anything else is done.

    Raises:
        AddressInUse: the address is in use, or this process may not have it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise AddressInUse(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from error


def raise_descriptor_limit(settings: Settings) -> None:
    """Raise the soft limit of open files, and warn if even the hard one is too low for the connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Each served connection may have its body in a file.
    wanted = (OPEN_CONNECTIONS_FACTOR + 1) * settings.max_connections + OWN_DESCRIPTORS
    if soft < wanted:
        soft = hard if hard != resource.RLIM_INFINITY and hard < wanted else wanted
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft < wanted:
        log.warning(
            "the limit of open files is %d, but %d connections need %d: raise it (ulimit -n) or lower max_connections",
            soft,
            settings.max_connections,
            wanted,
        )


@contextmanager
def prepared_for_workers(settings: Settings, import_app: Callable[[], object]) -> Iterator[None]:
    """With several workers: a folder in which they add up their metrics, and one import of the application for all."""
    if settings.workers == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="obscura-backup-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # prometheus_client reads it when it is imported
        if CAN_FORK:
            with _without_collections():
                import_app()
        yield


def check_stores(settings: Settings) -> None:
    """Start and close the stores once, so that a problem with them is reported in one sentence.

    Raises:
        StoreUnusable: one of them cannot be used as configured.
    """
    if settings.workers > 1 and CAN_FORK:
        # In a process of its own, since stores may leave threads behind, which do not survive the fork of a worker.
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(1, context, initializer=_prepare_check, initargs=(os.getpid(),)) as process:
            process.submit(_check_stores, settings).result()
    else:
        _check_stores(settings)


def _prepare_check(parent_pid: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a terminal interrupts the parent, too, which says so
    _die_with_parent(parent_pid)


def _check_stores(settings: Settings) -> None:
    with _without_collections():
        from obscura_backup.entrypoints.container import Container, started  # after the port is bound: it takes time

        async def check() -> None:
            async with started(Container(settings=settings)):
                pass

        asyncio.run(check())


def run(settings: Settings, sockets: list[socket.socket], make_app: MakeApp) -> None:
    """Serve until SIGTERM or SIGINT, wait for the notice to pass, then let requests in flight finish.

    Args:
        settings: of the service.
        sockets: the public listener, and the management listener if `settings.admin_port` is set.
        make_app: see `AppFactory`.
    """
    config = uvicorn.Config(
        AppFactory(settings, os.getpid(), make_app),
        factory=True,
        workers=settings.workers,
        http=BoundedProtocol,
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        headers=[("X-Content-Type-Options", "nosniff")],
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=math.ceil(settings.drain_seconds),
    )
    StartSignals.handle()
    try:
        if settings.workers == 1:
            uvicorn.Server(config).run(sockets=sockets)
        else:
            from prometheus_client.multiprocess import mark_process_dead

            from obscura_backup.entrypoints.http.server.workers import Workers  # most services run one process

            workers = Workers(
                config,
                sockets,
                start_seconds=settings.start_seconds,
                stop_seconds=settings.notice_seconds + settings.drain_seconds + STUCK_SECONDS,
                on_end=mark_process_dead,  # its gauges go, its counters stay
                fork=CAN_FORK,
            )
            workers.run()
            if workers.failed_to_start:
                sys.exit(STARTUP_FAILURE)  # as with one process; a supervisor must not take it for an orderly end
    except KeyboardInterrupt:
        pass


@contextmanager
def _without_collections() -> Iterator[None]:
    # Imports make many objects and little garbage: the collector would look at them again and again, for a sixth of the
    # time of a start. Frozen, they are not looked at while requests are served, either.
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _die_with_parent(parent_pid: int) -> None:
    # A child that outlived a killed parent would keep the port.
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        sys.exit(1)
