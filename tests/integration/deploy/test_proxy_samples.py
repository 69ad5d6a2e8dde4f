"""The samples for reverse proxies, checked by the proxies themselves."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.servers.proxies.reverse_proxies import DEPLOY, Haproxy, HaproxyOfPairs, Nginx, ReverseProxy, program

if TYPE_CHECKING:
    from pathlib import Path

CADDYFILE = DEPLOY / "caddy" / "Caddyfile"
PORTS = (8400, 8401)


def caddy_validates(file: Path, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("caddy"), "validate", "--adapter", "caddyfile", "--config", str(file)],
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("kind", [Nginx, Haproxy, HaproxyOfPairs])
def test_sample_is_valid(kind: type[ReverseProxy], tmp_path: Path) -> None:
    done = kind(tmp_path, PORTS).check()
    complaints = [line for line in done.stderr.splitlines() if "warn" in line.lower()]
    assert (done.returncode, complaints) == (0, []), done.stderr


@pytest.mark.parametrize(("kind", "line"), [(Nginx, "proxy_request_buffering on;"), (Haproxy, "option redispatch 1")])
def test_misspelt_line_would_be_found(kind: type[ReverseProxy], line: str, tmp_path: Path) -> None:
    assert kind(tmp_path, PORTS, {line: f"x{line}"}).check().returncode == 1


def test_caddyfile_is_valid(tmp_path: Path) -> None:
    done = caddy_validates(CADDYFILE, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "not formatted" not in done.stderr


def test_misspelt_line_of_the_caddyfile_would_be_found(tmp_path: Path) -> None:
    file = tmp_path / "Caddyfile"
    file.write_text(CADDYFILE.read_text().replace("lb_policy", "lb_polixy"))
    assert caddy_validates(file, tmp_path).returncode == 1
