"""The status page of a real service with two workers, in a real browser and in the terminal."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from obscura_backup.entrypoints.http.status.page import HEADERS, page
from support import browser as browsers
from support.servers.in_process.bounded_protocol import eventually
from support.servers.service import COMMAND, Answer, Person, Service, free_port
from support.status_reports import quiet_report, report_of_outage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.browser import Browser

PASSWORD = "a password of the tests"
LOOKS = [(width, dark) for width in (390, 1280) for dark in (False, True)]
# The least contrast of any text with the background behind it, as WCAG 2 defines it.
CONTRAST = """(() => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return colour !== "rgba(0, 0, 0, 0)" ? colour : behind(element.parentElement);
  };
  const ratios = [...document.querySelectorAll("body *")]
    .filter((element) => !["title", "desc"].includes(element.tagName))
    .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .map((element) => {
      const style = getComputedStyle(element);
      const [a, b] = [light(element.ownerSVGElement ? style.fill : style.color), light(behind(element))];
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    });
  return ratios.length > 20 ? Math.min(...ratios) : 0;
})()"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    environment = {"OBSCURA_BACKUP_STATUS_PASSWORD": PASSWORD}
    data = tmp_path_factory.mktemp("service") / "data"
    started = Service(data, environment, ("--workers", "2"), has_management=True)
    started.start()
    assert eventually(lambda: sorted(uploads_by_worker(started)) == started.workers(), seconds=60)
    yield started
    assert started.stop() == 0


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browsers.require()
    with browsers.running(tmp_path_factory.mktemp("browser")) as started:
        yield started


class _Page(BaseHTTPRequestHandler):
    text = ""

    def do_GET(self) -> None:
        body = self.text.encode()
        self.send_response(200)
        for name, value in {**HEADERS, "Content-Type": "text/html; charset=utf-8"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def served(text: str) -> Iterator[str]:
    """The address of this page, with the headers that the service sends."""
    handler = type("Page", (_Page,), {"text": text})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/status"
        finally:
            server.shutdown()


def ask(service: Service, *, accept: str, password: str = PASSWORD) -> Answer:
    credentials = base64.b64encode(f"operator:{password}".encode()).decode()
    headers = {"Accept": accept, "Authorization": f"Basic {credentials}"}
    at_management = Service(service.data_dir, port=service.admin_port)
    return at_management.request("GET", "/status", token=None, headers=headers)


def uploads_by_worker(service: Service) -> dict[int, int]:
    """By the process id of each worker that answers one of some requests: the uploads that it reports."""
    reports = [ask(service, accept="application/json").json for _ in range(12)]
    return {report["pid"]: sum(interval["uploads"] for interval in report["intervals"]) for report in reports}


@pytest.mark.parametrize("outage", [False, True], ids=["quiet", "outage"])
def test_page_fits_phone_and_desktop_in_light_and_dark(browser: Browser, tmp_path: Path, *, outage: bool) -> None:
    with served(page(report_of_outage() if outage else quiet_report())) as url:
        assert browser.open(url) == 200
        assert browser.requested() == [url]
        assert browser.complaints() == []
        pictures = set()
        for width, dark in LOOKS:
            browser.show(width=width, dark=dark)
            pictures.add(browser.screenshot(tmp_path / f"{width}-{'dark' if dark else 'light'}.png"))
            assert browser.value("document.documentElement.scrollWidth") == width, "nothing is cut off"
            assert browser.value(CONTRAST) >= 4.5, "WCAG 2 AA"
        assert len(pictures) == len(LOOKS), "each looks different"


def test_screen_reader_and_keyboard_find_everything(browser: Browser) -> None:
    with served(page(report_of_outage())) as url:
        browser.open(url)
        found = browser.accessible()
        headings = [name for role, name in found if role == "heading"]
        assert set(headings) >= {"Obscura Backup", "What to do", "Critical: The blob store (s3) does not answer."}
        images = [name for role, name in found if role == "image"]
        assert "Uploads" in images
        assert len(images) == len(set(images)) == 8
        assert ("table", "Requests per hour, the newest first") in found
        assert sum(role == "columnheader" for role, _ in found) == 8
        reached = []
        for _ in range(2):
            browser.press("Tab")
            reached.append(browser.value("document.activeElement.className || document.activeElement.tagName"))
        assert reached == ["A", "card scroll"]


def test_browser_asks_for_the_password_and_shows_what_was_uploaded(service: Service, browser: Browser) -> None:
    person = Person.of(service)
    for version in range(3):
        assert person.upload(os.urandom(3000), if_match=str(version) if version else None).status == 200
    assert person.download().status == 200
    assert person.upload(os.urandom(100)).status == 409
    address = f"127.0.0.1:{service.admin_port}/status"
    assert browser.open(f"http://operator:{PASSWORD}@{address}") == 200
    assert browser.complaints() == []
    assert {url.rpartition("@")[2].removeprefix("http://") for url in browser.requested()} == {address}
    assert browser.value("document.querySelector('h1').textContent") == "Obscura Backup"
    rows = browser.value("[...document.querySelectorAll('tbody tr')].map((row) => row.innerText.split('\\t'))")
    uploads, downloads, conflicts = (sum(int(row[column]) for row in rows) for column in (1, 3, 5))
    assert (uploads, downloads, conflicts) == (3, 1, 1)


def test_any_worker_reports_the_uploads_of_all(service: Service) -> None:
    before = uploads_by_worker(service)
    person = Person.of(service)
    for version in range(6):
        assert person.upload(os.urandom(100), if_match=str(version) if version else None).status == 200
    wanted = {worker: uploads + 6 for worker, uploads in before.items()}
    assert eventually(lambda: uploads_by_worker(service).items() <= wanted.items(), seconds=60)


def test_page_needs_its_own_password(service: Service) -> None:
    assert service.request_management("/status").status == 401
    assert ask(service, accept="text/html", password="another one of them").status == 401
    assert ask(service, accept="text/html").status == 200
    assert service.request("GET", "/status", token=None).status == 404


def status_in_terminal(service: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(COMMAND), "status", *arguments],
        env=service.full_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_terminal_shows_the_same(service: Service) -> None:
    done = status_in_terminal(service)
    assert (done.returncode, done.stderr) == (0, "")
    assert "  metadata  sqlite     answers for" in done.stdout
    assert json.loads(status_in_terminal(service, "--json").stdout)["status"] == "ok"


def test_store_that_is_down_is_red_in_browser_and_terminal(browser: Browser, tmp_path: Path) -> None:
    environment = {
        "OBSCURA_BACKUP_STATUS_PASSWORD": PASSWORD,
        "OBSCURA_BACKUP_BLOBS_URL": f"s3://bucket?endpoint=http://127.0.0.1:{free_port()}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    service = Service(tmp_path / "data", environment, has_management=True)
    service.start()
    try:
        browser.open(f"http://operator:{PASSWORD}@127.0.0.1:{service.admin_port}/status")
        assert browser.value("document.title") == "Status: critical | Obscura Backup"
        assert "Critical: The blob store (s3) does not answer." in browser.value("document.body.innerText")
        done = status_in_terminal(service)
        assert done.returncode == 5
        assert "CRITICAL: The blob store (s3) does not answer." in done.stdout
        service.stop()
        assert status_in_terminal(service).returncode == 5
    finally:
        service.stop()
