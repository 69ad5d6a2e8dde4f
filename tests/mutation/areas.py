"""The areas that are measured: their source files, the tests that run for them, and the share of mutants to kill."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_SERVER: Final = "src/obscura_backup"
_CLIENT: Final = "client/src/obscura_backup_client"
# The modules of the client that decide whether a backup is confidential, complete and current.
_CORE: Final = (
    "attack_cost", "calibration", "codec", "kdf", "kdf_parameters", "keys", "last_seen", "merge", "model", "padding",
    "passwords", "protobuf_wire", "rollback", "sealed",
)  # fmt: skip


@dataclass(frozen=True)
class Area:
    """A part of the code.

    Attributes:
        name: what `AREA=` takes.
        tests: files or folders of tests, from the root of the repository.
        target: the share of the tried mutants that should be killed, from 0 to 1.
    """

    name: str
    tests: tuple[str, ...]
    target: float

    def sources(self, root: Path = ROOT) -> list[Path]:
        """The source files of the area, from the root, sorted."""
        found = (path.relative_to(root) for part in (_SERVER, _CLIENT) for path in (root / part).rglob("*.py"))
        return sorted(path for path in found if area_of(path) == self.name)


AREAS: Final = {
    area.name: area
    for area in (
        Area("domain", ("tests/unit/server", "tests/protocol"), 0.95),
        Area("sealing", ("tests/unit/client",), 0.95),
        Area("client", ("tests/unit/client", "tests/integration/client/transports"), 0.85),
        Area(
            "adapters",
            (
                "tests/unit/server",
                "tests/integration/postgres/test_store.py",
                "tests/integration/postgres/test_schema.py",
                "tests/integration/s3/test_store.py",
            ),
            0.85,
        ),
        Area(
            "http",
            (
                "tests/unit/server",
                "tests/integration/http/test_embedded.py",
                "tests/integration/http/test_bounds.py",
                "tests/integration/commands/test_command.py",
                "tests/integration/commands/test_stopping.py",
            ),
            0.85,
        ),
    )
}


def area_of(path: Path) -> str | None:
    """The area of a source file, given from the root; None: not measured (generated code, an empty package file)."""
    if path.is_relative_to(_CLIENT):
        inside = path.relative_to(_CLIENT)
        if inside.parts[0] == "generated":
            return None
        return "sealing" if inside.stem in _CORE and inside.parts[0] != "cli" else "client"
    if path.is_relative_to(_SERVER):
        return {"domain": "domain", "adapters": "adapters", "entrypoints": "http"}.get(
            path.relative_to(_SERVER).parts[0]
        )
    return None
