"""Torture where some faults are impossible, or where the torture itself breaks."""

from __future__ import annotations

import tempfile
import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, cast

import pytest

from torture import __main__ as command
from torture import run as runs
from torture.nemesis import Fault, FaultInjector, Nemesis, NoFaultPossible
from torture.run import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

    from torture.testbeds import Testbed

QUICK = (0.0, 0.001)


class EmptyTestbed:
    """A testbed without a service, and with nothing to repair."""

    runners = ()

    def mend(self) -> None:
        pass


def nemesis_of(*injectors: FaultInjector) -> Nemesis:
    return Nemesis(cast("Testbed", EmptyTestbed()), list(injectors), seed=1)


def test_hand_without_blows_is_passed_over() -> None:
    injected = threading.Event()

    def inject(_: Random) -> Any:
        injected.set()
        return nullcontext()

    kills = FaultInjector([Fault("kills", "a service killed", inject, QUICK)], QUICK)
    nemesis = nemesis_of(FaultInjector([], QUICK), kills)
    nemesis.start()
    assert injected.wait(60)
    nemesis.stop()
    assert nemesis.failures == []
    assert nemesis.kinds == {"kills"}


def test_no_blow_at_all_is_no_run() -> None:
    with pytest.raises(NoFaultPossible):
        nemesis_of(FaultInjector([], QUICK), FaultInjector([], QUICK))


def test_thread_that_ends_by_an_exception_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    failures: list[str] = []
    with runs._ends_of_threads(failures):
        thread = threading.Thread(target=lambda: list[Fault]().pop(), name="a injector")
        thread.start()
        thread.join()
    assert failures == ["a injector ended by IndexError('pop from empty list')"]
    assert "Traceback" in capsys.readouterr().err


@pytest.fixture
def outcomes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Callable[[], Outcome]]:
    """What becomes of a run, by stores; the folder of a broken one is kept."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    by_stores: dict[str, Callable[[], Outcome]] = {}
    monkeypatch.setattr(command, "torture", lambda stores, *_, **__: by_stores[stores]())
    return by_stores


def kept() -> Outcome:
    return Outcome("figures", {})  # type: ignore[arg-type]  # they are not counted here


def broken() -> Outcome:
    return Outcome("figures", {}, ["a promise was broken"])  # type: ignore[arg-type]


def missing() -> Outcome:
    pytest.skip("There is no PostgreSQL.")


def nothing() -> Outcome:
    raise NoFaultPossible


@pytest.mark.parametrize(
    ("embedded", "fleet", "code"),
    [
        (kept, kept, 0),
        (kept, missing, 0),
        (nothing, kept, 0),
        (broken, kept, 1),
        (kept, broken, 1),
        (broken, missing, 1),
        (missing, missing, 3),
        (nothing, missing, 3),
    ],
)
def test_exit_code(
    outcomes: dict[str, Callable[[], Outcome]],
    embedded: Callable[[], Outcome],
    fleet: Callable[[], Outcome],
    code: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcomes |= {"embedded": embedded, "fleet": fleet}
    assert command.main(["--seconds", "1", "--seed", "1"]) == code
    said = capsys.readouterr().err
    for stores, becomes in outcomes.items():
        assert (f"torture {stores}: not possible here." in said) is (becomes in (missing, nothing))
