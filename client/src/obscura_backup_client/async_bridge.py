"""Connects the thread of one operation with the event loop that waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import threading
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from obscura_backup_client.transport.errors import OutcomeUnknown, Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from obscura_backup_client.transport.interface import AsyncTransport, BackupMetadata, FetchedBackup

CANCELLED = "it was cancelled"

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Bridge(Generic[T]):
    """Runs one operation in a thread of its own. Its network calls and callbacks run on the event loop.

    Key derivation, the state's lock and file syncs would block the loop. The loop's own thread pool is not used: it is
    small and also resolves host names, so an operation in it could wait for itself for ever.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        # The task on the loop that the thread waits for, and whether new ones are refused. Only the loop's thread reads
        # and writes both.
        self._task: asyncio.Task[Any] | None = None
        self._cancelled = False
        self._cancel_event = threading.Event()

    async def run(self, operation: Callable[[], T]) -> T:
        """Run the operation to its end, even if the waiting task is cancelled.

        A cancellation also cancels the operation's task on the loop, and refuses new ones. The operation then ends
        with an error, as after a network failure, and releases its lock. A key derivation cannot be interrupted; its
        end is awaited.
        """
        ended = self._start_thread(operation)
        try:
            return await asyncio.shield(ended)
        except asyncio.CancelledError:
            self._cancel()
            while not ended.done():
                # Further cancellations do not end the wait: the thread must not write afterwards.
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([ended])
            # Retrieved, so that asyncio does not log it as never retrieved.
            ended.exception()
            raise
        finally:
            if ended.done():
                # The thread is about to end.
                self._thread.join()

    def sleep(self, seconds: float) -> None:
        """Wait, in the thread.

        Raises:
            Unavailable: cancelled.
        """
        if self._cancel_event.wait(seconds):
            raise Unavailable(CANCELLED)

    def to_sync(self, callback: Callable[P, R | Awaitable[R]]) -> Callable[P, R]:
        """Wrap a plain or async callback of the application for the thread. It runs on the loop.

        Raises:
            Unavailable: cancelled; raised by the returned function, besides what `callback` raises.
        """

        async def answered(*args: P.args, **kwargs: P.kwargs) -> R:
            answer = callback(*args, **kwargs)
            return await answer if inspect.isawaitable(answer) else answer

        return lambda *args, **kwargs: self.run_on_loop(lambda: answered(*args, **kwargs))

    def run_on_loop(
        self, call: Callable[[], Coroutine[Any, Any, R]], if_cancelled: type[Unavailable | OutcomeUnknown] = Unavailable
    ) -> R:
        """Run a coroutine on the loop, and wait for it in the thread.

        Raises:
            Unavailable: the operation was cancelled before the coroutine began.
            The class `if_cancelled`: the operation was cancelled while it ran.
            And what the coroutine raises.
        """
        try:
            return asyncio.run_coroutine_threadsafe(self._unless_cancelled(call), self._loop).result()
        except CancelledError:
            raise if_cancelled(CANCELLED) from None

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
        ended, context = Future[T](), contextvars.copy_context()

        def work() -> None:
            try:
                ended.set_result(context.run(operation))
            except BaseException as raised:  # noqa: BLE001 - the waiting task raises it again
                ended.set_exception(raised)

        # A daemon thread, so that an abandoned loop does not keep the interpreter from ending. The state file is whole
        # at any moment.
        self._thread = threading.Thread(target=work, name="obscura-backup", daemon=True)
        self._thread.start()
        return asyncio.wrap_future(ended)


class BridgedTransport:
    """A `Transport` for the thread, on top of an `AsyncTransport` on the loop."""

    def __init__(self, bridge: Bridge[Any], transport: AsyncTransport) -> None:
        self._bridge, self._transport = bridge, transport

    def fetch(self, if_none_match: int | None = None) -> FetchedBackup | None:
        """See `Transport.fetch`. Raises `Unavailable` when cancelled."""
        return self._bridge.run_on_loop(lambda: self._transport.fetch(if_none_match))

    def head(self) -> BackupMetadata:
        """See `Transport.head`. Raises `Unavailable` when cancelled."""
        return self._bridge.run_on_loop(self._transport.head)

    def push(self, blob: bytes, expected_version: int) -> int:
        """See `Transport.push`. Cancelled while sending: `OutcomeUnknown`; cancelled before: `Unavailable`."""
        return self._bridge.run_on_loop(lambda: self._transport.push(blob, expected_version), OutcomeUnknown)

    def delete(self, expected_version: int) -> None:
        """See `Transport.delete`. Cancelled as for `push`."""
        self._bridge.run_on_loop(lambda: self._transport.delete(expected_version), OutcomeUnknown)
