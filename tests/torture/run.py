"""One run: clients and fault injectors work on a testbed; then the faults end, and the results are checked."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from torture import clock, faults
from torture.failover_faults import injectors_for_failover
from torture.failover_testbed import FailoverTestbed
from torture.history import TurnedAway, Unknown
from torture.linearizability import TooManyOrders, check
from torture.nemesis import Nemesis
from torture.testbeds import EmbeddedTestbed, FleetTestbed
from torture.workload import Workload

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator

    from torture.nemesis import FaultInjector
    from torture.testbeds import Testbed
    from torture.workload import Device

KINDS = (
    *("kills", "restarts", "freezes", "cuts", "bad lines", "full disks", "clock jumps"),
    *("rollouts", "failovers", "two primaries", "lost nodes"),
)
USERS = 6
PEACE_SECONDS = 60.0
WARM_AFTER = 0.25
"""Of the time: from then on a service that has stood it all should not need more."""
WATCH_SECONDS = 1.0
DESCRIPTORS_MORE = 24
"""That pools, threads and keep-alive may come to between two looks; a leak shows in hundreds."""
MEMORY_MORE_MEBIBYTES = 96


@dataclass
class Outcome:
    """What came of a run.

    Attributes:
        line: of figures.
        figures: of operations, by outcome, and of faults, by kind.
        complaints: all that was not as it should be; empty where the run is a success.
    """

    line: str
    figures: Counter[str]
    complaints: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Footprint:
    """What a process holds."""

    descriptors: int
    memory_mebibytes: float

    @classmethod
    def of(cls, pid: int) -> Footprint:
        resident = next(
            line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")
        )
        return cls(len(list(Path(f"/proc/{pid}/fd").iterdir())), int(resident.split()[1]) / 1024)

    def __str__(self) -> str:
        return f"{self.descriptors} files, {self.memory_mebibytes:.0f} MiB"


def torture(stores: str, folder: Path, *, seconds: float, seed: int, watch: bool = False) -> Outcome:
    """One run over `embedded` stores or a `fleet`, in a folder that each user may enter."""
    if stores == "embedded":
        with EmbeddedTestbed(folder, clock.library()) as embedded:
            injectors = faults.injectors_for_embedded(embedded)
            return run(embedded, injectors, name=stores, seconds=seconds, seed=seed, watch=watch)
    if stores == "failover":
        with FailoverTestbed(folder) as failover:
            injectors = injectors_for_failover(failover)
            return run(failover, injectors, name=stores, seconds=seconds, seed=seed, watch=watch)
    with FleetTestbed(folder, clock.library()) as fleet:
        return run(fleet, faults.injectors_for_fleet(fleet), name=stores, seconds=seconds, seed=seed, watch=watch)


def run(
    testbed: Testbed,
    injectors: list[FaultInjector],
    *,
    name: str,
    seconds: float,
    seed: int,
    workload: Workload | None = None,
    watch: bool = False,
    observe: Callable[[], None] = lambda: None,
) -> Outcome:
    """Torture for so many seconds, then check; the services of the testbed are stopped at the end.

    Args:
        testbed: to torture.
        injectors: of the nemesis.
        name: of the testbed, for the line of figures.
        seconds: how long.
        seed: of what clients do, and of the faults; not of what comes of them.
        workload: None: six users, each with several devices.
        watch: judge all the time, and end at the first contradiction.
        observe: called about once a second while faults are injected.

    Raises:
        NoFaultPossible: no injector has a fault.
    """
    services = [runner.service for runner in testbed.runners]
    workload = workload or Workload.over(services, seed, USERS, excuses_loss=testbed.excuses_loss)
    nemesis = Nemesis(testbed, injectors, seed)
    began = time.monotonic()
    with _ends_of_threads(nemesis.failures):
        workload.start()
        nemesis.start()
        try:
            _wait(began + seconds * WARM_AFTER, workload, watch=watch, observe=observe)
            warm = _footprint(testbed)
            _wait(began + seconds, workload, watch=watch, observe=observe)
        finally:
            nemesis.stop()
            workload.stop()
    lasted = time.monotonic() - began
    complaints = [*nemesis.failures, *workload.failures, *_peace(testbed, workload)]
    cool = _footprint(testbed)
    complaints += _growth(warm, cool)
    complaints += _scrubbed(testbed)
    complaints += _stopped(testbed)
    verdict = _judged(workload)
    complaints += verdict
    figures = workload.history.figures()
    impossible = testbed.impossible
    injected = ", ".join(
        f"no {kind} ({impossible[kind]})" if kind in impossible else f"{nemesis.counts[kind]} {kind}"
        for kind in KINDS
        if kind in impossible or kind in nemesis.kinds
    )
    done = "".join(f"{number:,} {what}, " for what, number in testbed.figures.items())
    line = (
        f"torture {name}: {lasted:.0f} s, {len(workload.history):,} operations ({figures['ok']:,} ok, "
        f"{figures['refused']:,} refused, {figures['unknown']:,} unknown), {injected}, {done}"
        f"service {warm} -> {cool}, linearizable: {'no' if verdict else 'yes'}, seed {seed}"
    )
    if complaints:
        complaints.append(f"history: {_keep(testbed, workload, nemesis, complaints)}")
    return Outcome(line, figures + nemesis.counts + testbed.figures, complaints)


@contextmanager
def _ends_of_threads(failures: list[str]) -> Iterator[None]:
    """Each thread that ends by an exception meanwhile is a failure; Python alone would print it and go on."""
    before = threading.excepthook

    def hook(ended: threading.ExceptHookArgs) -> None:
        failures.append(f"{ended.thread.name if ended.thread else 'a thread'} ended by {ended.exc_value!r}")
        sys.__excepthook__(ended.exc_type, ended.exc_value or ended.exc_type(), ended.exc_traceback)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


def _wait(until: float, workload: Workload, *, watch: bool, observe: Callable[[], None]) -> None:
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, WATCH_SECONDS))
        observe()
        if watch and _judged(workload, explain=False):
            return


def _footprint(testbed: Testbed) -> Footprint:
    process = testbed.runners[-1].service.process
    if process is None:
        raise RuntimeError("the service that was to stand it all is gone")
    return Footprint.of(process.pid)


def _growth(warm: Footprint, cool: Footprint) -> Iterator[str]:
    if cool.descriptors > warm.descriptors + DESCRIPTORS_MORE:
        yield f"open files grew: {warm} -> {cool}"
    if cool.memory_mebibytes > warm.memory_mebibytes + MEMORY_MORE_MEBIBYTES:
        yield f"memory grew: {warm} -> {cool}"


def _peace(testbed: Testbed, workload: Workload) -> Iterator[str]:
    """All devices read, by each service; one device of each user uploads, and all read again."""
    deadline = time.monotonic() + PEACE_SECONDS
    for runner in testbed.runners:
        while runner.service.request("GET", "/health/ready", token=None).json["status"] != "ok":
            if time.monotonic() > deadline:
                yield "a service did not become ready again"
                return
            time.sleep(0.1)
    for device in workload.devices:
        for runner in testbed.runners:
            device.services = [runner.service]
            if not _managed(partial(_sees, device), deadline):
                yield f"slot {device.slot.user_id} cannot be read"
        if device.name.endswith(".0") and not _managed(partial(_uploads, device), deadline):
            yield f"slot {device.slot.user_id} is stuck"
    for device in workload.devices:
        if not _managed(partial(_sees, device), deadline):
            yield f"slot {device.slot.user_id} cannot be read"


def _sees(device: Device) -> bool:
    return not isinstance(device.look("GET"), Unknown | TurnedAway)


def _uploads(device: Device) -> bool:
    version = device.known
    device.push(threading.Event())
    return device.known > version


def _managed(attempt: Callable[[], bool], deadline: float) -> bool:
    while not attempt():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _scrubbed(testbed: Testbed) -> Iterator[str]:
    first = testbed.scrub("--repair")
    if first["found"] != first["repaired"]:
        yield f"scrub found what it cannot repair: {first}"
    second = testbed.scrub()
    if second["found"] != 0 or second["done"] is not True:
        yield f"scrub still finds something: {second}"


def _stopped(testbed: Testbed) -> Iterator[str]:
    for runner in testbed.runners:
        code = runner.service.stop()
        if code != 0:
            yield f"a service at rest ended with code {code}"
    for left in testbed.leftovers():
        yield f"left behind: {left}"


def _judged(workload: Workload, *, explain: bool = True) -> list[str]:
    verdicts = []
    for slot, operations in workload.history.by_slot().items():
        try:
            refusal = check(operations, explain=explain)
        except TooManyOrders:
            verdicts.append(f"slot {slot}: too many orders to try; nothing is known")
            continue
        if refusal is not None:
            verdicts.append(str(refusal))
    return verdicts


def _keep(testbed: Testbed, workload: Workload, nemesis: Nemesis, complaints: list[str]) -> Path:
    workload.history.write(testbed.folder / "history.jsonl")
    (testbed.folder / "faults").write_text("\n".join(nemesis.told))
    (testbed.folder / "complaints").write_text("\n\n".join(complaints))
    return testbed.folder / "history.jsonl"
