"""The mutation tester's own logic; the changes themselves come from cosmic-ray, which ordinary tests do not need."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mutation.areas import AREAS, ROOT, Area, area_of
from mutation.equivalents import Equivalent, equivalents
from mutation.exclusions import excluded_spans, exclusion
from mutation.importers import importers
from mutation.mutant import Mutant, Site
from mutation.report import Outcome, survivors_of
from mutation.sampling import drawn
from mutation.statements import place_of, places
from mutation.trial import NO_TESTS_COLLECTED, Reach, Trial, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = "LIMIT = 3\n\n\ndef fits(size: int) -> bool:\n    return size <= LIMIT\n"
MODULE = Path("src/limits.py")
KILLING = "from limits import fits\n\ndef test_the_limit_fits():\n    assert fits(3)\n"
WEAK = "from limits import fits\n\ndef test_one_fits():\n    assert fits(1)\n"
ENDLESS = "from limits import fits\n\ndef test_the_limit_fits():\n    while not fits(3):\n        pass\n"


def mutant(before: str = "size <= LIMIT", after: str = "size < LIMIT", line: int = 5) -> Mutant:
    site = Site(MODULE, "Lt", 0, (line, 4), line, line, "fits", SOURCE.splitlines()[line - 1].strip())
    return Mutant(site, SOURCE, SOURCE.replace(before, after))


def sites(names: str, texts: int) -> list[list[list[Site]]]:
    return [
        [
            [Site(Path(name), kind, 0, (place, 0), place, place, "", f"line {place}") for kind in "ab"]
            for place in range(texts)
        ]
        for name in names
    ]


@pytest.fixture
def trial(tmp_path: Path) -> Callable[..., Trial]:
    """A trial of a repository of one module, with these test files reaching it."""

    def made(**tests: str) -> Trial:
        root = tmp_path / "root"
        plugin = Path("tests/mutation")
        files = {
            "pytest.ini": "[pytest]\naddopts = -p no:schemathesis\n",
            MODULE.as_posix(): SOURCE,
            **{f"tests/{name}.py": text for name, text in tests.items()},
            **{(plugin / path.name).as_posix(): path.read_text() for path in (ROOT / plugin).glob("*.py")},
        }
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        started = Trial(root, tmp_path / "trial", reach=reach(*(f"tests/{name}.py" for name in tests)))
        started.copy(files)
        return started

    return made


def reach(*tests: str) -> Reach:
    return Reach({MODULE.as_posix(): {5: set(tests)}}, dict.fromkeys(tests, 0.0))


def test_the_same_seed_draws_the_same_sample() -> None:
    assert drawn(sites("xy", 9), 7) == drawn(sites("xy", 9), 7)


def test_another_seed_draws_another_sample() -> None:
    assert drawn(sites("xy", 9), 7) != drawn(sites("xy", 9), 8)


def test_each_place_is_drawn_once() -> None:
    order = drawn(sites("xy", 9), 7)
    assert len({(site.path, site.start) for site in order}) == len(order) == 18


def test_the_beginning_of_a_sample_is_spread_over_the_files() -> None:
    first = drawn([*sites("x", 40), *sites("y", 20)], 7)[:15]
    assert 9 <= sum(site.path == Path("x") for site in first) <= 11


def test_a_change_elsewhere_in_the_file_leaves_the_sample_alone() -> None:
    before = drawn(sites("x", 9), 7)
    moved = [
        [
            [Site(s.path, s.operator, s.occurrence + 1, (s.start[0] + 5, 0), 1, 1, "", s.text) for s in place]
            for place in file
        ]
        for file in sites("x", 9)
    ]
    assert [site.identity for site in drawn(moved, 7)] == [site.identity for site in before]


def test_a_mutant_that_a_test_notices_is_killed(trial: Callable[..., Trial]) -> None:
    assert trial(test_weak=WEAK, test_killing=KILLING).judge(mutant())[0] is Verdict.KILLED


def test_a_mutant_that_no_test_notices_survives(trial: Callable[..., Trial]) -> None:
    assert trial(test_weak=WEAK).judge(mutant()) == (Verdict.SURVIVED, ["tests/test_weak.py"])


def test_a_mutant_that_no_test_reaches_is_not_reached(trial: Callable[..., Trial]) -> None:
    assert trial().judge(mutant()) == (Verdict.NOT_REACHED, [])


def test_a_mutant_that_never_ends_is_killed_by_time(
    trial: Callable[..., Trial], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mutation.trial.LIMIT_SECONDS", 0.5)
    assert trial(test_endless=ENDLESS).judge(mutant())[0] is Verdict.TIMED_OUT


def test_after_a_mutant_the_copy_is_as_before(trial: Callable[..., Trial], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trial, "_run", lambda *_, **__: 1)
    used = trial(test_weak=WEAK)
    used.judge(mutant())
    assert (used.tree / MODULE).read_text(encoding="utf-8") == SOURCE


def test_a_server_that_another_user_runs_reaches_its_folder(trial: Callable[..., Trial], tmp_path: Path) -> None:
    (tmp_path / "trial").mkdir(mode=0o700)
    looking = (
        "import os, tempfile\n\ndef test_the_way():\n    folder = os.path.dirname(tempfile.gettempdir())\n"
        "    assert os.stat(folder).st_mode & 0o011 == 0o011\n"
    )
    assert trial(looking=looking).verdict(mutant(), ["tests/looking.py"]) is Verdict.SURVIVED


def test_the_repository_itself_is_never_changed(trial: Callable[..., Trial], monkeypatch: pytest.MonkeyPatch) -> None:
    used = trial(test_killing=KILLING)
    seen: list[tuple[str, str]] = []

    def run(*_: object, **__: object) -> int:
        seen.extend((root.name, (root / MODULE).read_text(encoding="utf-8")) for root in (used.root, used.tree))
        return 1

    monkeypatch.setattr(Trial, "_run", run)
    used.judge(mutant())
    assert seen == [("root", SOURCE), ("tree", mutant().mutated)]


def test_tests_that_cannot_run_are_no_verdict(trial: Callable[..., Trial], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trial, "_run", lambda *_, **__: NO_TESTS_COLLECTED)
    with pytest.raises(RuntimeError, match="pytest found no tests"):
        trial(test_empty="").judge(mutant())


def test_the_quickest_test_file_runs_first() -> None:
    found = Reach({"m.py": {1: {"slow", "quick"}}}, {"slow": 9.0, "quick": 0.1})
    assert found.tests("m.py", 1, 1) == ["quick", "slow"]


def test_what_runs_at_import_concerns_every_test_of_the_module() -> None:
    found = Reach({"m.py": {1: {""}, 5: {"one"}, 9: {"two"}}}, {"one": 1.0, "two": 2.0})
    assert found.tests("m.py", 1, 1) == ["one", "two"]


def test_a_value_that_is_made_at_import_concerns_the_tests_that_import_it() -> None:
    found = Reach({"m.py": {1: {""}, 5: {"one"}}}, {"one": 1.0, "two": 2.0}, {"m.py": {"two", "failed"}})
    assert found.tests("m.py", 1, 1) == ["one", "two"]
    assert found.tests("m.py", 5, 5) == ["one"]


def test_a_file_without_a_function_is_reached_by_the_tests_that_import_it() -> None:
    assert Reach({"m.py": {1: {""}}}, {"one": 1.0}, {"m.py": {"one"}}).tests("m.py", 1, 1) == ["one"]


@pytest.mark.parametrize(
    ("statement", "sources"),
    [
        ("import package.module", {"src/package/module.py"}),
        ("from package.module import name", {"src/package/module.py"}),
        ("from package import module, other", {"src/package/__init__.py", "src/package/module.py"}),
        ("def test_it():\n    from package.module import name", {"src/package/module.py"}),
        ("import elsewhere", set()),
        ("from . import module", set()),
    ],
)
def test_an_import_names_modules(tmp_path: Path, statement: str, sources: set[str]) -> None:
    (tmp_path / "src" / "package").mkdir(parents=True)
    for name in ("__init__.py", "module.py"):
        (tmp_path / "src" / "package" / name).touch()
    (tmp_path / "test_it.py").write_text(statement)
    assert importers(tmp_path, ("src", "client/src"), ["test_it.py"]) == {source: {"test_it.py"} for source in sources}


def test_a_test_file_that_failed_without_a_mutant_is_not_used() -> None:
    assert Reach({"m.py": {1: {"failed"}}}, {}).tests("m.py", 1, 1) == []


def test_a_survivor_is_reported_with_its_place_and_its_change() -> None:
    text = Outcome(AREAS["domain"], 1, 10, 1, [(mutant(), Verdict.SURVIVED, [])]).text
    assert "src/limits.py:5: survived" in text
    assert "-    return size <= LIMIT\n+    return size < LIMIT" in text


def test_the_survivors_of_a_report_are_found_again() -> None:
    judged: list[tuple[Mutant, Verdict, list[str]]] = [
        (mutant(), Verdict.SURVIVED, []),
        (mutant(line=1), Verdict.KILLED, []),
    ]
    outcome = Outcome(AREAS["domain"], 1, 10, 2, judged)
    assert survivors_of([outcome.document]) == {mutant().site.identity}


def test_what_no_test_reaches_counts_as_survived() -> None:
    judged: list[tuple[Mutant, Verdict, list[str]]] = [
        (mutant(), verdict, []) for verdict in (Verdict.NOT_REACHED, Verdict.KILLED, Verdict.TIMED_OUT)
    ]
    outcome = Outcome(AREAS["domain"], 1, 10, 3, [*judged, (mutant(), Verdict.SURVIVED, [])])
    assert outcome.share == 0.5


def test_an_explained_mutant_counts_neither_way() -> None:
    entry = Equivalent(MODULE.as_posix(), "fits", "return size <= LIMIT", "return size < LIMIT", "a reason")
    outcome = Outcome(AREAS["domain"], 1, 10, 2, [(mutant(), Verdict.KILLED, [])], [(mutant(), entry)])
    assert outcome.share == 1.0
    assert outcome.document["equivalent"][0]["reason"] == "a reason"


def test_a_run_that_time_stopped_says_so() -> None:
    assert "stopped by time before 40" in Outcome(AREAS["domain"], 1, 100, 40, [(mutant(), Verdict.KILLED, [])]).line


def test_an_entry_explains_its_mutant() -> None:
    entry = Equivalent(MODULE.as_posix(), "fits", "return size <= LIMIT", "return size < LIMIT", "a reason")
    assert entry.explains(mutant())


def test_an_entry_does_not_explain_another_change_of_the_line() -> None:
    entry = Equivalent(MODULE.as_posix(), "fits", "return size <= LIMIT", "return size < LIMIT", "a reason")
    assert not entry.explains(mutant(after="size > LIMIT"))


def test_an_entry_without_a_reason_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "equivalents.toml"
    path.write_text(
        '[[equivalent]]\nfile = "a"\nfunction = ""\nbefore = "x"\nafter = "y"\nreason = " "\n', encoding="utf-8"
    )
    with pytest.raises(ValueError, match="no reason for a: x"):
        equivalents(path)


def test_every_entry_of_the_project_has_a_reason() -> None:
    assert all(len(entry.reason) > 20 for entry in equivalents())


@pytest.mark.parametrize("entry", equivalents(), ids=lambda entry: f"{entry.file}:{entry.before}")
def test_entry_of_the_project_quotes_the_present_source(entry: Equivalent) -> None:
    source = (ROOT / entry.file).read_text(encoding="utf-8")
    lines = [line.strip() for line in source.splitlines()]
    count = entry.before.count("\n") + 1
    found = [first for first in range(len(lines)) if "\n".join(lines[first : first + count]) == entry.before]
    assert entry.function in {place_of(places(source), first + 1).function for first in found}


def test_every_source_file_of_the_project_is_in_an_area() -> None:
    files = [path.relative_to(ROOT) for part in ("src", "client/src") for path in (ROOT / part).rglob("*.py")]
    assert [
        file for file in files if area_of(file) is None and file.name != "__init__.py" and "generated" not in file.parts
    ] == []


@pytest.mark.parametrize("area", AREAS.values(), ids=lambda area: area.name)
def test_the_tests_of_an_area_exist(area: Area) -> None:
    assert all((ROOT / test).exists() for test in area.tests)


@pytest.mark.parametrize(
    ("kind", "source", "change"),
    [
        ("log", "log.warning('%d', 1)", "1"),
        ("log", "logging.getLogger('a').error('%d', 1)", "1"),
        ("annotation", "x: Literal[1] = f(2)", "1"),
        ("annotation", "def f(a: Literal[1]): ...", "1"),
        ("annotation", "def f() -> Literal[1]: ...", "1"),
        ("repr", "class A:\n    def __repr__(self):\n        return 1", "1"),
        ("protocol", "class P(Protocol):\n    x = 1", "1"),
        ("type checking", "if TYPE_CHECKING:\n    x = 1", "1"),
        ("dataclass option", "@dataclass(frozen=True)\nclass A: ...", "True"),
        ("dataclass option", "x: int = field(init=False)", "False"),
        ("prose", "f(help=1)", "1"),
        (None, "x: Literal[1] = f(2)", "2"),
        (None, "catalog.warning(1)", "1"),
        (None, "field(repr=False)", "False"),
        (None, "if log.isEnabledFor(1): pass", "1"),
    ],
)
def test_what_has_no_meaning_for_behaviour_is_left_alone(kind: str | None, source: str, change: str) -> None:
    line, text = next((number, line) for number, line in enumerate(source.splitlines(), 1) if change in line)
    start = (line, text.index(change))
    assert exclusion(excluded_spans(source), start, (line, start[1] + len(change))) == kind


def test_the_place_of_a_change_is_the_innermost_statement_with_its_name() -> None:
    found = places("class A:\n    def f(self):\n        if x:\n            y(\n                1,\n            )\n")
    assert (place_of(found, 5).first, place_of(found, 5).last, place_of(found, 5).function) == (4, 6, "A.f")


def test_the_place_of_a_condition_is_the_head_of_its_statement() -> None:
    found = places("if x:\n    y()\n")
    assert (place_of(found, 1).first, place_of(found, 1).last) == (1, 1)
