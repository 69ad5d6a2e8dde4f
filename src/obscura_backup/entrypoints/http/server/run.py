"""Runs the application under uvicorn: one process, or several behind one socket."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import math
import os
import resource
import signal
import socket
import sys
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from obscura_backup.domain.errors import ObscuraError
from obscura_backup.entrypoints.http.limits.client_address import ClientAddress
from obscura_backup.entrypoints.http.server.protocol import OPEN_CONNECTIONS_FACTOR, BoundedProtocol
from obscura_backup.entrypoints.logs import log_to_stderr

if TYPE_CHECKING:
    from litestar.types import ASGIApp

    from obscura_backup.entrypoints.settings import Settings

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 65
"""Longer than the 60 seconds after which most load balancers close an idle connection, so that they do it first."""
STUCK_SECONDS = 10.0
"""Beyond all that it may take, after which a worker is taken for stuck: its stores have to be closed, too."""
_PR_SET_PDEATHSIG = 1
OWN_DESCRIPTORS = 512
"""256 folders of the embedded store, threads, connections to other stores, and spools."""

log = logging.getLogger(__name__)


class AddressInUse(ObscuraError):
    """The address to listen on is not to be had."""

    code = "address-in-use"


@dataclass(frozen=True)
class AppFactory:
    """Makes the application inside the process that runs it; travels to worker processes."""

    settings: Settings
    parent_pid: int

    def __call__(self) -> ASGIApp:
        """The application, with this process set up for it."""
        if os.getpid() != self.parent_pid:
            _die_with_parent(self.parent_pid)
        log_to_stderr(self.settings.log_level)
        BoundedProtocol.max_connections = self.settings.max_connections
        BoundedProtocol.max_connections_per_address = self.settings.max_connections_per_address
        BoundedProtocol.addresses = ClientAddress(self.settings.trusted_proxies)
        # uvicorn's lines at start and stop say what ours say; its warnings are of what strangers send.
        logging.getLogger("uvicorn").setLevel(logging.ERROR)
        from obscura_backup.entrypoints.http.app import create_app  # where it is needed: in the worker
        from obscura_backup.entrypoints.http.server.shutdown import ShutdownState

        stopping = ShutdownState()
        stopping.watch(self.settings.notice_seconds, has_parent=os.getpid() != self.parent_pid)
        return create_app(self.settings, stopping)


def listen(host: str, port: int) -> socket.socket:
    """A bound socket, so that a taken port is told before anything else is done.

    Raises:
        AddressInUse: it is taken, or not ours to have.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise AddressInUse(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from error


def raise_descriptor_limit(settings: Settings) -> None:
    """Raise the soft limit of open files to the hard one, and say where even that is too low for the connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Each connection that is not one too many may have its body in a file.
    wanted = (OPEN_CONNECTIONS_FACTOR + 1) * settings.max_connections + OWN_DESCRIPTORS
    if soft < wanted:
        soft = hard if hard != resource.RLIM_INFINITY and hard < wanted else wanted
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft < wanted:
        log.warning(
            "%d files may be open, and %d connections want %d: raise the limit (ulimit -n) or lower max_connections",
            soft,
            settings.max_connections,
            wanted,
        )


def check_stores(settings: Settings) -> None:
    """Start and close the stores once, so that what is wrong with them is told in one sentence.

    Raises:
        StoreUnusable: one of them cannot be used as configured.
    """
    from obscura_backup.entrypoints.container import Container, started  # not before the port is ours

    async def check() -> None:
        async with started(Container(settings=settings)):
            pass

    asyncio.run(check())


def run(settings: Settings, listening: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, give notice of the end, then let requests in flight finish."""
    config = uvicorn.Config(
        AppFactory(settings, os.getpid()),
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
    # uvicorn raises the signal anew once it is done; an orderly end is a success.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        if settings.workers == 1:
            uvicorn.Server(config).run(sockets=[listening])
        else:
            from obscura_backup.entrypoints.http.server.workers import Workers  # most run one

            with tempfile.TemporaryDirectory(prefix="obscura-backup-metrics-") as folder:
                os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # the workers add their counts up there
                stop_seconds = settings.notice_seconds + settings.drain_seconds + STUCK_SECONDS
                workers = Workers(config, [listening], start_seconds=settings.start_seconds, stop_seconds=stop_seconds)
                workers.run()
                if workers.failed_to_start:
                    sys.exit(STARTUP_FAILURE)  # as of one process: no supervisor may take it for an end in order
    except KeyboardInterrupt:
        pass


def _die_with_parent(parent_pid: int) -> None:
    # A worker that outlived a killed parent would go on holding the port.
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        sys.exit(1)
