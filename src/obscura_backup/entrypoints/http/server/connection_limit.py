"""How many connections are served at once, in all and per address, and which one is evicted for a new one."""

from __future__ import annotations

import time
from collections import Counter, deque
from enum import Enum, IntEnum, auto
from typing import TYPE_CHECKING, ClassVar, Protocol
from weakref import WeakKeyDictionary

from obscura_backup.entrypoints.http.server import bounds

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from uvicorn.server import ServerState

STALLED_SECONDS = 1.0
"""A client that takes nothing of its answer for this long is evicted. It is more than a round trip by satellite."""
SWEEP_SECONDS = 0.25
"""How often all connections are checked for stalls while places are scarce: each check costs a system call."""


class Connection(Protocol):
    """A connection that can be evicted."""

    def evict(self) -> None:
        """End now."""

    def stalled_seconds(self) -> float:
        """How long the client has taken nothing of an answer that waits for it.

        0 if no answer waits; infinity if no request is under way either.
        """


class Listener(Enum):
    """A socket that the server listens on."""

    PUBLIC = auto()
    MANAGEMENT = auto()


class _IdleQueue(IntEnum):  # hashed without a call of Python
    NO_REQUEST = auto()
    ANSWERED = auto()


class _Group:
    """Connections that share one limit: all of a server, or all of one address.

    Each connection is in one queue: that of connections without a request, that of answered ones, or that of the owner
    whose request is under way. All queues share one dictionary in the order of arrival, since connections change their
    queue with every request, and a queue is read only when a place is needed.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._queue_of: dict[Connection, Hashable] = {}
        self._stalled: deque[Connection] = deque()
        self._swept_at = float("-inf")

    def __len__(self) -> int:
        return len(self._queue_of)

    def put(self, connection: Connection, queue: Hashable) -> None:
        """Add the connection to this queue, or move it there."""
        self._queue_of.pop(connection, None)  # to be the last one again
        self._queue_of[connection] = queue

    def take(self, connection: Connection) -> None:
        """Remove the connection, if it is there."""
        self._queue_of.pop(connection, None)

    def eviction_candidate(self, owner: Hashable | None) -> Connection | None:
        """The connection to evict for a new one of this owner; None if there is none."""
        return (
            self._longest_idle()
            or self._longest_stalled()
            or (None if owner is None else self._oldest_of_busiest(owner))
        )

    def _longest_idle(self) -> Connection | None:
        for idle in _IdleQueue:
            for connection, queue in self._queue_of.items():
                if queue is idle:
                    return connection
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

    def _oldest_of_busiest(self, owner: Hashable) -> Connection | None:
        counts = Counter(self._queue_of.values())
        busiest, count = counts.most_common(1)[0]
        if count > counts[owner] + 1:
            return next(connection for connection, queue in self._queue_of.items() if queue == busiest)
        return None


class ConnectionLimit:
    """The connections of one server.

    An open connection costs a client nothing, so it gives no right to a place. If all places are taken, this
    connection is evicted:

    1. the one that has been open longest without a whole request;
    2. else the one that was answered longest ago, and whose client took the answer;
    3. else the one whose client has taken nothing of its answer for longest, and for at least STALLED_SECONDS;
    4. else the oldest one of the owner with the most requests under way, if that owner has at least two more than the
       owner of the new request. A request is under way until its answer was taken. The owner is the user, or the
       client's address until a token was recognised.

    A connection that finds no place is over the limit. It is served if its next request finds one. The same rules
    apply among the connections of one address, so that a client behind a crowded address is served, too.

    Args:
        max_served: connections with a place.
        max_per_address: connections with a place per address; 0 for no limit.
        max_open: connections with or without a place; beyond it the one that has been over the limit longest is closed.
        clock: seconds that only go forward.
    """

    _of: ClassVar[WeakKeyDictionary[ServerState, dict[Listener, ConnectionLimit]]] = WeakKeyDictionary()

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
    def of(
        cls, server_state: ServerState, listener: Listener, max_served: int, max_per_address: int
    ) -> ConnectionLimit:
        """The limit that all connections of a server to one listener share; made for the first of them.

        The management listener has a limit of its own: an operator is served however many clients there are.
        """
        limits = cls._of.setdefault(server_state, {})
        if listener not in limits:
            if listener is Listener.MANAGEMENT:
                max_served, max_per_address = bounds.MANAGEMENT_CONNECTIONS, 0
            limits[listener] = cls(max_served, max_per_address, bounds.OPEN_CONNECTIONS_FACTOR * max_served)
        return limits[listener]

    @classmethod
    def count_open(cls, listener: Listener) -> int:
        """How many connections to this listener are open in this process."""
        return sum(limits[listener].open_count for limits in cls._of.values() if listener in limits)

    @property
    def open_count(self) -> int:
        """How many connections are open, with or without a place."""
        return len(self._all) + len(self._over_limit)

    def add(self, connection: Connection, address: str | None) -> None:
        """Add a new connection. `address` counts it against the limit per address; None exempts it."""
        if not self._place(connection, address, _IdleQueue.NO_REQUEST, None):
            self._over_limit[connection] = address
        while self._over_limit and self.open_count > self._max_open:
            self._evict(next(iter(self._over_limit)))

    def admit_request(self, connection: Connection, owner: Hashable) -> Admission:
        """Admit a request that starts now, on behalf of this owner."""
        place = Admission(self, connection)
        place.claim(owner)
        return place

    def claim(self, connection: Connection, owner: Hashable) -> bool:
        """Count a connection with a request under way for this owner: whether it has a place."""
        if connection in self._address_of:
            self._put(connection, owner)
            return True
        return connection in self._over_limit and self._place(connection, self._over_limit[connection], owner, owner)

    def mark_answered(self, connection: Connection) -> None:
        """All requests of this connection are answered."""
        if connection in self._address_of:
            self._put(connection, _IdleQueue.ANSWERED)

    def remove(self, connection: Connection) -> None:
        """The connection has ended."""
        self._over_limit.pop(connection, None)
        self._all.take(connection)
        address = self._address_of.pop(connection, None)
        if address is not None:
            self._groups[address].take(connection)
            if not self._groups[address]:
                del self._groups[address]

    def _place(self, connection: Connection, address: str | None, queue: Hashable, owner: Hashable | None) -> bool:
        near = self._groups.get(address) if address is not None and self._max_per_address else None
        for group, maximum in ((near, self._max_per_address), (self._all, self._max_served)):
            if group is not None and len(group) >= maximum:
                ending = group.eviction_candidate(owner)
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
    """Whether the connection of one request has a place. See `request_state.Admission`.

    Attributes:
        is_granted: as of the last claim.
    """

    def __init__(self, limit: ConnectionLimit, connection: Connection) -> None:
        self._limit = limit
        self._connection = connection
        self.is_granted = False

    def claim(self, owner: Hashable) -> bool:
        """Count the request for this owner from now on, and ask for a place if there was none."""
        self.is_granted = self._limit.claim(self._connection, owner)
        return self.is_granted
