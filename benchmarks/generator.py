"""The load generator in Go: built once per machine, and run for one measurement at a time."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from benchmarks.measurements import GENERATOR, Measurement, Usage, failed, measurement
from benchmarks.processes import usage
from support.servers.programs import native
from support.servers.programs.go_programs import CACHE

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE = Path(__file__).parent / "go"
BUILD_SECONDS = 1200
LIMIT_SECONDS = 90.0
"""Beside the measured time: to store a backup for each user, and to finish."""


class BuildFailed(Exception):
    """The generator cannot be built."""


def program() -> Path:
    """Its executable, built where it is missing or its source has changed.

    Raises:
        BuildFailed: Go reports an error.
        pytest.skip.Exception: there is no Go.
    """
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(SOURCE.glob("*")))).hexdigest()
    built = CACHE / "go-bin" / f"bench-{digest[:12]}"
    built.parent.mkdir(parents=True, exist_ok=True)
    with built.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be building the same
        if not built.exists():
            _build(built)
    return built


def _build(built: Path) -> None:
    go = shutil.which("go") or (shutil.which("go") if native.install_with_apt("golang-go") else None)
    if go is None:
        native.missing("Go, for the load generator", "install Go 1.24 or newer")
    unfinished = built.with_suffix(".building")
    done = subprocess.run(
        [go, "build", "-trimpath", "-o", str(unfinished), "."],
        cwd=SOURCE,
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": ""},
        check=False,
        timeout=BUILD_SECONDS,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise BuildFailed(f"go build failed: {done.stderr[-2000:]}")
    unfinished.rename(built)


def measure(program: Path, job: Mapping[str, Any], processes: Mapping[str, int], *, seconds: float) -> Measurement:
    """Run one job and measure for a while.

    Args:
        program: the generator.
        job: as `job` in `go/load.go`.
        processes: whose processor time and memory are wanted, by name.
        seconds: to measure for, once the load is steady. If fewer than two calls per client have ended by then, the
            interval lasts up to 5 seconds more.
    """
    running = subprocess.Popen(
        [program, "load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    limit = threading.Timer(seconds + LIMIT_SECONDS, running.kill)
    limit.start()
    try:
        return _measured(running, job, {**processes, GENERATOR: running.pid}, seconds)
    finally:
        limit.cancel()
        running.kill()
        running.communicate()


def _measured(
    running: subprocess.Popen[str], job: Mapping[str, Any], processes: Mapping[str, int], seconds: float
) -> Measurement:
    orders, answers, complaints = _pipe(running.stdin), _pipe(running.stdout), _pipe(running.stderr)

    def answer_to(order: str) -> str:
        orders.write(f"{order}\n")
        orders.flush()
        answer = answers.readline()
        if not answer:
            raise _GeneratorEnded(complaints.read().strip() or "the generator took too long")
        return answer

    try:
        answer_to(json.dumps(job))
        before, began = _usages(processes), time.perf_counter()
        answer_to("begin")
        time.sleep(max(0.0, began + seconds - time.perf_counter()))
        answer_to("end")
        after, ended = _usages(processes), time.perf_counter()
        result = json.loads(answer_to("stop"))
    except _GeneratorEnded as error:
        return failed(str(error))
    return measurement(
        result["microseconds"],
        result["errors"],
        seconds=result["seconds"],
        before=before,
        after=after,
        between_seconds=ended - began,
    )


def _usages(processes: Mapping[str, int]) -> dict[str, Usage]:
    return {name: usage(pid) for name, pid in processes.items()}


class _GeneratorEnded(Exception):
    pass


def _pipe(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise AssertionError("the generator was started with pipes")
    return stream
