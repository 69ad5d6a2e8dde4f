"""A real Prometheus (Debian's package) that scrapes one target every second."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.servers.programs import native

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGE = "prometheus"


def require() -> None:
    """Skip the test if there is no Prometheus and it may not be installed."""
    if shutil.which("prometheus") is None and not native.install_with_apt(PACKAGE):
        native.missing("Prometheus", "install the package `prometheus`")


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    port: int

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples that an expression gives now."""
        found: list[dict[str, Any]] = self._get(f"query?{urllib.parse.urlencode({'query': expression})}")["result"]
        return found

    def scrapes(self) -> int:
        """How often the target was scraped."""
        try:
            found = self.query('count_over_time(up{job="obscura-backup"}[5m])')
        except urllib.error.HTTPError as not_ready:  # 503 during its start
            not_ready.close()
            return 0
        except OSError:
            return 0
        return int(found[0]["value"][1]) if found else 0

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}", timeout=20) as answer:
            return json.load(answer)["data"]


@contextmanager
def scraping(target_port: int, folder: Path) -> Iterator[Prometheus]:
    """A Prometheus with an empty database in this folder."""
    config = folder / "prometheus.yaml"
    job = {"job_name": "obscura-backup", "static_configs": [{"targets": [f"127.0.0.1:{target_port}"]}]}
    config.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": [job]}))  # JSON is YAML
    port = native.free_port()
    command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
    command.append(f"--web.listen-address=127.0.0.1:{port}")
    process = native.start(command, folder=folder, log=folder / "log", user=None)
    started = Prometheus(port)
    try:
        native.await_answer(lambda: started.scrapes() > 0, process, folder / "log")
        yield started
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
