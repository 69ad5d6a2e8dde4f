"""The client in TypeScript at work, in Node and in Chromium: both take the same commands, and give the same answers."""

from __future__ import annotations

import json
import subprocess
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Protocol

from support import browser as browsers
from support.client.vectors import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from interop.languages import TypeScriptClient
    from support.browser import Browser


class Actor(Protocol):
    """One device."""

    def answer(self, do: str, **command: Any) -> dict[str, Any]:
        """The `result` of a command, or its `error` with `reasons` and a `message`; see tests/interop/node/test."""
        ...


def result(actor: Actor, do: str, **command: Any) -> Any:
    """The result of a command that succeeds."""
    answer = actor.answer(do, **command)
    assert "result" in answer, answer
    return answer["result"]


class NodeActor:
    """The test program in Node."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid

    def answer(self, do: str, **command: Any) -> dict[str, Any]:
        """See `Actor.answer`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **command}) + "\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found


class ChromiumActor:
    """The test page in Chromium."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    def answer(self, do: str, **command: Any) -> dict[str, Any]:
        """See `Actor.answer`."""
        found: dict[str, Any] = self._browser.awaited(f"interop.act({json.dumps({'do': do, **command})})")
        return found

    def vectors(self) -> dict[str, dict[str, int]]:
        """How many rows of each list of each file of vectors passed."""
        found: dict[str, dict[str, int]] = self._browser.awaited("interop.all()")
        return found


@contextmanager
def in_node(client: TypeScriptClient) -> Iterator[NodeActor]:
    """A device in a process of its own."""
    with subprocess.Popen(client.program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield NodeActor(process)
        assert process.stdin is not None
        process.stdin.close()


@contextmanager
def in_chromium(client: TypeScriptClient, folder: Path) -> Iterator[tuple[ChromiumActor, str]]:
    """A device in a browser with an empty profile in this folder; and the origin of its page."""
    browsers.require()
    with serving(client.test_page) as origin, browsers.running(folder) as browser:
        browser.open(f"{origin}/browser.html")
        yield ChromiumActor(browser), origin


class _Files(SimpleHTTPRequestHandler):
    def translate_path(self, path: str) -> str:
        return str(FOLDER / path.rpartition("/")[2]) if path.startswith("/vectors/") else super().translate_path(path)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the files of a folder, and the vectors; the origin."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(folder)))
    server.daemon_threads = False  # the end waits for their connections
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
