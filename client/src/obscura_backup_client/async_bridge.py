"""Between a thread that works for one operation and the event loop that waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import threading
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast

from obscura_backup_client.transport.errors import OutcomeUnknown, Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from obscura_backup_client.transport.interface import AsyncTransport, BackupMetadata, FetchedBackup

CANCELLED = "it was cancelled"

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Bridge(Generic[T]):
    """One operation in a thread of its own, whose calls to the network and to the application run on the loop.

    Key derivation, the state's lock and its syncs block for long; on the loop they would stop everything else. Not one
    of the loop's own threads, since there are only a few of them, they look up host names, too, and who waits for one
    while holding one may wait for ever.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        # What runs on the loop for the thread, and whether anything may yet. Only the loop's thread looks at them.
        self._task: asyncio.Task[Any] | None = None
        self._cancelled = False
        self._cancel_event = threading.Event()

    async def run(self, operation: Callable[[], T]) -> T:
        """Run the operation to its end, whatever happens.

        When the task that waits is cancelled, so is what the operation is doing on the loop, and whatever it asks for
        next is refused: it ends by an error, as it would if the network failed, and gives back what it holds. A key
        derivation cannot be interrupted; its end is waited for.
        """
        ended = self._start_thread(operation)
        try:
            return await asyncio.shield(ended)
        except asyncio.CancelledError:
            self._cancel()
            while not ended.done():
                # Cancelled once more or not: a thread that still writes would be a surprise later.
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([ended])
            # Looked at, so that nobody is told that nobody looked.
            ended.exception()
            raise
        finally:
            if ended.done():
                # It has no more than its last step to do.
                self._thread.join()

    def sleep(self, seconds: float) -> None:
        """Wait, in the thread.

        Raises:
            Unavailable: cancelled.
        """
        if self._cancel_event.wait(seconds):
            raise Unavailable(CANCELLED)

    def to_sync(self, callback: Callable[P, R | Awaitable[R]]) -> Callable[P, R]:
        """A function for the thread that calls this one on the loop, and awaits what it gives if that can be awaited.

        Raises:
            Unavailable: cancelled; from the function that is given back. What `callback` raises.
        """

        async def answered(*args: P.args, **kwargs: P.kwargs) -> R:
            answer = callback(*args, **kwargs)
            return await answer if inspect.isawaitable(answer) else answer

        def ask(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return self.run_on_loop(lambda: answered(*args, **kwargs))
            except CancelledError:
                raise Unavailable(CANCELLED) from None

        return ask

    def run_on_loop(self, call: Callable[[], Coroutine[Any, Any, R]]) -> R:
        """Run this on the loop, and wait for it in the thread.

        Raises:
            Unavailable: the operation was cancelled before it began.
            CancelledError: it was cancelled while it ran.
        """
        return asyncio.run_coroutine_threadsafe(self._unless_cancelled(call), self._loop).result()

    async def _unless_cancelled(self, call: Callable[[], Coroutine[Any, Any, R]]) -> R:
        if self._cancelled:
            raise Unavailable(CANCELLED)
        self._task = asyncio.current_task()
        try:
            return await call()
        finally:
            self._task = None

    def _cancel(self) -> None:
        self._cancelled = True
        self._cancel_event.set()
        if self._task is not None:
            self._task.cancel()

    def _start_thread(self, operation: Callable[[], T]) -> asyncio.Future[T]:
        ended: asyncio.Future[T] = self._loop.create_future()
        context = contextvars.copy_context()

        def settle(result: T | None, error: BaseException | None) -> None:
            if ended.done():
                return
            if error is None:
                ended.set_result(cast("T", result))
            else:
                ended.set_exception(error)

        def work() -> None:
            result, error = None, None
            try:
                result = context.run(operation)
            except BaseException as raised:  # noqa: BLE001 - whatever it is, it is the waiting task's
                error = raised
            # A loop that was abandoned in the middle is closed, and nobody waits.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(settle, result, error)

        # A daemon, since a loop that is abandoned in the middle must not keep the interpreter from ending: whatever
        # moment that is, the state file is whole.
        self._thread = threading.Thread(target=work, name="obscura-backup", daemon=True)
        self._thread.start()
        return ended


class BridgedTransport:
    """A `Transport` for the operation's thread, by an `AsyncTransport` on the loop."""

    def __init__(self, bridge: Bridge[Any], transport: AsyncTransport) -> None:
        self._bridge, self._transport = bridge, transport

    def fetch(self, if_none_match: int | None = None) -> FetchedBackup | None:
        """See `Transport.fetch`. Raises `Unavailable` when cancelled."""
        return self._read(lambda: self._transport.fetch(if_none_match))

    def head(self) -> BackupMetadata:
        """See `Transport.head`. Raises `Unavailable` when cancelled."""
        return self._read(self._transport.head)

    def push(self, blob: bytes, expected_version: int) -> int:
        """See `Transport.push`. Cancelled on the way is an outcome unknown, before it is `Unavailable`."""
        return self._write(lambda: self._transport.push(blob, expected_version))

    def delete(self, expected_version: int) -> None:
        """See `Transport.delete`. Cancelled as for `push`."""
        return self._write(lambda: self._transport.delete(expected_version))

    def _read(self, call: Callable[[], Coroutine[Any, Any, R]]) -> R:
        try:
            return self._bridge.run_on_loop(call)
        except CancelledError:
            raise Unavailable(CANCELLED) from None

    def _write(self, call: Callable[[], Coroutine[Any, Any, R]]) -> R:
        try:
            return self._bridge.run_on_loop(call)
        except CancelledError:
            raise OutcomeUnknown(CANCELLED) from None
