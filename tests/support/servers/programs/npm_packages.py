"""Packages of npm, each checked against the hash in a lock file, installed once a machine."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from support.servers.programs import native
from support.servers.programs.go_programs import CACHE

if TYPE_CHECKING:
    from collections.abc import Callable

OLDEST_NODE = (20, 19)
INSTALL_SECONDS = 600


def node_for(purpose: str) -> str:
    """The path of Node; skips (fails in CI) where there is none, or no npm beside it."""
    node = _node() or (_node() if native.install_with_apt("nodejs", "npm") else None)
    if node is None:
        native.missing(f"Node, for {purpose}", f"install Node {'.'.join(map(str, OLDEST_NODE))} or newer, with npm")
    return node


def installed(node: str, name: str, source: Path, *options: str) -> Path:
    """A folder with the packages of `package-lock.json` in `source`, by `npm ci` with these options."""
    lock = (source / "package-lock.json").read_bytes()
    return made_once(name, lock, partial(_install, node, source, options))


def made_once(name: str, made_of: bytes, make: Callable[[Path], None]) -> Path:
    """A folder in the cache, filled once for all test processes, and again when what it is made of changes."""
    made = CACHE / f"{name}-{hashlib.sha256(made_of).hexdigest()[:16]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with made.with_suffix(".lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # another test process may be making the same
        if not made.exists():
            with tempfile.TemporaryDirectory(dir=CACHE) as folder:
                scratch = Path(folder) / "scratch"
                scratch.mkdir()
                make(scratch)
                scratch.rename(made)
    return made


def npm(node: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One command of npm, with the Node that was found."""
    return subprocess.run(
        [shutil.which("npm", path=_path(node)) or "npm", *arguments],
        cwd=folder,
        env={**os.environ, "PATH": _path(node), "NO_UPDATE_NOTIFIER": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=INSTALL_SECONDS,
    )


def _install(node: str, source: Path, options: tuple[str, ...], folder: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(source / name, folder)
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-progress", "--loglevel=error"]
    done = npm(node, folder, "ci", *options, *quiet)
    if done.returncode != 0:
        native.missing("package of npm's", f"be online once ({done.stderr[-500:]})")


def _node() -> str | None:
    node = shutil.which(os.environ.get("NODE") or "node")
    if node is None or shutil.which("npm", path=_path(node)) is None:
        return None
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False, timeout=30).stdout
    major, minor, *_ = (int(part) for part in answer.strip().lstrip("v").split("."))
    return node if (major, minor) >= OLDEST_NODE else None


def _path(node: str) -> str:
    """Where npm is looked for: beside this Node first."""
    return f"{Path(node).parent}{os.pathsep}{os.environ.get('PATH', '')}"
