"""What shows only from outside of a process: the modules that it loads, and what it asks of the system."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def loaded(program: str) -> list[str]:
    """The modules that a program has loaded at its end."""
    whole = f"{program}\nimport sys\nprint(*sys.modules)"
    command = [sys.executable, "-W", "ignore", "-c", whole]
    return subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout.split()


def test_application_without_traces_loads_neither_sdk_nor_exporter() -> None:
    # Litestar itself imports OpenTelemetry's API and middleware if they are installed.
    names = loaded("from support.servers.in_process.app import App; App()")
    assert "litestar" in names
    assert [name for name in names if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))] == []


def test_drivers_of_stores_that_are_not_used_are_not_loaded() -> None:
    names = loaded("import obscura_backup.entrypoints.container, obscura_backup.entrypoints.http.app")
    assert {"boto3", "botocore", "psycopg", "sqlalchemy", "alembic", "minio"} & set(names) == set()


def test_help_loads_no_heavy_modules() -> None:
    """`--help` and `token` should not wait for a web framework."""
    names = loaded(
        "from obscura_backup.entrypoints.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"
    )
    assert {"litestar", "uvicorn", "boto3", "psycopg", "dependency_injector", "jwt"} & set(names) == set()


def test_serving_does_not_load_the_migration_tools() -> None:
    names = loaded("import obscura_backup.adapters.postgres.store")
    assert "psycopg" in names
    assert {"alembic", "sqlalchemy"} & set(names) == set()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not here to see what SQLite asks the system for")
def test_sqlite_syncs_its_log_and_the_folder_of_that_before_a_commit_returns(tmp_path: Path) -> None:
    """Its own code does so, which Python does not see: by the system calls between two marks."""
    program = """
import asyncio, os, sys
from pathlib import Path
from contracts import samples
from obscura_backup.adapters.sqlite import SqliteMetadataStore
async def main():
    store = SqliteMetadataStore(Path(sys.argv[1]))
    await store.start()
    os.access("/begin", os.F_OK)
    await store.save(samples.user(1), samples.revision(1))
    os.access("/end", os.F_OK)
    await store.close()
asyncio.run(main())
"""
    trace = tmp_path / "trace"
    calls = "trace=fsync,fdatasync,access,faccessat,faccessat2"
    command = [sys.executable, "-c", program, str(tmp_path / "metadata.sqlite3")]
    traced = subprocess.run(
        ["strace", "-f", "-y", "-o", str(trace), "-e", calls, *command],
        env=ENVIRONMENT,
        capture_output=True,
        check=False,
    )
    if traced.returncode and b"ptrace" in traced.stderr:
        pytest.skip("this machine does not allow strace")
    assert traced.returncode == 0, traced.stderr
    between = trace.read_text().partition("/begin")[2].partition("/end")[0]
    assert f"<{tmp_path}/metadata.sqlite3-wal>" in between
    assert f"<{tmp_path}>" in between
