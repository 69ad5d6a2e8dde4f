"""A copy of the repository in which tests run: first to record which of them reach what, then against mutants."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mutation.environment import CONTEXT, DURATIONS, LIMITS, SETTINGS, TIMED_OUT
from mutation.importers import importers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mutation.mutant import Mutant

SOURCES: Final = ("src", "client/src")
# What one test may take in the trial: this, and so many times what its whole file took when it was recorded.
LIMIT_SECONDS: Final = 15.0
LIMIT_FACTOR: Final = 4.0
RECORDING_SECONDS: Final = 3600.0
NO_TESTS_COLLECTED: Final = 5  # of pytest; a mutant that breaks a conftest is told by other codes


class Verdict(Enum):
    """What the tests said of a mutant."""

    KILLED = "killed"
    TIMED_OUT = "killed by time"
    SURVIVED = "survived"
    NOT_REACHED = "not reached by a test"


@dataclass(frozen=True)
class Reach:
    """Which test files reach which lines.

    Attributes:
        lines: for a source file and a line, the test files; an empty name among them: when it was imported.
        seconds: what each test file took.
        importers: for a source file, the test files that import it by name.
    """

    lines: dict[str, dict[int, set[str]]]
    seconds: dict[str, float]
    importers: dict[str, set[str]] = field(default_factory=dict)

    def tests(self, path: str, first: int, last: int) -> list[str]:
        """The test files that reach these lines of a source file, the quickest first.

        What only runs when the module is imported concerns every test that uses the module: that runs a line of it,
        or that imports it, maybe for its values alone.
        """
        lines = self.lines.get(path, {})
        reached = {test for line in range(first, last + 1) for test in lines.get(line, ())}
        if "" in reached:
            reached = {test for tests in lines.values() for test in tests} | self.importers.get(path, set())
        return sorted(reached & self.seconds.keys(), key=lambda test: (self.seconds[test], test))


@dataclass
class Trial:
    """A copy of the repository.

    Attributes:
        root: of the repository; nothing is changed there.
        folder: of the copy, empty at first.
        seed: of hypothesis.
    """

    root: Path
    folder: Path
    seed: int = 0
    reach: Reach = field(default_factory=lambda: Reach({}, {}))

    @property
    def tree(self) -> Path:
        """The root of the copy."""
        return self.folder / "tree"

    def copy(self, names: Iterable[str]) -> None:
        """Copy these files, given from the root."""
        for name in names:
            if (self.root / name).is_file():
                (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.root / name, self.tree / name)

    def record(self, tests: Sequence[str]) -> list[str]:
        """Run the tests without a mutant, and keep which of them reach what.

        Returns:
            The test files that failed; they are not used.

        Raises:
            RuntimeError: the tests could not be run.
        """
        settings, data, durations = (self.folder / name for name in ("coveragerc", "coverage", "durations.json"))
        sources = "\n  ".join(str(self.tree / source) for source in SOURCES)
        settings.write_text(
            f"[run]\nsource =\n  {sources}\ndata_file = {data}\nparallel = true\nsigterm = true\n"
            f"context = ${{{CONTEXT}-}}\n",
            encoding="utf-8",
        )
        report = self.folder / "failed"
        command = ["-m", "coverage", "run", f"--rcfile={settings}", "-m", *self._pytest(tests)]
        with report.open("w+", encoding="utf-8") as output:
            self._run(
                command, RECORDING_SECONDS, {DURATIONS: str(durations), SETTINGS: str(settings)}, output=output.fileno()
            )
            output.seek(0)
            said = output.read()
        if not durations.is_file():
            raise RuntimeError(f"the tests did not run:\n{said[-4000:]}")
        failed = {
            line.split()[1].split("::")[0] for line in said.splitlines() if line.startswith(("FAILED ", "ERROR "))
        }
        seconds = json.loads(durations.read_text(encoding="utf-8"))
        seconds = {name: took for name, took in seconds.items() if name not in failed}
        self.reach = Reach(self._lines(data), seconds, importers(self.tree, SOURCES, seconds))
        return sorted(failed)

    def _lines(self, data: Path) -> dict[str, dict[int, set[str]]]:
        from coverage import Coverage  # noqa: PLC0415 - needed here alone, and not installed for ordinary tests

        coverage = Coverage(data_file=str(data), config_file=False)
        coverage.combine([str(self.folder)], strict=True)
        recorded = coverage.get_data()
        return {
            Path(file).relative_to(self.tree).as_posix(): {
                line: set(contexts) for line, contexts in recorded.contexts_by_lineno(file).items()
            }
            for file in recorded.measured_files()
        }

    def judge(self, mutant: Mutant) -> tuple[Verdict, list[str]]:
        """Run the tests that reach the mutant, against it; the verdict, and these tests.

        Raises:
            RuntimeError: the tests could not be run.
        """
        site = mutant.site
        tests = self.reach.tests(site.path.as_posix(), site.first, site.last)
        return (self.verdict(mutant, tests) if tests else Verdict.NOT_REACHED), tests

    def verdict(self, mutant: Mutant, tests: Sequence[str]) -> Verdict:
        """Run these test files against the mutant, until one fails.

        Raises:
            RuntimeError: the tests could not be run.
        """
        path = self.tree / mutant.site.path
        before = path.stat()
        path.write_text(mutant.mutated, encoding="utf-8")
        # Compiled files are known by the second of the source: neither file may be taken for the other.
        os.utime(path, (before.st_atime, before.st_mtime + 10))
        limits = {test: LIMIT_SECONDS + LIMIT_FACTOR * self.reach.seconds.get(test, 0.0) for test in tests}
        try:
            code = self._run(
                ["-m", *self._pytest(tests), "--exitfirst"],
                60 + sum(limits.values()),
                {LIMITS: json.dumps(limits)},
                output=subprocess.DEVNULL,
            )
        finally:
            path.write_text(mutant.original, encoding="utf-8")
            os.utime(path, (before.st_atime, before.st_mtime))
        if code == NO_TESTS_COLLECTED:
            raise RuntimeError(f"pytest found no tests in {' '.join(tests)}")
        if code == TIMED_OUT:
            return Verdict.TIMED_OUT
        return Verdict.KILLED if code else Verdict.SURVIVED

    def _pytest(self, tests: Sequence[str]) -> list[str]:
        options = ["-q", "-p", "no:cacheprovider", "-p", "mutation.session_plugin", f"--hypothesis-seed={self.seed}"]
        return ["pytest", *options, *tests]

    def _run(self, arguments: list[str], seconds: float, environment: dict[str, str], *, output: int) -> int:
        """Run Python in the copy; its exit code. What it started is ended with it."""
        paths = [str(self.tree / part) for part in (*SOURCES, "tests")]
        temporary = self.folder / "tmp"
        temporary.mkdir(exist_ok=True)
        # PostgreSQL does not run as root, so that root's tests run it as another user, who has to get to its folder.
        self.folder.chmod(self.folder.stat().st_mode | stat.S_IXGRP | stat.S_IXOTH)
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.tree,
            env={
                **os.environ,
                **environment,
                "PYTHONPATH": os.pathsep.join(paths),
                "TMPDIR": str(temporary),
                "PYTHONDONTWRITEBYTECODE": "1" if LIMITS in environment else "",
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.DEVNULL if output == subprocess.DEVNULL else subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return TIMED_OUT
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            shutil.rmtree(temporary, ignore_errors=True)


def tracked(root: Path) -> list[str]:
    """The files of the repository, also those that are new, without what is ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True).stdout
    return sorted(listed.decode().split("\0"))[1:]
