"""What the figures of a run depend on: the machine, the Python of the service, the versions of all parts."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.testbeds import Servers

PACKAGES = (
    "litestar",
    "uvicorn",
    "uvloop",
    "httptools",
    "msgspec",
    "psycopg",
    "psycopg-c",
    "boto3",
    "obstore",
    "pyjwt",
)
_ASK_PYTHON = f"""
import json, platform, sys, sysconfig
from importlib.metadata import PackageNotFoundError, version
def found(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None
flags = sysconfig.get_config_var("CONFIG_ARGS") or ""
# Debian builds twice, and these flags are of the build that it does not run: that of the shared library.
is_other_build = "--enable-shared" in flags and "libpython" not in open("/proc/self/maps").read()
print(json.dumps({{
    "version": platform.python_version(), "implementation": platform.python_implementation(),
    "compiler": platform.python_compiler(), "build_flags": flags,
    "optimized": None if is_other_build else "--enable-optimizations" in flags,
    "packages": {{name: found(name) for name in ("obscura-backup", *{PACKAGES!r}) if found(name)}},
}}))
"""


def python_of(command: Path) -> dict[str, Any]:
    """The Python that runs a command of a virtual environment: version, how it was built, packages."""
    answer = subprocess.run([command.parent / "python", "-c", _ASK_PYTHON], check=True, capture_output=True, text=True)
    described: dict[str, Any] = json.loads(answer.stdout)
    return described


def title_of(python: dict[str, Any]) -> str:
    """Version and kind of build, as one line tells them."""
    built = {
        True: "built with --enable-optimizations",
        False: "built WITHOUT --enable-optimizations",
        None: "built by a distribution, whose flags it does not tell",
    }
    return f"Python {python['version']} {built[python['optimized']]}"


def machine(folder: Path) -> dict[str, Any]:
    """This machine, its load now, and the file system that the stores are on."""
    memory = re.search(r"MemTotal:\s+(\d+)", _text("/proc/meminfo"))
    model = re.search(r"model name\s*:\s*(.+)", _text("/proc/cpuinfo"))
    return {
        "system": platform.platform(),
        "processor": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_mib": int(memory[1]) // 1024 if memory else None,
        "load_at_start": round(os.getloadavg()[0], 2),
        "file_system": _output("stat", "--file-system", "--format=%T", str(folder)),
    }


def stores(servers: Servers) -> dict[str, str]:
    """Versions of the servers that were started."""
    found = {"go": _output("go", "env", "GOVERSION")}
    if "postgres" in vars(servers):
        ((found["postgresql"],),) = servers.postgres.execute("SHOW server_version")
    if "s3" in vars(servers):
        from support.servers.programs.containers import minio_version  # noqa: PLC0415  # only where MinIO was started

        found["minio"] = minio_version()
    return found


def commit(checkout: Path) -> str:
    """The commit of a checkout, with `-dirty` if it was changed since."""
    return _output("git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=12")


def _output(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return ""
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()


def _text(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""
