"""A primary and a standby, whose asynchronous replication can be held up so that a failover loses rows."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Literal

from support.servers.proxies.fault_proxy import FaultProxy
from support.servers.proxies.network_conditions import UNIMPAIRED, NetworkConditions
from support.servers.stores.postgres_pair import DATABASE, PostgresPair

if TYPE_CHECKING:
    from support.servers.stores.postgres_server import PostgresServer

SILENCE = NetworkConditions(silent=True)

Rows = dict[str, int]
"""The version of each user's row."""


class FailoverPair(PostgresPair):
    """A pair whose standby reads from the primary through a line that can fall silent."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._lines: dict[int, FaultProxy] = {}
        self._promoted: Rows = {}
        super().__init__()

    def rebuild(self) -> None:
        """See `PostgresPair.rebuild`; both can be rewound from then on."""
        for member in self._members:
            # No machine loses its power here: what a killed process wrote is in the kernel's memory.
            member.configure("wal_log_hints = on", "wal_keep_size = '64MB'", "fsync = off")
        super().rebuild()

    def replication_port(self, server: PostgresServer) -> int:
        """See `PostgresPair.replication_port`."""
        if server.port not in self._lines:
            self._lines[server.port] = self._stack.enter_context(FaultProxy(server.port))
        return self._lines[server.port].port

    def hold_replication(self) -> None:
        """Let the standby get nothing more, until it is promoted."""
        self._lines[self.primary.port].conditions = SILENCE

    def promote(self) -> None:
        """See `PostgresPair.promote`; what the new primary has is remembered."""
        line = self._lines[self.primary.port]
        super().promote()
        line.conditions = UNIMPAIRED
        line.reset()  # else a primary that is stopped would wait for its standby to have all that it wrote
        self._promoted = self.rows(self.primary)

    def rows(self, server: PostgresServer) -> Rows:
        return dict(server.execute("SELECT user_id::text, version FROM backups", database=DATABASE))

    def commits_lost(self) -> int:
        """How many commits of the old primary, which runs, the new one did not have when it was promoted."""
        old = self.rows(self.standby)
        return sum(max(0, version - self._promoted.get(user, 0)) for user, version in old.items())

    def rejoin(self) -> Literal["rewinds", "base backups"]:
        """Make the old primary, which runs, the standby of the new one; returns how."""
        member = self._members[1 - self._leader]
        self.primary.execute("CHECKPOINT")  # pg_rewind reads the timeline of the new primary from its control file
        self.standby.stop(immediate=False)
        how: Literal["rewinds", "base backups"] = "rewinds"
        try:
            member.rewind(self.primary.url)
        except RuntimeError:
            how = "base backups"
            member.replace_by_base_backup(self.primary.url)
        member.follow(self.replication_port(self.primary))
        self.standby.start()
        self.await_standby()
        return how

    def remove(self) -> None:
        super().remove()
        self._stack.close()
