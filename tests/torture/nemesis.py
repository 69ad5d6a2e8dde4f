"""What goes wrong: blows drawn from a seed, each struck, left for a while, and taken back; several hands at once."""

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

    from torture.grounds import Ground, Runner


class NothingToStrike(Exception):
    """No fault of any kind is possible on this machine, so that a run would prove nothing."""

    def __str__(self) -> str:
        return "No fault of any kind is possible on this machine."


Strike: TypeAlias = "Callable[[Random], AbstractContextManager[None]]"


@dataclass(frozen=True)
class Blow:
    """One way to hurt.

    Attributes:
        kind: what the line of figures counts it as.
        name: what the log calls it.
        strike: makes it happen on entering, and takes it back on leaving.
        seconds: how long it lasts, at least and at most.
    """

    kind: str
    name: str
    strike: Strike
    seconds: tuple[float, float] = (0.0, 1.0)


@dataclass
class Hand:
    """Strikes one blow after the other, with pauses between."""

    blows: list[Blow]
    pause_seconds: tuple[float, float]


@dataclass
class Nemesis:
    """All hands that have a blow on this machine, and what they did.

    Attributes:
        counts: of blows, by kind.
        told: of each, when and what.
        failures: what broke in a way that nobody had in mind; not of the service's answers, those are in the history.
    """

    ground: Ground
    hands: list[Hand]
    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.hands = [hand for hand in self.hands if hand.blows]
        if not self.hands:
            raise NothingToStrike

    @property
    def kinds(self) -> set[str]:
        """Of all blows that may come."""
        return {blow.kind for hand in self.hands for blow in hand.blows}

    def start(self) -> None:
        random = Random(self.seed)
        self._done = threading.Event()
        self._threads = [
            threading.Thread(target=self._strike_on, args=(hand, Random(random.getrandbits(64)))) for hand in self.hands
        ]
        self._threads.append(threading.Thread(target=self._watch))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Take everything back, and have all parts running."""
        self._done.set()
        for thread in self._threads:
            thread.join(timeout=200)
            if thread.is_alive():
                self.failures.append(f"{thread.name} of the nemesis did not end")
        self._look()
        self.ground.mend()

    def _strike_on(self, hand: Hand, random: Random) -> None:
        while not self._done.wait(random.uniform(*hand.pause_seconds)):
            blow = random.choice(hand.blows)
            self.counts[blow.kind] += 1
            began = time.monotonic()
            try:
                with blow.strike(random):
                    self._done.wait(random.uniform(*blow.seconds))
            except Exception as error:  # noqa: BLE001  # told with the figures, and the run fails
                self.failures.append(f"{blow.name}: {error!r}")
            self.told.append(f"{began:.3f} to {time.monotonic():.3f} {blow.name}")

    def _watch(self) -> None:
        while not self._done.wait(0.5):
            self._look()

    def _look(self) -> None:
        for runner in self.ground.runners:
            said = runner.died_alone()
            if said is not None:
                self.failures.append(said)
                runner.revive()


def on_service(runner: Runner) -> list[Blow]:
    """Ends of a service, or of one of its workers."""

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
        Blow("kills", "service killed", killed),
        Blow("kills", "worker killed", worker_killed, (0.0, 0.2)),
        Blow("restarts", "service restarted", stopped_in_order, (0.0, 0.2)),
        frozen(runner),
    ]


def frozen(runner: Runner) -> Blow:
    """A service that stands still, its connections and its locks held."""

    @contextmanager
    def strike(_: Random) -> Iterator[None]:
        runner.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            runner.signal(signal.SIGCONT)

    return Blow("freezes", "service frozen", strike, (0.1, 3.0))


def clock_jumps(runner: Runner, jumps: tuple[int, ...]) -> list[Blow]:
    """The wall clock of a service, off by minutes or years, and back; nothing where no clock can be had."""
    clock = runner.clock
    if clock is None:
        return []

    @contextmanager
    def strike(random: Random) -> Iterator[None]:
        clock.jump_to(random.choice(jumps))
        yield
        clock.jump_to(0)

    return [Blow("clock jumps", "clock jumped", strike, (0.5, 3.0))]


def full_disk(
    ground: Ground,
    name: str,
    *,
    lock: AbstractContextManager[object] | None = None,
    also: Callable[[], None] | None = None,
) -> list[Blow]:
    """No byte free on one of the disks, while nobody else holds the lock of its owner; `also` is done meanwhile."""
    disk = ground.disks.get(name)
    if disk is None:
        return []

    @contextmanager
    def strike(_: Random) -> Iterator[None]:
        with lock or nullcontext():
            try:
                disk.fill()
                if also is not None:
                    also()
                yield
            finally:
                disk.drain()
                ground.mend()

    return [Blow("full disks", f"disk of {name} full", strike, (0.5, 3.0))]
