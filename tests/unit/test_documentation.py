"""Links and paths of the documentation lead to files that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(path for folder in ("", "docs", "docs/decisions", "client") for path in (ROOT / folder).glob("*.md"))
BASES = [
    ROOT,
    ROOT / "src/obscura_backup",
    ROOT / "client/src/obscura_backup_client",
    *(path for source in ("src", "client/src") for path in (ROOT / source).rglob("*") if path.is_dir()),
]
LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(r"`((?:[\w.]+/)*[\w]+(?:\.(?:py|yaml|md)|/))`")


def anchors(page: Path) -> set[str]:
    """The anchors of the headings of a page, as Git hosts make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_somewhere() -> None:
    found = [(page, target) for page in PAGES for target in LINK.findall(page.read_text())]
    for page, target in found:
        if "://" not in target and not target.startswith("mailto:"):
            file, _, anchor = target.partition("#")
            linked = (page.parent / file).resolve() if file else page
            assert linked.exists(), (page, target)
            assert not anchor or anchor in anchors(linked), (page, target)


def test_files_that_the_architecture_page_names_exist() -> None:
    named = PATH.findall((ROOT / "docs/architecture.md").read_text())
    assert len(named) > 60
    missing = [path for path in named if not any((base / path).exists() for base in BASES)]
    assert missing == []
