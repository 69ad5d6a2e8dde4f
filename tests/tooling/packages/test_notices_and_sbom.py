"""The SBOMs and the notices name every package that is needed at run time."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from tools import generate_notices
from tools.generate_notices import PAGES, licence, rendered
from tools.run_dependencies import dependency_graph, lock_entries, run_entries

from support.servers.programs.containers import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = sorted(PAGES)
BUILD_TOOLS = ("hatchling", "editables")
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("package", PACKAGES)
def test_each_locked_package_is_needed_at_run_time_or_by_the_build(package: str) -> None:
    elsewhere = {name for name, entry in lock_entries(package).items() if "sys_platform == 'win32'" in entry}
    build = {name for tool in BUILD_TOOLS for name in dependency_graph(tool)} if package == "obscura-backup" else set()
    assert lock_entries(package).keys() - elsewhere - build <= run_entries(package).keys()


@pytest.mark.parametrize("package", PACKAGES)
def test_notices_name_each_run_dependency_with_its_licence(package: str) -> None:
    page = PAGES[package].read_text(encoding="utf-8")
    named = dict(re.findall(r"^\| ([a-z0-9][a-z0-9-]*) \| ([^|]+) \|", page, re.MULTILINE))
    del named["package"]
    assert named == {name: licence(name) for name in run_entries(package)}
    assert page == rendered(package), "run `make notices`"


def test_unknown_licence_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate_notices, "_STATED", {})
    with pytest.raises(LookupError, match="the licence of dependency-injector is not known"):
        licence("dependency-injector")


def test_notices_name_the_assets_of_the_docs_page() -> None:
    assert "Swagger UI, Copyright SmartBear Software Inc." in PAGES["obscura-backup"].read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The files of `make sbom`; what makes them also validates them."""
    return made_sboms(tmp_path_factory.mktemp("sboms"))


@pytest.fixture(scope="module")
def sboms(texts: list[str]) -> dict[str, Any]:
    """By package."""
    return {str(document["metadata"]["component"]["name"]): document for document in map(json.loads, texts)}


def made_sboms(folder: Path) -> list[str]:
    subprocess.run(
        [sys.executable, "-m", "tools.generate_sbom", str(folder)],
        cwd=ROOT,
        env={"SOURCE_DATE_EPOCH": str(int(AT.timestamp()))},
        check=True,
        capture_output=True,
        timeout=300,
    )
    return [file.read_text(encoding="utf-8") for file in sorted(folder.iterdir())]


@pytest.mark.parametrize("package", PACKAGES)
def test_sbom_lists_what_the_lock_file_pins(sboms: dict[str, Any], package: str) -> None:
    document = sboms[package]
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert datetime.fromisoformat(document["metadata"]["timestamp"]) == AT
    listed = {each["name"]: each for each in document["components"]}
    assert listed.keys() == run_entries(package).keys()
    for name, entry in run_entries(package).items():
        component = listed[name]
        assert entry.startswith(f"{name}=={component['version']}")
        assert component["licenses"] == [{"expression": licence(name)}]
        (files,) = component["externalReferences"]
        assert {each["content"] for each in files["hashes"]} == set(re.findall(r"sha256:(\w+)", entry))


def test_sbom_tells_what_needs_what(sboms: dict[str, Any]) -> None:
    edges = {
        each["ref"].partition("@")[0]: {needed.partition("@")[0] for needed in each.get("dependsOn", ())}
        for each in sboms["obscura-backup"]["dependencies"]
    }
    assert {"pkg:pypi/litestar", "pkg:pypi/psycopg"} <= edges["pkg:pypi/obscura-backup"]
    assert "pkg:pypi/psycopg-binary" in edges["pkg:pypi/psycopg"]


def test_sboms_are_reproducible(texts: list[str], tmp_path: Path) -> None:
    assert made_sboms(tmp_path) == texts
