"""`make torture`: hurt real processes for a while, and say in one line what came of it."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from random import SystemRandom

import pytest

from support.sessions.signals import give_children_default_signals
from torture.history import History
from torture.linearizability import check
from torture.nemesis import NoFaultPossible
from torture.run import torture

BROKEN = 1
NOTHING_POSSIBLE = 3


def main(arguments: list[str] | None = None) -> int:
    """0: every promise was kept, on the stores that there are; 1: one was not, or a run failed; 3: none could run."""
    give_children_default_signals()
    options = _parser().parse_args(arguments)
    if options.check:
        return _judge(options.check)
    seed = options.seed or SystemRandom().randrange(1, 1_000_000)
    stores = ("embedded", "fleet") if options.stores == "both" else (options.stores,)
    codes = []
    for name in stores:
        try:
            codes.append(_torture(name, options.seconds / len(stores), seed, watch=options.watch))
        except (pytest.skip.Exception, NoFaultPossible) as missing:
            sys.stderr.write(f"torture {name}: not possible here. {missing}\n")
    return max(codes, default=NOTHING_POSSIBLE)


def _torture(stores: str, seconds: float, seed: int, *, watch: bool) -> int:
    folder = Path(tempfile.mkdtemp(prefix=f"obscura-torture-{stores}-"))
    folder.chmod(0o755)  # PostgreSQL, which refuses to be root, has its folder in there
    try:
        outcome = torture(stores, folder, seconds=seconds, seed=seed, watch=watch)
    except (pytest.skip.Exception, NoFaultPossible):
        shutil.rmtree(folder, ignore_errors=True)
        raise
    sys.stderr.writelines(f"{complaint}\n\n" for complaint in outcome.complaints)
    sys.stdout.write(f"{outcome.line}\n")
    sys.stdout.flush()
    if outcome.complaints:
        return BROKEN
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _judge(path: Path) -> int:
    refusals = [refusal for slot in History.read(path).by_slot().values() if (refusal := check(slot)) is not None]
    sys.stdout.writelines(f"{refusal}\n" for refusal in refusals)
    sys.stdout.write(f"linearizable: {'no' if refusals else 'yes'}\n")
    return BROKEN if refusals else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="torture", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="in all")
    parser.add_argument("--seed", type=int, default=0, help="of operations and faults; 0: another each time")
    parser.add_argument("--stores", choices=("embedded", "fleet", "both", "failover"), default="both")
    parser.add_argument("--watch", action="store_true", help="judge all the time, and end at the first contradiction")
    parser.add_argument("--check", type=Path, metavar="FILE", help="judge a history that was kept, and do nothing else")
    return parser


if __name__ == "__main__":
    sys.exit(main())
