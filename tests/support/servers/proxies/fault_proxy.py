"""A TCP proxy that breaks what goes through it, on command, at a chosen moment; it also counts what went through.

It knows just enough of HTTP/1.1 to see where a request begins and ends (a method, a `Content-Length`). Any other
protocol passes as bytes: each piece that comes from the client counts as a request, of the method `PIECE`.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Self

from support.servers.proxies.network_conditions import UNIMPAIRED, NetworkConditions, pass_through

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType

_REQUEST_LINE = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.[01]\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length:[ ]*(\d+)", re.IGNORECASE)
_PIECE_BYTES = 64 * 1024
PIECE = "piece"
"""The method of what is not HTTP."""


class Fault(Enum):
    """What befalls a request."""

    LOSE_ANSWER = "the request arrives whole; its answer is swallowed and the connection reset"
    CUT_REQUEST = "half of the request's body arrives, then both sides are reset"
    CUT_ANSWER = "half of the first piece of the answer arrives, then the connection is reset"
    END_ANSWER = "half of the first piece of the answer arrives, then the connection ends in order"
    HALF_CLOSE = "the answer arrives; then nothing more does, while further requests still reach the server"
    STALL = "the request arrives whole; its answer waits"


@dataclass
class _Plan:
    fault: Fault
    method: str
    times: int
    seconds: float


class FaultProxy:
    """The proxy, in a thread and an event loop of its own, so that blocking tests and other processes can use it.

    Attributes:
        port: that it listens on, on the loopback interface.
        connections: accepted so far.
        requests: seen so far, by method.
        answered_bytes: passed back so far.
        struck: how many requests a fault has befallen.
        conditions: of the network, for all connections; may be changed at any time, by any thread.
    """

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self.connections = 0
        self.requests: Counter[str] = Counter()
        self.round_trips = 0
        self.answered_bytes = 0
        self.struck = 0
        self.conditions: NetworkConditions = UNIMPAIRED
        self._plans: list[_Plan] = []
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.stalls_end = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._do(self._shut_down())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def open_connections(self) -> int:
        """How many there are right now."""
        return len(self._open) // 2

    def plan(self, fault: Fault, *, method: str = "PUT", times: int = 1, seconds: float = 0.0) -> None:
        """Let the fault befall the next `times` requests of this method; `seconds` is how long a stall lasts."""
        self._plans.append(_Plan(fault, method, times, seconds))

    def refuse(self) -> None:
        """Refuse connections, and reset those that are open, until `listen`."""
        self._do(self._refuse())

    def listen(self) -> None:
        """Take connections again."""
        self._do(self._listen())

    def reset(self) -> None:
        """Reset all connections that are open."""
        self._do(self._reset())

    def end_stalls(self) -> None:
        """Let the answers that a stall holds back go on, and those of later stalls."""
        self._loop.call_soon_threadsafe(self.stalls_end.set)

    def forget(self) -> None:
        """Count anew, and drop the faults that have not befallen anything."""
        self._plans.clear()
        self.requests.clear()
        self.round_trips = 0
        self.answered_bytes = 0
        self.connections = 0

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the server, for one that was accepted."""
        return await asyncio.open_connection("127.0.0.1", self.target_port)

    def _do(self, work: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._reset()

    async def _reset(self) -> None:
        for writer in list(self._open):
            _reset_connection(writer)
        await asyncio.sleep(0)

    async def _shut_down(self) -> None:
        await self._refuse()
        # A connection that the loop is accepting now appears one or two of its turns later.
        for _ in range(3):
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await self._reset()  # also those whose task was cancelled before its first step
            await asyncio.sleep(0.01)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        task = self._loop.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up: asyncio.StreamWriter | None = None
        try:
            answers, up = await self.connect()
            self._open.add(up)
            line = _Line(self, reader, writer, answers, up)
            await line.carry()
        except OSError:
            _reset_connection(writer)
        finally:
            for end in (writer, up):
                if end is not None:
                    self._open.discard(end)
                    end.close()
                    with suppress(OSError, asyncio.CancelledError):
                        await end.wait_closed()

    def _fault_for(self, method: str) -> _Plan | None:
        for plan in self._plans:
            if plan.method == method:
                plan.times -= 1
                self.struck += 1
                if plan.times == 0:
                    self._plans.remove(plan)
                return plan
        return None


class _Line:
    """One connection through the proxy, and the fault that befalls it just now."""

    def __init__(
        self,
        proxy: FaultProxy,
        requests: asyncio.StreamReader,
        down: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        up: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._requests = requests
        self._down = down
        self._answers = answers
        self._up = up
        self._plan: _Plan | None = None
        self._left = 0  # of the body of the request that is passing
        self._asked = False

    async def carry(self) -> None:
        directions = [asyncio.ensure_future(self._carry_requests()), asyncio.ensure_future(self._carry_answers())]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)

    async def _carry_requests(self) -> None:
        while piece := await self._requests.read(_PIECE_BYTES):
            if self._left:
                passing = min(len(piece), self._left)
                self._left -= passing
                await self._send_up(piece)
                continue
            head = _REQUEST_LINE.match(piece)
            if head is None:
                self._plan = self._plan or self._proxy._fault_for(PIECE)
                if self._plan is not None and self._plan.fault is Fault.CUT_REQUEST:
                    await self._cut_request(piece, len(piece), len(piece))
                    return
                await self._send_up(piece)
                continue
            piece = await self._whole_head(piece)
            method = head[1].decode()
            self._proxy.requests[method] += 1
            self._plan = self._proxy._fault_for(method)
            length = _LENGTH.search(piece)
            body = int(length[1]) if length else 0
            begun = len(piece) - piece.index(b"\r\n\r\n") - 4
            if self._plan is not None and self._plan.fault is Fault.CUT_REQUEST:
                await self._cut_request(piece, begun, body)
                return
            self._left = body - begun
            await self._send_up(piece)

    async def _whole_head(self, piece: bytes) -> bytes:
        while b"\r\n\r\n" not in piece:
            more = await self._requests.read(_PIECE_BYTES)
            if not more:
                break
            piece += more
        return piece

    async def _cut_request(self, piece: bytes, begun: int, body: int) -> None:
        while begun < body // 2 and (more := await self._requests.read(_PIECE_BYTES)):
            piece, begun = piece + more, begun + len(more)
        await self._send_up(piece[: len(piece) - begun + body // 2])
        await asyncio.sleep(0.05)  # for the server to have begun to read
        _reset_connection(self._up)
        _reset_connection(self._down)

    async def _send_up(self, piece: bytes) -> None:
        self._asked = True
        await pass_through(lambda: self._proxy.conditions, len(piece))
        self._up.write(piece)
        await self._up.drain()

    async def _carry_answers(self) -> None:
        while piece := await self._answers.read(_PIECE_BYTES):
            self._proxy.round_trips += self._asked
            self._asked = False
            plan, self._plan = self._plan, None
            if plan is not None and plan.fault is Fault.STALL:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._proxy.stalls_end.wait(), plan.seconds)
            await pass_through(lambda: self._proxy.conditions, len(piece))
            if plan is not None and plan.fault in (Fault.LOSE_ANSWER, Fault.CUT_ANSWER, Fault.END_ANSWER):
                await self._break_off(plan.fault, piece)
                return
            self._down.write(piece)
            await self._down.drain()
            self._proxy.answered_bytes += len(piece)
            if plan is not None and plan.fault is Fault.HALF_CLOSE:
                self._down.write_eof()
                while await self._answers.read(_PIECE_BYTES):
                    pass

    async def _break_off(self, fault: Fault, piece: bytes) -> None:
        if fault is not Fault.LOSE_ANSWER:
            self._down.write(piece[: len(piece) // 2])
            await self._down.drain()
        if fault is Fault.CUT_ANSWER:
            await asyncio.sleep(0.05)  # a reset overtakes bytes that were not read yet
        if fault is not Fault.END_ANSWER:
            _reset_connection(self._down)


def _reset_connection(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None and not writer.is_closing():
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
