"""`make bench-scale`: what many rows and many files cost."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import environment
from benchmarks.exits import exit_code
from benchmarks.scale import embedded, postgres, service
from benchmarks.scale.report import lines
from benchmarks.scale.server import TunedPostgres
from support.servers.service import COMMAND

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

STAGES = ("service", "postgres", "embedded")


def main(arguments: list[str] | None = None) -> int:
    """0: measured; 2: wrong usage; 3: not possible here."""
    parser = argparse.ArgumentParser(prog="bench-scale", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, help="in PostgreSQL")
    parser.add_argument("--files", type=int, default=1_000_000, help="slots in SQLite and files")
    parser.add_argument("--rounds", type=int, default=6, help="of each comparison")
    parser.add_argument("--seconds", type=float, default=240, help="for each part that can be stopped early")
    parser.add_argument("--stages", default=" ".join(STAGES), help="which of them, separated by spaces")
    parser.add_argument("--json", type=Path, help="where the figures go")
    options = parser.parse_args(arguments)
    return exit_code(lambda: _measure(options))


def _measure(options: argparse.Namespace) -> int:
    # Other stages stay as an earlier run found them.
    figures = json.loads(options.json.read_text()) if options.json is not None and options.json.exists() else {}
    for stage in options.stages.split():
        about = _about()

        def keep(found: Mapping[str, Any], stage: str = stage, about: dict[str, Any] = about) -> None:
            figures[stage] = {"about": about, **found}
            if options.json is not None:  # after each part, so that an interrupted run is not lost
                options.json.write_text(f"{json.dumps(figures, indent=1, allow_nan=False)}\n")

        asyncio.run(_STAGES[stage](options, keep))
        print(*lines(stage, figures[stage]), sep="\n", flush=True)
    return 0


async def _postgres(options: argparse.Namespace, keep: Callable[[Mapping[str, Any]], None]) -> None:
    server = TunedPostgres()
    try:
        server.start()
        stage = postgres.Stage(server, options.rows, rounds=options.rounds, seconds=options.seconds)
        await stage.measure(keep)
    finally:
        server.remove()


async def _embedded(options: argparse.Namespace, keep: Callable[[Mapping[str, Any]], None]) -> None:
    with tempfile.TemporaryDirectory(prefix="obscura-scale-") as folder:
        stage = embedded.Stage(Path(folder), options.files, rounds=options.rounds, seconds=options.seconds)
        await stage.measure(keep)


async def _service(options: argparse.Namespace, keep: Callable[[Mapping[str, Any]], None]) -> None:
    service.measure(options.rounds, keep)


_STAGES = {"service": _service, "postgres": _postgres, "embedded": _embedded}


def _about() -> dict[str, Any]:
    python = environment.python_of(COMMAND)
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": environment.machine(Path(tempfile.gettempdir())),
        "python": python["version"],
        "obscura_backup": python["packages"]["obscura-backup"],
    }


if __name__ == "__main__":
    raise SystemExit(main())
