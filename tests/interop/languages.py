"""The format in other languages: where the programs come from that follow docs/format.md and share no code with us."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from support.servers import native
from support.servers.go_programs import CACHE

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


def node_program(folder: Path) -> list[str]:
    """The command that runs the program in JavaScript, copied to an empty folder; skips (fails in CI) without Node."""
    node = _node() or (_node() if native.install_with_apt("nodejs", "npm") else None)
    if node is None:
        wanted = ".".join(map(str, OLDEST_NODE))
        native.missing("Node, for the format in a second language", f"install Node {wanted} or newer, with npm")
    for script in (SOURCE / "node").glob("*.mjs"):
        shutil.copy(script, folder)
    (folder / "node_modules").symlink_to(_modules(node))
    return [node, str(folder / "main.mjs")]


def _node() -> str | None:
    node = shutil.which(os.environ.get("NODE") or "node")
    if node is None or _npm(node) is None:
        return None
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False, timeout=30).stdout
    major, minor, *_ = (int(part) for part in answer.strip().lstrip("v").split("."))
    return node if (major, minor) >= OLDEST_NODE else None


def _npm(node: str) -> str | None:
    return shutil.which("npm", path=f"{Path(node).parent}{os.pathsep}{os.environ.get('PATH', '')}")


def _modules(node: str) -> Path:
    """The packages of the lock file, each checked against its hash; installed once and kept beside what Go built."""
    lock = (SOURCE / "node" / "package-lock.json").read_bytes()
    installed = CACHE / f"node-{hashlib.sha256(lock).hexdigest()[:16]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with installed.with_suffix(".lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # another test process may be installing the same
        if not installed.exists():
            _install(node, installed)
    # Packages find one another only in a folder of this name.
    return installed / "node_modules"


def _install(node: str, installed: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        scratch = Path(folder) / "scratch"
        scratch.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SOURCE / "node" / name, scratch)
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-progress", "--loglevel=error"]
        done = subprocess.run(
            [_npm(node) or "npm", "ci", *quiet],
            cwd=scratch,
            env={**os.environ, "NO_UPDATE_NOTIFIER": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALL_SECONDS,
        )
        if done.returncode != 0:
            native.missing("package of npm's", f"be online once ({done.stderr[-500:]})")
        scratch.rename(installed)
