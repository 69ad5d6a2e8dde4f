"""Running the fuzzer: one process for each target, its seeds written out for it, its last words read."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fuzz import targets

TESTS: Final = Path(__file__).parents[1]
# An input that takes longer, or a process that grows beyond this, is a finding. Instrumented code is several times
# slower, and the interpreter with its libraries takes some 150 MB by itself.
SECONDS_PER_INPUT: Final = 10
MEMORY_MB: Final = 1024


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `edges_at_start` and `edges` are branches of the client's code that its inputs came through."""

    target: str
    exit_code: int
    said: str
    findings: tuple[Path, ...]
    edges_at_start: int
    edges: int
    features: int
    executions: int
    per_second: int

    def __str__(self) -> str:
        return (
            f"{self.target}: {self.executions} executions, {self.per_second}/s; "
            f"edges {self.edges_at_start} by the seeds, {self.edges} at the end; {self.features} features"
        )


def run(
    target: str, folder: Path, *, seconds: int, seed: int, client: Path | None = None, executions: int = -1
) -> Outcome:
    """Fuzz one target until the first finding, at most so many seconds and executions.

    Args:
        target: its name.
        folder: where its corpus grows (`corpus/`) and findings go (`findings/`); they are kept.
        seconds: wall-clock time of the fuzzing itself.
        seed: of the fuzzer's random choices; positive.
        client: where to import the client from, instead of the one that is installed.
        executions: -1 for no limit.
    """
    corpus, findings = folder / "corpus" / target, folder / "findings"
    for each in (corpus, findings):
        each.mkdir(parents=True, exist_ok=True)
    for content in targets.corpus(target):
        (corpus / hashlib.sha256(content).hexdigest()[:20]).write_bytes(content)
    before = set(findings.iterdir())
    options = [f"-max_total_time={seconds}", f"-seed={seed}", f"-runs={executions}", f"-timeout={SECONDS_PER_INPUT}"]
    options += [f"-rss_limit_mb={MEMORY_MB}", f"-artifact_prefix={findings}/{target}-", "-print_final_stats=1"]
    dictionary = Path(__file__).parent / "dictionaries" / f"{target}.dict"
    options += [f"-dict={dictionary}"] if dictionary.exists() else []
    done = subprocess.run(
        [sys.executable, "-m", "fuzz.worker", target, *options, str(corpus)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*([client] if client else []), TESTS]))},
        check=False,
        capture_output=True,
        timeout=seconds + 120,
    )
    said = done.stderr.decode(errors="replace") + done.stdout.decode(errors="replace")
    covered = [int(each) for each in re.findall(r"\bcov: (\d+)", said)]
    at_start = re.search(r"\bINITED cov: (\d+)", said)
    return Outcome(
        target,
        done.returncode,
        said,
        tuple(sorted(set(findings.iterdir()) - before)),
        int(at_start[1]) if at_start else 0,
        max(covered, default=0),
        max([int(each) for each in re.findall(r"\bft: (\d+)", said)], default=0),
        _statistic("number_of_executed_units", said),
        _statistic("average_exec_per_sec", said),
    )


def _statistic(name: str, said: str) -> int:
    found = re.search(rf"stat::{name}:\s*(\d+)", said)
    return int(found[1]) if found else 0
