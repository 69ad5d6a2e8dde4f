"""Both packages build to the same bytes for the same commit, and hold what belongs into them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import obscura_backup
from support.servers.programs.containers import ROOT

VERSION = obscura_backup.__version__
NAMES = [
    f"{package}-{VERSION}{ending}"
    for package in ("obscura_backup", "obscura_backup_client")
    for ending in ("-py3-none-any.whl", ".tar.gz")
]
SOURCES = (
    "src",
    "client",
    "Makefile",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "THIRD-PARTY-NOTICES.md",
    "CHANGELOG.md",
)
ENVIRONMENT = Path(sys.prefix)


def copied(folder: Path, *, modified: int, umask: int) -> Path:
    """The sources of both packages in a folder, with other times and permissions."""
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    for path in folder.rglob("*"):
        os.utime(path, (modified, modified))
        path.chmod(path.stat().st_mode & ~umask)
    return folder


def built(sources: Path, *, umask: int) -> Path:
    """What `make dist` makes of them."""
    target = sources / "made"
    make = ["make", "dist", f"DIST={target}", f"VENV={ENVIRONMENT}", "-o", f"{ENVIRONMENT}/.dev"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    done = subprocess.run(
        make, cwd=sources, env=environment, umask=umask, check=False, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packages") / "first"
    return built(copied(folder, modified=1_600_000_000, umask=0o022), umask=0o022)


def test_two_builds_make_the_same_bytes(packages: Path, tmp_path: Path) -> None:
    again = built(copied(tmp_path / "elsewhere", modified=1_650_000_000, umask=0o077), umask=0o077)
    assert sorted(path.name for path in packages.iterdir()) == sorted(NAMES)
    for name in NAMES:
        first, second = ((folder / name).read_bytes() for folder in (packages, again))
        assert hashlib.sha256(first).hexdigest() == hashlib.sha256(second).hexdigest(), name


@pytest.mark.parametrize("package", ["obscura_backup", "obscura_backup_client"])
def test_source_archive_builds_the_same_wheel(packages: Path, tmp_path: Path, package: str) -> None:
    with tarfile.open(packages / f"{package}-{VERSION}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=tmp_path / f"{package}-{VERSION}",
        env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
        check=True,
        capture_output=True,
        timeout=300,
    )
    wheel = f"{package}-{VERSION}-py3-none-any.whl"
    assert (tmp_path / wheel).read_bytes() == (packages / wheel).read_bytes()


@pytest.mark.parametrize(("package", "sources"), [("obscura_backup", "src"), ("obscura_backup_client", "client/src")])
def test_wheel_holds_its_sources_its_licence_and_the_notices(packages: Path, package: str, sources: str) -> None:
    wheel = zipfile.ZipFile(packages / f"{package}-{VERSION}-py3-none-any.whl")
    names = set(wheel.namelist())
    own = {
        str(path.relative_to(ROOT / sources))
        for path in (ROOT / sources / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert f"{package}/py.typed" in own
    information = f"{package}-{VERSION}.dist-info"
    licences = {f"{information}/licenses/{name}" for name in ("LICENSE", "THIRD-PARTY-NOTICES.md")}
    metadata = {f"{information}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt")}
    assert names == own | licences | metadata
