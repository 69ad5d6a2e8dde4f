from __future__ import annotations

from support.servers.programs.kustomize import begin_build, kustomize

pytest_collection_finish = begin_build

__all__ = ["kustomize"]
