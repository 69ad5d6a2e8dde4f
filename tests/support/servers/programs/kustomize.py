"""Kustomize, which puts the Kubernetes manifests together."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml  # type: ignore[import-untyped]

from support.servers.programs.go_programs import Builds, GoProgram

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KUSTOMIZE = GoProgram("kustomize", "sigs.k8s.io/kustomize/kustomize/v5", "v5.8.1")  # the last one for Go 1.24
_builds = Builds()


def begin_build(session: pytest.Session) -> None:
    """Start building it, if a collected test needs it, while others run."""
    if not session.config.getoption("collectonly") and any(
        "kustomize" in getattr(item, "fixturenames", ()) for item in session.items
    ):
        _builds.begin(KUSTOMIZE)


@pytest.fixture(scope="session")
def kustomize() -> Callable[[Path], list[dict[str, Any]]]:
    """Makes the documents of a folder with a `kustomization.yaml`."""
    program = _builds.path_of(KUSTOMIZE)

    def build(folder: Path) -> list[dict[str, Any]]:
        done = subprocess.run(
            [str(program), "build", str(folder)], check=False, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return list(yaml.safe_load_all(done.stdout))

    return build
