"""The check at the end of a session of tests, tried out on sessions that leave something over."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PYTEST = [sys.executable, "-m", "pytest", "-c", os.devnull, "-o", "asyncio_mode=auto", "-p", "support.sessions.plugin"]
PYTEST += ["-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin"]
PYTEST += ["-o", "asyncio_default_fixture_loop_scope=function"]
LEAKS = """
import asyncio, os, socket, subprocess, sys, tempfile, threading
import pytest
from support.sessions import leftovers

leftovers.GRACE_SECONDS = 0.2
kept = []
SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]

def test_descriptor():
    kept.append(open(__file__))

def test_descriptor_in_the_place_of_an_earlier_one():
    number = os.dup(2)
    os.close(number)
    assert os.open("/dev/zero", os.O_RDONLY) == number

def test_socket():
    kept.append(socket.create_server(("127.0.0.1", 0)))

def test_thread():
    threading.Thread(target=threading.Event().wait, name="planted-thread", daemon=True).start()

def test_task():
    async def planted_task():
        await asyncio.Event().wait()
    loop = asyncio.new_event_loop()
    kept.append((loop, loop.create_task(planted_task())))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()

def test_child():
    kept.append(subprocess.Popen([*SLEEPER, "planted-child"]))

def test_child_without_a_waiting_parent():
    child = subprocess.Popen([sys.executable, "-c", "", "planted-zombie"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    kept.append(child)

def test_grandchild_whose_parent_has_died():
    code = f"import subprocess; subprocess.Popen({[*SLEEPER, 'planted-orphan']})"
    subprocess.run([sys.executable, "-c", code], check=True)

@pytest.fixture(scope="session")
def held():
    yield
    kept.append(open("/dev/full", "wb"))

def test_file(held):
    os.close(tempfile.mkstemp(prefix="planted-file-")[0])

def test_folder():
    tempfile.mkdtemp(prefix="planted-folder-")
"""
CLEAN = """
import subprocess, sys, tempfile, threading
import pytest

@pytest.fixture(scope="session")
def server():
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        yield child
        child.kill()

def test_that_cleans_up(server, tmp_path):
    (tmp_path / "file").write_text("pytest keeps this one")
    with tempfile.NamedTemporaryFile():
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()

async def test_whose_task_ends():
    pass
"""
EXPECTED = [
    "test_planted.py (open after test_planted.py::test_descriptor)",
    "/dev/zero (open after test_planted.py::test_descriptor_in_the_place_of_an_earlier_one)",
    "socket AF_INET SOCK_STREAM from ('127.0.0.1', ",
    "/dev/full (open after test_planted.py::test_folder)",
    "threads planted-thread (daemon: True)",
    "planted_task()",
    "planted-child",
    "(unreaped)",
    "planted-orphan",
    "/planted-file-",
    "/planted-folder-",
]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the check sees less")


IN_A_WORKER = ("-p", "xdist.plugin", "--numprocesses", "1")


def session_of(folder: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A session of its own, with this file of tests."""
    file = folder / "test_planted.py"
    file.write_text(code)
    return subprocess.run(
        [*PYTEST, *arguments, str(file)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TESTS), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module", params=[(), IN_A_WORKER], ids=["alone", "in a worker"])
def leaking(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> subprocess.CompletedProcess[str]:
    done = session_of(tmp_path_factory.mktemp("leaking"), LEAKS, *request.param)
    for pid in re.findall(r"^processes (\d+) ", done.stdout, re.MULTILINE):
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    return done


def test_tests_that_pass_and_leave_something_over_fail_the_session(leaking: subprocess.CompletedProcess[str]) -> None:
    assert "10 passed" in leaking.stdout
    assert leaking.returncode == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("line", EXPECTED)
def test_each_leftover_is_named(leaking: subprocess.CompletedProcess[str], line: str) -> None:
    assert line in leaking.stdout


def test_nothing_else_is_named(leaking: subprocess.CompletedProcess[str]) -> None:
    kinds = ("descriptors ", "threads ", "tasks ", "processes ", "temporary files ")
    named = [line for line in leaking.stdout.splitlines() if line.startswith(kinds)]
    assert len(named) == len(EXPECTED), named


@pytest.mark.parametrize("arguments", [(), IN_A_WORKER], ids=["alone", "in a worker"])
def test_session_that_cleans_up_passes(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = session_of(tmp_path, CLEAN, *arguments)
    assert (done.returncode, "left over" in done.stdout) == (0, False), done.stdout


def test_temporary_files_of_a_failed_session_are_removed_too(leaking: subprocess.CompletedProcess[str]) -> None:
    (path,) = re.findall(r"^temporary files (.*/planted-file-.*)$", leaking.stdout, re.MULTILINE)
    assert not Path(path).parent.exists()
