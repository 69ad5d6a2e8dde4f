"""How many connections are served at once, in all and of one address, and which of them give way to a new one."""

from __future__ import annotations

import time
from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING, ClassVar, Protocol
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from uvicorn.server import ServerState

STALLED_SECONDS = 1.0
"""A client that takes nothing of its answer for this long gives way. It is more than a round trip by satellite."""
SWEEP_SECONDS = 0.25
"""How often all connections are asked whether they are stalled, while places are scarce: each costs a system call."""


class Connection(Protocol):
    """A connection that can be told to end."""

    def evict(self) -> None:
        """End now."""

    def stalled_seconds(self) -> float:
        """How long the client has taken nothing of an answer that waits for it.

        0 where none waits; infinity where no request is under way either.
        """


class _IdleQueue(Enum):
    NO_REQUEST = auto()
    ANSWERED = auto()


class _Group:
    """Connections that share one bound: all of a server, or all of one address.

    Each connection is on one queue, in the order in which it came there: silent, answered, or that of the holder whose
    request is under way.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._queue_of: dict[Connection, Hashable] = {}
        self._queues: dict[Hashable, dict[Connection, None]] = {}
        self._stalled: deque[Connection] = deque()
        self._swept_at = float("-inf")

    def __len__(self) -> int:
        return len(self._queue_of)

    def put(self, connection: Connection, queue: Hashable) -> None:
        """Add it, or move it from the queue where it was."""
        self.take(connection)
        self._queue_of[connection] = queue
        self._queues.setdefault(queue, {})[connection] = None

    def take(self, connection: Connection) -> None:
        """Take it out, if it is there."""
        queue = self._queue_of.pop(connection, None)
        if queue is not None:
            del self._queues[queue][connection]
            if not self._queues[queue]:
                del self._queues[queue]

    def eviction_candidate(self, holder: Hashable | None) -> Connection | None:
        """The connection that gives way to a new one of this holder, None where none does."""
        return (
            self._longest_idle()
            or self._longest_stalled()
            or (None if holder is None else self._oldest_of_busiest(holder))
        )

    def _longest_idle(self) -> Connection | None:
        for idle in _IdleQueue:
            if idle in self._queues:
                return next(iter(self._queues[idle]))
        return None

    def _longest_stalled(self) -> Connection | None:
        now = self._clock()
        if now - self._swept_at >= SWEEP_SECONDS:
            self._swept_at = now
            found = [(connection.stalled_seconds(), connection) for connection in self._queue_of]
            found = [(seconds, connection) for seconds, connection in found if seconds >= STALLED_SECONDS]
            found.sort(key=lambda each: each[0], reverse=True)
            self._stalled = deque(connection for _, connection in found)
        while self._stalled:
            connection = self._stalled.popleft()
            if connection in self._queue_of and connection.stalled_seconds() >= STALLED_SECONDS:
                return connection
        return None

    def _oldest_of_busiest(self, holder: Hashable) -> Connection | None:
        busiest = max(self._queues.values(), key=len)
        if len(busiest) > len(self._queues.get(holder, ())) + 1:
            return next(iter(busiest))
        return None


class ConnectionLimit:
    """The connections of one server.

    A connection alone earns nothing, since it costs nothing. Where all places are taken, one of them is freed:

    1. of the connection that has been silent longest, without one whole request;
    2. of the one that was answered longest ago, and whose client took the answer;
    3. of the one whose client has taken nothing of its answer for longest, and for STALLED_SECONDS at least;
    4. of the holder with the most requests under way, if it has two more than the holder of the new request: the
       oldest of them. A request is under way until its answer was taken. The holder is the user, or the client's
       address until a token was recognised.

    A connection that finds no place is served once it has a request and finds one then; until then it is late. The
    same holds within the connections of one address, so that a client behind a crowded address is served, too.

    Args:
        max_served: connections with a place.
        max_per_address: connections with a place of one address; 0 for no bound.
        max_open: connections with or without a place; beyond it the one that has been late longest is ended.
        clock: seconds that only go forward.
    """

    _of: ClassVar[WeakKeyDictionary[ServerState, ConnectionLimit]] = WeakKeyDictionary()

    def __init__(
        self, max_served: int, max_per_address: int, max_open: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_served = max_served
        self._max_per_address = max_per_address
        self._max_open = max_open
        self._clock = clock
        self._all = _Group(clock)
        self._groups: dict[str, _Group] = {}
        self._address_of: dict[Connection, str | None] = {}
        self._over_limit: dict[Connection, str | None] = {}

    @classmethod
    def of(cls, server_state: ServerState, make: Callable[[], ConnectionLimit]) -> ConnectionLimit:
        """The one that all connections of a server share; made for the first of them."""
        limit = cls._of.get(server_state)
        if limit is None:
            limit = cls._of[server_state] = make()
        return limit

    def add(self, connection: Connection, address: str | None) -> None:
        """Take a new connection in. `address` counts it against the bound by address; None exempts it."""
        if not self._place(connection, address, _IdleQueue.NO_REQUEST, None):
            self._over_limit[connection] = address
        while self._over_limit and len(self._all) + len(self._over_limit) > self._max_open:
            self._evict(next(iter(self._over_limit)))

    def admit_request(self, connection: Connection, holder: Hashable) -> Admission:
        """A request of this holder starts."""
        place = Admission(self, connection)
        place.claim(holder)
        return place

    def claim(self, connection: Connection, holder: Hashable) -> bool:
        """Count a connection with a request under way for a holder: whether it has a place."""
        if connection in self._address_of:
            self._put(connection, holder)
            return True
        return connection in self._over_limit and self._place(connection, self._over_limit[connection], holder, holder)

    def mark_answered(self, connection: Connection) -> None:
        """Its last request was answered."""
        if connection in self._address_of:
            self._put(connection, _IdleQueue.ANSWERED)

    def remove(self, connection: Connection) -> None:
        """It has ended."""
        self._over_limit.pop(connection, None)
        self._all.take(connection)
        address = self._address_of.pop(connection, None)
        if address is not None:
            self._groups[address].take(connection)
            if not self._groups[address]:
                del self._groups[address]

    def _place(self, connection: Connection, address: str | None, queue: Hashable, holder: Hashable | None) -> bool:
        near = self._groups.get(address) if address is not None and self._max_per_address else None
        for group, maximum in ((near, self._max_per_address), (self._all, self._max_served)):
            if group is not None and len(group) >= maximum:
                ending = group.eviction_candidate(holder)
                if ending is None:
                    return False
                self._evict(ending)
        self._over_limit.pop(connection, None)
        self._address_of[connection] = address
        self._put(connection, queue)
        return True

    def _put(self, connection: Connection, queue: Hashable) -> None:
        self._all.put(connection, queue)
        address = self._address_of[connection]
        if address is not None:
            if address not in self._groups:
                self._groups[address] = _Group(self._clock)
            self._groups[address].put(connection, queue)

    def _evict(self, connection: Connection) -> None:
        self.remove(connection)
        connection.evict()


class Admission:
    """Whether the connection of one request has a place.

    Attributes:
        is_granted: as of the last claim.
    """

    def __init__(self, limit: ConnectionLimit, connection: Connection) -> None:
        self._limit = limit
        self._connection = connection
        self.is_granted = False

    def claim(self, holder: Hashable) -> bool:
        """Have the request counted for this holder from now on, and ask for a place if there was none."""
        self.is_granted = self._limit.claim(self._connection, holder)
        return self.is_granted
