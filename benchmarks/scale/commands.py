"""Commands, measured: time, processor time and memory. A command that takes too long is asked to end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.processes import usage
from support.servers.service import SECRET, Service

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


POLL_SECONDS = 0.05
START_SECONDS = 300.0
"""A start is measured, and not asserted: it may take long on a busy machine."""


@dataclass(frozen=True)
class Done:
    """What a command took.

    Attributes:
        seconds: from start to end.
        processor_seconds: of the command.
        server_seconds: processor time of the database server meanwhile; 0 without one.
        peak_mib: its largest resident set.
        output: what it printed.
    """

    seconds: float
    processor_seconds: float
    server_seconds: float
    peak_mib: float
    output: str

    def document(self) -> dict[str, float]:
        """For JSON."""
        return {
            "seconds": round(self.seconds, 2),
            "processor_seconds": round(self.processor_seconds, 2),
            "server_seconds": round(self.server_seconds, 2),
            "peak_mib": round(self.peak_mib, 1),
        }


def run(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    server: int | None = None,
    seconds: float = 1800,
    codes: Sequence[int] = (0,),
) -> Done:
    """Run a command.

    Args:
        command: with its arguments.
        environment: of the process; by default this one's.
        server: the first process of a database server that works for it.
        seconds: after which it gets SIGTERM.
        codes: exit codes that are no failure.

    Raises:
        RuntimeError: it failed.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as complaints:
        began, before = time.perf_counter(), _server_seconds(server)
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=complaints)
        limit = threading.Timer(seconds, process.send_signal, (signal.SIGTERM,))
        limit.start()
        peak_mib = 0.0
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            peak_mib = max(peak_mib, _peak_mib(process.pid))
            time.sleep(POLL_SECONDS)
        _, status, used = ended
        took = time.perf_counter() - began
        limit.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in codes:
            complaints.seek(0)
            raise RuntimeError(f"{command[0]} ended with {process.returncode}: {complaints.read()[-2000:]!r}")
        output.seek(0)
        return Done(
            seconds=took,
            processor_seconds=used.ru_utime + used.ru_stime,
            server_seconds=_server_seconds(server) - before,
            peak_mib=peak_mib,
            output=output.read().decode(),
        )


def scan(service: Service, *arguments: str, server: int | None = None, seconds: float) -> dict[str, Any]:
    """Run `scrub` or `reap` with `--json`; what it took, per slot, too. It may have examined only a part.

    Args:
        service: whose settings it uses.
        arguments: the command and its options.
        server: see `run`.
        seconds: after which it is stopped.
    """
    command = [str(service.command), *arguments, "--json", "--data-dir", str(service.data_dir)]
    # 5: there are findings; 130: stopped
    done = run(command, environment=service.full_environment(), server=server, seconds=seconds, codes=(0, 5, 130))
    summary = json.loads(done.output.splitlines()[-1])
    slots = summary["slots"]
    return {
        **done.document(),
        "slots": slots,
        "whole": summary["done"],
        "slots_per_second": round(slots / done.seconds),
        "processor_us_per_slot": round(1e6 * done.processor_seconds / max(1, slots), 1),
        "server_us_per_slot": round(1e6 * done.server_seconds / max(1, slots), 1),
    }


def start_up(data_dir: Path, stores: Mapping[str, str]) -> dict[str, float]:
    """How long the service takes from its start until it is ready, and what that costs."""
    service = Service(data_dir, {"OBSCURA_BACKUP_AUTH_SECRET": SECRET, **stores}, ("--log-level", "warning"))
    began = time.perf_counter()
    with Path(os.devnull).open("w") as log:
        service.start(stderr=log, seconds=START_SECONDS)
    try:
        while service.request("GET", "/health/ready", token=None).status != HTTPStatus.OK:
            time.sleep(0.01)
        took = time.perf_counter() - began
        used = usage(service.pid)
    finally:
        service.stop()
    return {
        "seconds": round(took, 3),
        "processor_seconds": round(used.processor_seconds, 3),
        "memory_mib": round(used.resident_bytes / 2**20, 1),
    }


def bytes_below(folder: Path) -> int:
    """Of all files below a folder, by what they take on the disk."""
    text = subprocess.run(["du", "-s", "-B1", str(folder)], check=True, capture_output=True, text=True).stdout
    return int(text.split()[0])


def remove(folder: Path) -> None:
    """Remove a folder with all that is in it."""
    shutil.rmtree(folder, ignore_errors=True)


def _peak_mib(pid: int) -> float:
    # Not `ru_maxrss`, which starts at what the process had before it became another program.
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return max((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), default=0.0)


def _server_seconds(server: int | None) -> float:
    return 0.0 if server is None else usage(server).processor_seconds
