"""The documentation site: it builds without a warning, is complete, and loads nothing from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest
import yaml  # type: ignore[import-untyped]

import obscura_backup_client
from support.servers.programs.containers import ROOT

if TYPE_CHECKING:
    from pathlib import Path

# Elements that load something when a page is opened, and the attribute that names it.
LOADING = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "link": "href",
}
# A link element of these kinds loads nothing.
INERT = {"index", "search", "next", "prev", "author", "copyright", "canonical"}


@dataclass
class Page(HTMLParser):
    """What a page links to, what it loads, and the places in it that can be linked to."""

    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        attribute = LOADING.get(tag)
        if attribute in found and not (tag == "link" and found.get("rel") in INERT):
            self.loaded.append(found[attribute])

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make docs` makes."""
    folder = tmp_path_factory.mktemp("site")
    make = ["make", "docs", f"SITE={folder}", f"VENV={sys.prefix}", "-o", f"{sys.prefix}/.docs"]
    done = subprocess.run(make, cwd=ROOT, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    found = {}
    for path in sorted(site.rglob("*.html")):
        found[path] = Page()
        found[path].feed(path.read_text(encoding="utf-8"))
    return found


def test_every_page_of_the_repository_is_in_the_site(pages: dict[Path, Page], site: Path) -> None:
    folders = ("docs", "docs/decisions")
    sources = [path for folder in folders for path in (ROOT / folder).glob("*.md")]
    sources += [
        ROOT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "client/README.md")
    ]
    missing = [path.name for path in sources if site / path.relative_to(ROOT).with_suffix(".html") not in pages]
    assert missing == []
    assert site / "index.html" in pages


def test_pages_load_nothing_from_elsewhere(pages: dict[Path, Page], site: Path) -> None:
    loaded = {each for page in pages.values() for each in page.loaded}
    assert any(each.endswith(".css") or ".css?" in each for each in loaded)
    assert [each for each in loaded if urlsplit(each).scheme not in ("", "data") or urlsplit(each).netloc] == []
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        assert re.findall(r"""url\(\s*['"]?(?:https?:)?//[^)]*|@import[^;]*//[^;]*""", text) == [], style.name


def test_all_links_and_anchors_of_the_site_lead_somewhere(pages: dict[Path, Page], site: Path) -> None:
    checked = 0
    for path, page in pages.items():
        for link in page.links + page.loaded:
            url = urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            assert target.is_relative_to(site.resolve()), f"{path.name}: {link}"
            assert target.is_file(), f"{path.name}: {link}"
            if url.fragment and target.suffix == ".html" and target in pages:
                assert unquote(url.fragment) in pages[target].ids, f"{path.name}: {link}"
            checked += 1
    assert checked > 1000


def test_http_reference_has_each_operation_and_answer(pages: dict[Path, Page], site: Path) -> None:
    text = pages[site / "docs/http.html"].text
    described = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text(encoding="utf-8"))
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            assert f"{operation['summary']}: {method.upper()} {path}" in text
    for name in described["components"]["schemas"]:
        assert name in text
    assert text.count("version-mismatch: the request names another version") == 2, "in POST and DELETE"


def test_python_reference_has_each_public_name(pages: dict[Path, Page], site: Path) -> None:
    ids = pages[site / "docs/python-api.html"].ids
    named = {each.rpartition(".")[2] for each in ids if each.startswith("obscura_backup_client.")}
    assert set(obscura_backup_client.__all__) - {"PROFILES", "__version__"} <= named


def test_drawings_and_plots_are_in_the_site(pages: dict[Path, Page], site: Path) -> None:
    drawn = {
        each.rpartition("/")[2]
        for name in ("concepts", "benchmarks")
        for each in pages[site / f"docs/{name}.html"].loaded
    }
    assert {"two-stores.svg", "upload.svg", "server-learns.svg", "throughput.svg", "latency.svg"} <= drawn
