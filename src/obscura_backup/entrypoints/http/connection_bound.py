"""How many connections are served at once, and which of them give way to a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from uvicorn.server import ServerState


class Connection(Protocol):
    """One that can be told to end."""

    def give_way(self) -> None:
        """End now: nobody waits for an answer on it."""


class ConnectionBound:
    """The connections of one server.

    To be connected costs nothing, so it earns nothing: where all places are taken, the connection that has waited
    longest without one whole request makes room, else the one that was answered longest ago. One with a request under
    way keeps its place, and only who comes while there are none but those is refused.
    """

    _of: ClassVar[WeakKeyDictionary[ServerState, ConnectionBound]] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._served: set[Connection] = set()
        # Each is in the order of coming.
        self._silent: dict[Connection, None] = {}
        self._answered: dict[Connection, None] = {}
        self._late: dict[Connection, None] = {}

    @classmethod
    def of(cls, server_state: ServerState) -> ConnectionBound:
        """The one that all connections of a server share."""
        bound = cls._of.get(server_state)
        if bound is None:
            bound = cls._of[server_state] = cls()
        return bound

    def enter(self, connection: Connection, max_served: int, max_open: int) -> None:
        """Take a new connection in, to a place or to be refused; or drop the one that came too late longest ago."""
        if not self._place(connection, max_served):
            self._late[connection] = None
            if len(self._served) + len(self._late) > max_open:
                self._drop(next(iter(self._late)))
        else:
            self._silent[connection] = None

    def ask(self, connection: Connection, max_served: int) -> bool:
        """A whole head has come: whether its connection has a place, or finds one by now."""
        self._silent.pop(connection, None)
        self._answered.pop(connection, None)
        return connection in self._served or self._place(connection, max_served)

    def answered(self, connection: Connection) -> None:
        """Its last request was answered."""
        if connection in self._served:
            self._answered[connection] = None

    def leave(self, connection: Connection) -> None:
        """It has ended."""
        self._served.discard(connection)
        for waiting in (self._silent, self._answered, self._late):
            waiting.pop(connection, None)

    def _place(self, connection: Connection, max_served: int) -> bool:
        if len(self._served) >= max_served:
            oldest = next(iter(self._silent or self._answered), None)
            if oldest is None:
                return False
            self._drop(oldest)
        self._late.pop(connection, None)
        self._served.add(connection)
        return True

    def _drop(self, connection: Connection) -> None:
        self.leave(connection)
        connection.give_way()
