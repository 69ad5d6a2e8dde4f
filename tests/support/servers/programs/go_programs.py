"""Servers that come as Go source, built once a machine at a pinned version, all of them at the same time."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from support.servers.programs import native

CACHE = Path(os.environ.get("OBSCURA_TEST_CACHE") or Path(__file__).parents[4] / ".cache")
BUILD_SECONDS = 1200


@dataclass(frozen=True)
class GoProgram:
    """One program.

    Attributes:
        name: of its executable.
        package: to build.
        version: of the module that holds the package.
    """

    name: str
    package: str
    version: str

    @property
    def built(self) -> Path:
        return CACHE / "go-bin" / f"{self.name}-{self.version.rpartition('-')[2]}"


class Builds:
    """Builds under way, in threads that do not keep the tests from ending."""

    def __init__(self) -> None:
        self._futures: dict[GoProgram, Future[Path | None]] = {}

    def begin(self, program: GoProgram) -> None:
        """Have the program found or built; returns at once."""
        if program not in self._futures:
            future: Future[Path | None] = Future()
            self._futures[program] = future
            threading.Thread(target=_settle, args=(program, future), daemon=True).start()

    def path_of(self, program: GoProgram) -> Path:
        """Its executable, once it is there; skips (fails in CI) where it cannot be."""
        self.begin(program)
        path = self._futures[program].result(timeout=BUILD_SECONDS)
        if path is None:
            native.missing(program.name, f"put {program.name} on the PATH, install Go (and be online once)")
        return path


BUILDS = Builds()


def _settle(program: GoProgram, future: Future[Path | None]) -> None:
    try:
        future.set_result(_find_or_build(program))
    except BaseException as error:  # noqa: BLE001  # the thread that waits for the result raises it
        future.set_exception(error)


def _find_or_build(program: GoProgram) -> Path | None:
    on_path = shutil.which(program.name)
    if on_path is not None:
        return Path(on_path)
    if program.built.exists():
        return program.built
    go = shutil.which("go") or (shutil.which("go") if native.install_with_apt("golang-go") else None)
    if go is None:
        return None
    program.built.parent.mkdir(parents=True, exist_ok=True)
    with program.built.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another test process may be building the same
        if not program.built.exists():
            _build(go, program)
    return program.built if program.built.exists() else None


def _build(go: str, program: GoProgram) -> None:
    folder = program.built.with_suffix(".building")
    shutil.rmtree(folder, ignore_errors=True)
    done = subprocess.run(
        [go, "install", "-trimpath", f"{program.package}@{program.version}"],
        env={**os.environ, "GOBIN": str(folder), "CGO_ENABLED": "0", "GOFLAGS": ""},
        check=False,
        timeout=BUILD_SECONDS,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    if done.returncode == 0:
        (folder / program.name).rename(program.built)
    elif native.IN_CI:
        raise RuntimeError(f"building {program.name} failed: {done.stderr.decode(errors='replace')[-2000:]}")
    shutil.rmtree(folder, ignore_errors=True)
