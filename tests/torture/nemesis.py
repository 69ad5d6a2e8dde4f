"""Faults drawn from a seed, each injected, left for a while, and taken back; several injectors work at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torture.testbeds import Runner, Testbed


class NoFaultPossible(Exception):
    """No fault of any kind is possible on this machine, so that a run would prove nothing."""

    def __str__(self) -> str:
        return "No fault of any kind is possible on this machine."


Injection: TypeAlias = "Callable[[Random], AbstractContextManager[None]]"


@dataclass(frozen=True)
class Fault:
    """One kind of fault on one part of the testbed.

    Attributes:
        kind: the name in the line of figures.
        name: the name in the log.
        inject: a context manager: the fault begins on entry and ends on exit.
        seconds: how long it lasts, at least and at most.
    """

    kind: str
    name: str
    inject: Injection
    seconds: tuple[float, float] = (0.0, 1.0)


@dataclass
class FaultInjector:
    """Injects one fault after the other, with pauses between."""

    faults: list[Fault]
    pause_seconds: tuple[float, float]


@dataclass
class Nemesis:
    """All injectors that have a fault to inject on this machine, and what they did.

    Attributes:
        counts: of faults, by kind.
        told: one line per fault, with its time.
        failures: unexpected errors of the run itself. Answers of the service are in the history.
    """

    testbed: Testbed
    injectors: list[FaultInjector]
    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.injectors = [injector for injector in self.injectors if injector.faults]
        if not self.injectors:
            raise NoFaultPossible

    @property
    def kinds(self) -> set[str]:
        """Of all faults that may come."""
        return {fault.kind for injector in self.injectors for fault in injector.faults}

    def start(self) -> None:
        random = Random(self.seed)
        self._done = threading.Event()
        self._threads = [
            threading.Thread(target=self._inject_from, args=(injector, Random(random.getrandbits(64))))
            for injector in self.injectors
        ]
        self._threads.append(threading.Thread(target=self._watch))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End all faults, and have all parts running."""
        self._done.set()
        for thread in self._threads:
            thread.join(timeout=200)
            if thread.is_alive():
                self.failures.append(f"{thread.name} of the nemesis did not end")
        self._look()
        self.testbed.mend()

    def _inject_from(self, injector: FaultInjector, random: Random) -> None:
        while not self._done.wait(random.uniform(*injector.pause_seconds)):
            fault = random.choice(injector.faults)
            self.counts[fault.kind] += 1
            began = time.monotonic()
            try:
                with fault.inject(random):
                    self._done.wait(random.uniform(*fault.seconds))
            except Exception as error:  # noqa: BLE001  # told with the figures, and the run fails
                self.failures.append(f"{fault.name}: {error!r}")
            self.told.append(f"{began:.3f} to {time.monotonic():.3f} {fault.name}")

    def _watch(self) -> None:
        while not self._done.wait(0.5):
            self._look()

    def _look(self) -> None:
        for runner in self.testbed.runners:
            said = runner.died_alone()
            if said is not None:
                self.failures.append(said)
                runner.revive()


def on_service(runner: Runner) -> list[Fault]:
    """The end of a service, or of one of its workers."""

    @contextmanager
    def killed(_: Random) -> Iterator[None]:
        with runner.lock:
            runner.service.kill()
            yield
            runner.revive()

    @contextmanager
    def worker_killed(random: Random) -> Iterator[None]:
        with runner.lock:
            workers = runner.service.workers()
        if workers:
            with suppress(ProcessLookupError):
                os.kill(random.choice(workers), signal.SIGKILL)
        yield

    @contextmanager
    def stopped_in_order(_: Random) -> Iterator[None]:
        with runner.lock:
            code = runner.service.stop()
            yield
            runner.revive()
        if code != 0:
            raise RuntimeError(f"a service that was asked to stop ended with code {code}")

    return [
        Fault("kills", "service killed", killed),
        Fault("kills", "worker killed", worker_killed, (0.0, 0.2)),
        Fault("restarts", "service restarted", stopped_in_order, (0.0, 0.2)),
        frozen(runner),
    ]


def frozen(runner: Runner) -> Fault:
    """A stopped service (SIGSTOP) that keeps its connections and locks."""

    @contextmanager
    def inject(_: Random) -> Iterator[None]:
        runner.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            runner.signal(signal.SIGCONT)

    return Fault("freezes", "service frozen", inject, (0.1, 3.0))


def clock_jumps(runner: Runner, jumps: tuple[int, ...]) -> list[Fault]:
    """The wall clock of a service, off by minutes or years, and back; empty if the clock cannot be set."""
    clock = runner.clock
    if clock is None:
        return []

    @contextmanager
    def inject(random: Random) -> Iterator[None]:
        clock.jump_to(random.choice(jumps))
        yield
        clock.jump_to(0)

    return [Fault("clock jumps", "clock jumped", inject, (0.5, 3.0))]


def full_disk(
    testbed: Testbed,
    name: str,
    *,
    lock: AbstractContextManager[object] | None = None,
    also: Callable[[], None] | None = None,
) -> list[Fault]:
    """A full disk, while no other fault holds the lock of its owner; `also` is called meanwhile."""
    disk = testbed.disks.get(name)
    if disk is None:
        return []

    @contextmanager
    def inject(_: Random) -> Iterator[None]:
        with lock or nullcontext():
            try:
                disk.fill()
                if also is not None:
                    also()
                yield
            finally:
                disk.drain()
                testbed.mend()

    return [Fault("full disks", f"disk of {name} full", inject, (0.5, 3.0))]
