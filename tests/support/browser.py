"""A headless Chromium (Debian's package), driven over its DevTools protocol by two pipes."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from support.servers.programs import native

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGE = "chromium"
# Chromium reads commands from descriptor 3 and writes answers to descriptor 4. Copies first: one may be in the way.
_EXEC = """
import fcntl, os, sys
commands, answers = (fcntl.fcntl(int(descriptor), fcntl.F_DUPFD, 5) for descriptor in sys.argv[1:3])
os.dup2(commands, 3)
os.dup2(answers, 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""
SECONDS = 120.0
"""For the start and for each command: a browser is slow on a busy machine."""


def require() -> None:
    """Skip the test if there is no Chromium and it may not be installed."""
    if shutil.which("chromium") is None and not native.install_with_apt(PACKAGE, "fonts-dejavu-core"):
        native.missing("Chromium", "install the package `chromium`")


class Browser:
    """One page of a running Chromium.

    Attributes:
        events: what the browser has told so far, oldest first: requests, log entries and so on.
    """

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to_browser = to_browser
        self._from_browser = from_browser
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Accessibility"):
            self.command(f"{domain}.enable")

    def command(self, method: str, **parameters: Any) -> Any:
        """Send one command, and wait for its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to_browser, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def open(self, url: str) -> int:
        """Load a page; the status of its answer."""
        del self.events[:]
        self.command("Page.navigate", url=url)
        while not self._told("Page.loadEventFired"):
            self.events.append(self._receive())
        loaded = (event["params"] for event in self._told("Network.responseReceived"))
        return next(int(each["response"]["status"]) for each in loaded if each["type"] == "Document")

    def show(self, *, width: int, dark: bool) -> None:
        """Take this width and this colour scheme from now on."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, file: Path) -> bytes:
        """Write the whole page as a PNG file; its bytes."""
        taken = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(taken["data"]))
        return file.read_bytes()

    def value(self, expression: str) -> Any:
        """The value of a JavaScript expression. Chromium evaluates it also where the page allows no script."""
        result = self.command("Runtime.evaluate", expression=expression, returnByValue=True)
        return result["result"].get("value")

    def awaited(self, expression: str) -> Any:
        """The value of a promise.

        Raises:
            RuntimeError: it was rejected, or the expression failed.
        """
        answer = self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def accessible(self) -> list[tuple[str, str]]:
        """Role and name of each element, as a screen reader finds them."""
        nodes = self.command("Accessibility.getFullAXTree")["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")
        ]

    def press(self, key: str) -> None:
        """Press Tab, Enter or Escape once."""
        code, text = {"Tab": (9, ""), "Enter": (13, "\r"), "Escape": (27, "")}[key]
        for kind in ("keyDown", "keyUp"):
            # Only with its text, Enter does what it does for a person: submit a form, press a button.
            typed = {"text": text} if text and kind == "keyDown" else {}
            self.command("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **typed)

    def type(self, text: str) -> None:
        """Type into the element that has the focus."""
        self.command("Input.insertText", text=text)

    def await_true(self, expression: str) -> None:
        """Wait until an expression is true.

        Raises:
            TimeoutError: it was not in time.
        """
        deadline = time.monotonic() + SECONDS
        while not self.value(expression):
            if time.monotonic() > deadline:
                raise TimeoutError(expression)
            time.sleep(0.02)

    def await_event(self, method: str) -> dict[str, Any]:
        """Wait for an event of the browser, and remove it from `events`; its parameters."""
        while not self._told(method):
            self.events.append(self._receive())
        found = self._told(method)[0]
        self.events.remove(found)
        parameters: dict[str, Any] = found["params"]
        return parameters

    def requested(self) -> list[str]:
        """The addresses that the page asked for."""
        return [event["params"]["request"]["url"] for event in self._told("Network.requestWillBeSent")]

    def complaints(self) -> list[str]:
        """What the browser logged about the page, such as violations of its policy."""
        return [event["params"]["entry"]["text"] for event in self._told("Log.entryAdded")]

    def _told(self, method: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event.get("method") == method]

    def _receive(self) -> dict[str, Any]:
        deadline = time.monotonic() + SECONDS
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from_browser], [], [], max(0, deadline - time.monotonic()))
            piece = os.read(self._from_browser, 1 << 20) if ready else b""
            if not piece:
                raise RuntimeError("Chromium ended, or did not answer in time")
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found


@contextmanager
def running(folder: Path) -> Iterator[Browser]:
    """A browser with an empty profile in this folder."""
    commands_read, commands_write = os.pipe()
    answers_read, answers_write = os.pipe()
    options = [
        "--headless",
        "--no-sandbox",  # it shows pages of this test only, and containers may not allow its sandbox
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--no-first-run",
        "--remote-debugging-pipe",
        f"--user-data-dir={folder / 'profile'}",
    ]
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _EXEC, str(commands_read), str(answers_write), "chromium", *options],
            pass_fds=(commands_read, answers_write),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "HOME": str(folder)},
        )
    os.close(commands_read)
    os.close(answers_write)
    try:
        yield Browser(commands_write, answers_read)
    finally:
        os.close(commands_write)  # Chromium ends with it
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(answers_read)
