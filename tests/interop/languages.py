"""The format in other languages: programs that follow docs/format.md and share no code with the Python client."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from support.servers.programs import native
from support.servers.programs.go_programs import CACHE

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = Path(__file__).parent
OLDEST_NODE = (20, 19)
INSTALL_SECONDS = 300


def go_program(folder: Path) -> list[str]:
    """The command that runs the program in Go, built in an empty folder; skips (fails in CI) where there is no Go."""
    go = shutil.which("go") or (shutil.which("go") if native.install_with_apt("golang-go") else None)
    if go is None:
        native.missing("Go, for the format in a second language", "install Go 1.24 or newer")
    built = folder / "sealed"
    subprocess.run([go, "build", "-o", str(built), "."], cwd=SOURCE / "go", check=True, timeout=INSTALL_SECONDS)
    return [str(built)]


@dataclass(frozen=True)
class TypeScriptClient:
    """The client in TypeScript, compiled.

    Attributes:
        program: the command that runs its test program in Node.
        page: the folder of the page for people.
        test_page: the folder of the page for tests in a browser.
    """

    program: list[str]
    page: Path
    test_page: Path


def typescript_client() -> TypeScriptClient:
    """The client, type-checked and compiled once per version; skips (fails in CI) where there is no Node."""
    node = _node() or (_node() if native.install_with_apt("nodejs", "npm") else None)
    if node is None:
        wanted = ".".join(map(str, OLDEST_NODE))
        native.missing("Node, for the format in a second language", f"install Node {wanted} or newer, with npm")
    sources = sorted(path for path in (SOURCE / "node").rglob("*") if path.is_file() and not _is_generated(path))
    lock = (SOURCE / "node" / "package-lock.json").read_bytes()
    modules = _made_once("node", lock, lambda folder: _install(node, folder))
    everything = b"".join(str(path.relative_to(SOURCE)).encode() + path.read_bytes() for path in sources)
    built = _made_once("typescript", lock + everything, lambda folder: _build(node, folder, sources, modules)) / "dist"
    return TypeScriptClient([node, str(built / "test" / "program.js")], built / "web", built / "web-test")


def _is_generated(path: Path) -> bool:
    return not {"node_modules", "dist"}.isdisjoint(path.relative_to(SOURCE).parts)


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


def _made_once(name: str, made_of: bytes, make: Callable[[Path], None]) -> Path:
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


def _install(node: str, folder: Path) -> None:
    """Install the packages of the lock file, each checked against its hash."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(SOURCE / "node" / name, folder)
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-progress", "--loglevel=error"]
    done = _npm(node, folder, "ci", *quiet)
    if done.returncode != 0:
        native.missing("package of npm's", f"be online once ({done.stderr[-500:]})")


def _build(node: str, folder: Path, sources: list[Path], modules: Path) -> None:
    for path in sources:
        copy = folder / path.relative_to(SOURCE / "node")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    # Packages find one another only in a folder of this name.
    (folder / "node_modules").symlink_to(modules / "node_modules")
    for script in ("build", "build:test"):
        done = _npm(node, folder, "run", "--silent", script)
        assert done.returncode == 0, done.stdout + done.stderr


def _npm(node: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [shutil.which("npm", path=_path(node)) or "npm", *arguments],
        cwd=folder,
        env={**os.environ, "PATH": _path(node), "NO_UPDATE_NOTIFIER": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=INSTALL_SECONDS,
    )
