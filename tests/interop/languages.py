"""The format in other languages: programs that follow docs/format.md and share no code with the Python client."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support.servers.programs import native, npm_packages

SOURCE = Path(__file__).parent
BUILD_SECONDS = 300


def go_program(folder: Path) -> list[str]:
    """The command that runs the program in Go, built in an empty folder; skips (fails in CI) where there is no Go."""
    go = shutil.which("go") or (shutil.which("go") if native.install_with_apt("golang-go") else None)
    if go is None:
        native.missing("Go, for the format in a second language", "install Go 1.24 or newer")
    built = folder / "sealed"
    subprocess.run([go, "build", "-o", str(built), "."], cwd=SOURCE / "go", check=True, timeout=BUILD_SECONDS)
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
    node = npm_packages.node_for("the format in a second language")
    sources = sorted(path for path in (SOURCE / "node").rglob("*") if path.is_file() and not _is_generated(path))
    lock = (SOURCE / "node" / "package-lock.json").read_bytes()
    modules = npm_packages.installed(node, "node", SOURCE / "node")
    everything = b"".join(str(path.relative_to(SOURCE)).encode() + path.read_bytes() for path in sources)
    made_of = lock + everything
    made = npm_packages.made_once("typescript", made_of, lambda folder: _build(node, folder, sources, modules))
    built = made / "dist"
    return TypeScriptClient([node, str(built / "test" / "program.js")], built / "web", built / "web-test")


def _is_generated(path: Path) -> bool:
    return not {"node_modules", "dist"}.isdisjoint(path.relative_to(SOURCE).parts)


def _build(node: str, folder: Path, sources: list[Path], modules: Path) -> None:
    for path in sources:
        copy = folder / path.relative_to(SOURCE / "node")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    # Packages find one another only in a folder of this name.
    (folder / "node_modules").symlink_to(modules / "node_modules")
    for script in ("build", "build:test"):
        done = npm_packages.npm(node, folder, "run", "--silent", script)
        assert done.returncode == 0, done.stdout + done.stderr
