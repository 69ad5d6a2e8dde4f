"""The documentation site of `make docs`: the Markdown pages of the repository, as they are.

The sources are the whole repository, so that links between pages are the same here and in a checkout.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

import obscura_backup

if TYPE_CHECKING:
    from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))
from http_reference import reference

ROOT = Path(__file__).resolve().parents[2]

project = "Obscura Backup"
version = release = obscura_backup.__version__
author = "the Obscura Backup contributors"
copyright = "the Obscura Backup contributors, Apache-2.0"  # noqa: A001 - Sphinx's name

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
include_patterns = [
    "docs/*.md",
    "docs/decisions/*.md",
    "client/README.md",
    "README.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
]
exclude_patterns = [".*", "benchmarks", "deploy", "dist", "src", "tests"]
myst_heading_anchors = 4
default_role = "code"  # of single backticks in docstrings
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

# Furo has neither web fonts nor scripts from elsewhere.
html_theme = "furo"
html_title = f"Obscura Backup {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_extra_path = ["root"]
html_copy_source = False
html_show_sourcelink = False

_LINK = re.compile(r"(?<!!)\[([^\]\[]+)\]\(([^)\s#]+)(?:#[^)\s]*)?\)")


def _prepare(_app: Sphinx, name: str, text: list[str]) -> None:
    """Insert the HTTP reference, and show links to folders of the repository, which are no pages, as plain text."""
    if name == "docs/http":
        description = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text(encoding="utf-8"))
        text[0] += "\n" + reference(description)
    folder = (ROOT / name).parent

    def plain(link: re.Match[str]) -> str:
        return link[1] if (folder / link[2]).is_dir() else link[0]

    text[0] = _LINK.sub(plain, text[0])


def setup(app: Sphinx) -> None:
    """Register what this file adds to Sphinx."""
    app.connect("source-read", _prepare)
