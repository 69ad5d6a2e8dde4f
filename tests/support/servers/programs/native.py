"""Finding, installing and running the programs of real servers, as an ordinary user even where the tests are root."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REQUIREMENTS = Path(__file__).parents[4] / "requirements"
IN_CI = os.environ.get("CI") == "true"
MAY_INSTALL = IN_CI or os.environ.get("OBSCURA_TEST_INSTALL") == "1"
IS_ROOT = os.geteuid() == 0
INSTALL_SECONDS = 300


def missing(server: str, way_out: str) -> NoReturn:
    """Skip, with the way out in one line; in CI a test that cannot run has failed."""
    sentence = f"There is no {server}: {way_out}, or set OBSCURA_TEST_INSTALL=1 to have it installed."
    if IN_CI:
        raise RuntimeError(sentence)
    pytest.skip(sentence)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def temporary_folder(name: str, *, user: str | None, within: Path | None = None) -> Path:
    """A folder of the user's own; the caller removes it."""
    folder = Path(tempfile.mkdtemp(prefix=f"obscura-{name}-", dir=within))
    if user is not None:
        shutil.chown(folder, user)
    return folder


def ordinary_user(*names: str) -> str | None:
    """The user for a server that refuses to run as root; None where the tests do not run as root."""
    if not IS_ROOT:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in (*names, "nobody") if name in known)


def as_user(user: str | None) -> dict[str, Any]:
    """Arguments of `subprocess` to run a program as that user."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def start(command: list[str], *, folder: Path, log: Path, user: str | None) -> subprocess.Popen[bytes]:
    """Start a server in a folder of its own, saying what it says to the log."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **as_user(user)
        )


def install_with_apt(*packages: str) -> bool:
    """Whether Debian's packages are there now."""
    if not (MAY_INSTALL and IS_ROOT and shutil.which("apt-get")):
        return False
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # Another test process may be installing something at this moment.
    options = ["--yes", "--quiet", "--no-install-recommends", "-o", f"DPkg::Lock::Timeout={INSTALL_SECONDS}"]
    install = ["apt-get", "install", *options, *packages]
    return any(
        all(_succeeds(command, environment) for command in commands)
        for commands in ([install], [["apt-get", "update", "--quiet"], install])
    )


def install_wheel(requirements: str, folder: Path) -> bool:
    """Whether the wheels of this file of hashes are unpacked in the folder now."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    pip += ["--only-binary", ":all:", "--require-hashes", "--target", str(folder)]
    return MAY_INSTALL and _succeeds([*pip, "-r", str(REQUIREMENTS / requirements)], dict(os.environ))


def await_answer(
    answers: Callable[[], bool], process: subprocess.Popen[bytes] | None, log: Path | None, *, seconds: float = 120
) -> None:
    """Wait until a server answers; if it dies first, say what it said. Recovery takes its time on a busy machine."""
    deadline = time.monotonic() + seconds
    while not answers():
        if time.monotonic() > deadline or (process is not None and process.poll() is not None):
            raise RuntimeError(f"the server did not start: {log.read_text()[-2000:] if log else 'no answer'}")
        time.sleep(0.02)


def await_end(pids: Sequence[int], *, seconds: float = 20) -> None:
    """Wait until none of these processes, which need not be our children, is there any more."""
    deadline = time.monotonic() + seconds
    while any(_is_alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            raise RuntimeError(f"still there: {pids}")
        time.sleep(0.005)


def _is_alive(pid: int) -> bool:
    # A zombie holds no resources; its new parent may reap it late.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _succeeds(command: Sequence[str], environment: dict[str, str]) -> bool:
    done = subprocess.run(
        command, env=environment, check=False, timeout=INSTALL_SECONDS, stdin=subprocess.DEVNULL, capture_output=True
    )
    return done.returncode == 0
