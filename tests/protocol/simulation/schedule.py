"""Operations that run side by side on one event loop, and stop inside the ports wherever the test wants them to.

No time passes here: an operation runs until it ends or stops at a call of a port, and goes on when it is told to. So a
run is repeatable from what was drawn, and every interleaving of calls can be drawn.
"""

from __future__ import annotations

import asyncio
import contextvars
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence

T = TypeVar("T")


class Call(StrEnum):
    """The calls that go through a port."""

    VERIFY = "verify"
    BODY = "body"
    GET = "get"
    LOCK = "lock"
    SAVE = "save"
    PUT = "put"
    STAT = "stat"
    OPEN = "open"
    CHUNKS = "chunks"
    ROWS = "scan of rows"
    OBJECTS = "scan of objects"


class Fate(StrEnum):
    """What may become of a call."""

    STOPS_BEFORE = "stops before it is made"
    STOPS_AFTER = "stops before its answer comes"
    FAILS = "fails"
    FAILS_AFTER = "happens, and fails"
    UNKNOWN = "has an unknown outcome, never happens"
    LOST = "happens, its answer is lost"
    LATE = "has an unknown outcome, happens later"
    TWICE = "happens twice"
    REFUSED = "is refused for no reason"
    BUSY = "waits in vain"
    DEAD = "lets others in"


class Strike:
    """One call and what becomes of it, the next time that it is made."""

    def __init__(self, call: Call, fate: Fate) -> None:
        self.call = call
        self.fate = fate

    def __repr__(self) -> str:
        return f"<{self.call} {self.fate}>"


_STOPS = (Fate.STOPS_BEFORE, Fate.STOPS_AFTER)
_FATES: dict[Call, tuple[Fate, ...]] = {
    Call.PUT: (*_STOPS, Fate.LOST, Fate.LATE, Fate.TWICE, Fate.UNKNOWN, Fate.FAILS, Fate.REFUSED),
    Call.SAVE: (*_STOPS, Fate.FAILS, Fate.LOST, Fate.LATE, Fate.TWICE),
    Call.LOCK: (*_STOPS, Fate.DEAD, Fate.FAILS, Fate.FAILS_AFTER, Fate.BUSY),
    Call.STAT: (*_STOPS, Fate.FAILS, Fate.FAILS_AFTER),
    Call.GET: (*_STOPS, Fate.FAILS, Fate.FAILS_AFTER),
    Call.OPEN: (*_STOPS, Fate.FAILS, Fate.FAILS_AFTER),
    Call.CHUNKS: (*_STOPS, Fate.FAILS),
    Call.BODY: (*_STOPS, Fate.FAILS),
    Call.VERIFY: (*_STOPS, Fate.FAILS),
    Call.ROWS: (*_STOPS, Fate.FAILS, Fate.FAILS_AFTER),
    Call.OBJECTS: (*_STOPS, Fate.FAILS, Fate.FAILS_AFTER),
}


def strikes(*calls: Call) -> list[Strike]:
    """Everything that may become of these calls."""
    return [Strike(call, fate) for call in calls for fate in _FATES[call]]


class Operation:
    """One request or one scan, and where it stands.

    Attributes:
        label: tells it from all others.
        told: writes a line into the log of the run.
        turn: calls of one operation reach the stores one after the other, whatever threads those have.
        copied: a PUT of it was answered for a second copy, which was refused because of the first.
        open_blobs: that it has not let go of.
    """

    def __init__(self, label: str, told: Callable[[str], None]) -> None:
        self.label = label
        self.told = told
        self.turn = asyncio.Lock()
        self.copied = False
        self.open_blobs = 0
        self.root: asyncio.Task[Any] | None = None
        self._plan: list[Strike] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopped: dict[asyncio.Task[Any], asyncio.Future[None]] = {}
        self._changed = asyncio.Event()

    @property
    def ended(self) -> bool:
        return self.root is not None and self.root.done()

    async def meets(self, call: Call) -> Fate | None:
        """What becomes of this call; returns when it is to be made."""
        while True:
            strike = next((strike for strike in self._plan if strike.call is call), None)
            if strike is None:
                return None
            self._plan.remove(strike)
            if strike.fate is not Fate.STOPS_BEFORE:
                self.told(f"{self.label}: {call} {strike.fate}")
                return strike.fate
            await self.stop(f"before {call}")

    async def answered(self, call: Call, fate: Fate | None) -> None:
        """Returns when the answer of this call is to come."""
        if fate is Fate.STOPS_AFTER:
            await self.stop(f"after {call}")

    async def stop(self, where: str) -> None:
        """Stand still until the schedule lets this operation go on."""
        task = asyncio.current_task()
        assert task is not None
        self.told(f"{self.label} stops {where}")
        going_on = self._stopped[task] = asyncio.get_running_loop().create_future()
        self._changed.set()
        try:
            await going_on
        finally:
            del self._stopped[task]

    def go_on(self, plan: Sequence[Strike]) -> None:
        self._plan = list(plan)
        for going_on in list(self._stopped.values()):
            if not going_on.done():
                going_on.set_result(None)

    def forget_plan(self) -> None:
        self._plan = []

    def adopt(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._changed.set()

    async def rest(self) -> None:
        """Return once nothing of it moves any more: it ended, or all of it that could move has stopped."""
        while not self._at_rest:
            self._changed.clear()
            await self._changed.wait()

    @property
    def _at_rest(self) -> bool:
        if self.ended or self.root in self._stopped:
            return not any(future.done() for future in self._stopped.values())
        children = self._tasks - {self.root}
        return bool(children) and all(child in self._stopped and not self._stopped[child].done() for child in children)


_operation: contextvars.ContextVar[Operation | None] = contextvars.ContextVar("operation", default=None)


def current() -> Operation:
    """The operation that makes this call."""
    operation = _operation.get()
    assert operation is not None, "a port was called outside of any operation"
    return operation


class Schedule:
    """The event loop of one run."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_task_factory(_adopting)
        self._abandoned: list[Operation] = []

    def start(self, operation: Operation, work: Coroutine[Any, Any, Any], plan: Sequence[Strike]) -> None:
        """Begin, and run until it ends or stops."""
        operation.go_on(plan)
        context = contextvars.copy_context()
        context.run(_operation.set, operation)
        operation.root = self._loop.create_task(work, context=context)
        self.run(operation.rest())

    def go_on(self, operation: Operation, plan: Sequence[Strike]) -> None:
        """Go on where it stopped, until it ends or stops again."""
        operation.go_on(plan)
        self.run(operation.rest())

    def cancel(self, operation: Operation) -> None:
        """Its client has hung up, or its time is over."""
        assert operation.root is not None
        operation.forget_plan()
        operation.root.cancel()
        self.run(operation.rest())

    def abandon(self, operation: Operation) -> None:
        """Its process is gone: nothing of it runs any more, not even what would clean up."""
        self._abandoned.append(operation)

    def run(self, work: Awaitable[T]) -> T:
        """Do something at once that is no part of any operation."""
        return self._loop.run_until_complete(_awaited(work))

    def close(self, unfinished: Sequence[Operation], last: Sequence[Awaitable[None]]) -> None:
        """End everything, and do what is to be done last."""
        for operation in [*self._abandoned, *unfinished]:
            if operation.root is not None and not operation.ended:
                operation.root.cancel()
                self.run(asyncio.wait([operation.root]))
        for work in last:
            self.run(work)
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


async def _awaited(work: Awaitable[T]) -> T:
    return await work


def _adopting(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T] | Generator[Any, None, T], /, **options: Any
) -> asyncio.Future[T]:
    task: asyncio.Task[T] = asyncio.Task(work, loop=loop, **options)
    context: contextvars.Context | None = options.get("context")
    operation = _operation.get() if context is None else context.get(_operation)
    if operation is not None:
        operation.adopt(task)
    return task
