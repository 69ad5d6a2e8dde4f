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

PLACE = "obscura.place"
"""In the scope: the `Place` of the request's connection."""


class Connection(Protocol):
    """A connection that can be told to end."""

    def give_way(self) -> None:
        """End now."""

    def stalled_seconds(self) -> float:
        """How long the client has taken nothing of an answer that waits for it.

        0 where none waits; infinity where no request is under way either.
        """


class _Idle(Enum):
    SILENT = auto()
    ANSWERED = auto()


class _Group:
    """Connections that share one bound: all of a server, or all of one address.

    Each connection is on one shelf, in the order in which it came there: silent, answered, or that of the holder whose
    request is under way.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._shelf_of: dict[Connection, Hashable] = {}
        self._shelves: dict[Hashable, dict[Connection, None]] = {}
        self._stalled: deque[Connection] = deque()
        self._swept_at = float("-inf")

    def __len__(self) -> int:
        return len(self._shelf_of)

    def put(self, connection: Connection, shelf: Hashable) -> None:
        """Add it, or move it from the shelf where it was."""
        self.take(connection)
        self._shelf_of[connection] = shelf
        self._shelves.setdefault(shelf, {})[connection] = None

    def take(self, connection: Connection) -> None:
        """Take it out, if it is there."""
        shelf = self._shelf_of.pop(connection, None)
        if shelf is not None:
            del self._shelves[shelf][connection]
            if not self._shelves[shelf]:
                del self._shelves[shelf]

    def next_to_go(self, holder: Hashable | None) -> Connection | None:
        """The connection that gives way to a new one of this holder, None where none does."""
        return (
            self._longest_idle()
            or self._longest_stalled()
            or (None if holder is None else self._oldest_of_heaviest(holder))
        )

    def _longest_idle(self) -> Connection | None:
        for idle in _Idle:
            if idle in self._shelves:
                return next(iter(self._shelves[idle]))
        return None

    def _longest_stalled(self) -> Connection | None:
        now = self._clock()
        if now - self._swept_at >= SWEEP_SECONDS:
            self._swept_at = now
            found = [(connection.stalled_seconds(), connection) for connection in self._shelf_of]
            found = [(seconds, connection) for seconds, connection in found if seconds >= STALLED_SECONDS]
            found.sort(key=lambda each: each[0], reverse=True)
            self._stalled = deque(connection for _, connection in found)
        while self._stalled:
            connection = self._stalled.popleft()
            if connection in self._shelf_of and connection.stalled_seconds() >= STALLED_SECONDS:
                return connection
        return None

    def _oldest_of_heaviest(self, holder: Hashable) -> Connection | None:
        heaviest = max(self._shelves.values(), key=len)
        if len(heaviest) > len(self._shelves.get(holder, ())) + 1:
            return next(iter(heaviest))
        return None


class ConnectionBound:
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

    _of: ClassVar[WeakKeyDictionary[ServerState, ConnectionBound]] = WeakKeyDictionary()

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
        self._late: dict[Connection, str | None] = {}

    @classmethod
    def of(cls, server_state: ServerState, make: Callable[[], ConnectionBound]) -> ConnectionBound:
        """The one that all connections of a server share; made for the first of them."""
        bound = cls._of.get(server_state)
        if bound is None:
            bound = cls._of[server_state] = make()
        return bound

    def enter(self, connection: Connection, address: str | None) -> None:
        """Take a new connection in. `address` counts it against the bound by address; None exempts it."""
        if not self._place(connection, address, _Idle.SILENT, None):
            self._late[connection] = address
        while self._late and len(self._all) + len(self._late) > self._max_open:
            self._drop(next(iter(self._late)))

    def begin(self, connection: Connection, holder: Hashable) -> Place:
        """A request of this holder starts."""
        place = Place(self, connection)
        place.claim(holder)
        return place

    def claim(self, connection: Connection, holder: Hashable) -> bool:
        """Count a connection with a request under way for a holder: whether it has a place."""
        if connection in self._address_of:
            self._put(connection, holder)
            return True
        return connection in self._late and self._place(connection, self._late[connection], holder, holder)

    def answered(self, connection: Connection) -> None:
        """Its last request was answered."""
        if connection in self._address_of:
            self._put(connection, _Idle.ANSWERED)

    def leave(self, connection: Connection) -> None:
        """It has ended."""
        self._late.pop(connection, None)
        self._all.take(connection)
        address = self._address_of.pop(connection, None)
        if address is not None:
            self._groups[address].take(connection)
            if not self._groups[address]:
                del self._groups[address]

    def _place(self, connection: Connection, address: str | None, shelf: Hashable, holder: Hashable | None) -> bool:
        near = self._groups.get(address) if address is not None and self._max_per_address else None
        for group, bound in ((near, self._max_per_address), (self._all, self._max_served)):
            if group is not None and len(group) >= bound:
                ending = group.next_to_go(holder)
                if ending is None:
                    return False
                self._drop(ending)
        self._late.pop(connection, None)
        self._address_of[connection] = address
        self._put(connection, shelf)
        return True

    def _put(self, connection: Connection, shelf: Hashable) -> None:
        self._all.put(connection, shelf)
        address = self._address_of[connection]
        if address is not None:
            if address not in self._groups:
                self._groups[address] = _Group(self._clock)
            self._groups[address].put(connection, shelf)

    def _drop(self, connection: Connection) -> None:
        self.leave(connection)
        connection.give_way()


class Place:
    """Whether the connection of one request has a place.

    Attributes:
        is_held: as of the last claim.
    """

    def __init__(self, bound: ConnectionBound, connection: Connection) -> None:
        self._bound = bound
        self._connection = connection
        self.is_held = False

    def claim(self, holder: Hashable) -> bool:
        """Have the request counted for this holder from now on, and ask for a place if there was none."""
        self.is_held = self._bound.claim(self._connection, holder)
        return self.is_held
