"""Three services on a PostgreSQL that fails over and a MinIO of four nodes, each of them a real process.

Two poolers stand before PostgreSQL, as on two machines: an operator who moves one address after the other leaves some
services with the old primary for a while.
"""

from __future__ import annotations

import math
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from obscura_backup.adapters.object_stores.probe import SCRATCH_PREFIX
from support.servers.service import Service
from support.servers.stores.minio_cluster import MinioCluster
from support.servers.stores.pgbouncer import Pooler
from support.servers.stores.postgres_failover import FailoverPair
from support.servers.stores.postgres_pair import DATABASE
from support.servers.stores.s3_server import ACCESS_KEY, SECRET_KEY
from torture.testbeds import Testbed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

POOL_SIZE = 16
DENIAL_SECONDS = 30.0
"""A node of MinIO that was just started has been seen to deny objects for 15 seconds; see docs/failover.md."""


class FailoverTestbed(Testbed):
    """The first service has a pooler of its own; the others share one.

    Attributes:
        pair: primary and standby.
        poolers: the addresses of PostgreSQL.
        minio: the nodes and their balancer.
        locks: held by whatever changes the servers.
    """

    arguments = (("--workers", "2"), (), ())

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, None)
        self.locks = {"postgres": threading.RLock(), "minio": threading.RLock()}
        self._excused_until = 0.0

    @property
    def impossible(self) -> dict[str, str]:
        """See `Testbed.impossible`; there are no such faults here."""
        return {}

    def _prepare(self) -> None:
        self.pair = FailoverPair()
        self._stack.callback(self.pair.remove)
        self.poolers = []
        for _ in range(2):
            self.poolers.append(Pooler(self.pair.primary.port, size=POOL_SIZE))
            self._stack.callback(self.poolers[-1].remove)
        self.minio = MinioCluster()
        self._stack.callback(self.minio.remove)
        self.minio.start()
        self._excused_until = time.monotonic() + DENIAL_SECONDS  # all nodes were just started
        self.bucket = self.minio.new_bucket()

    def _service(self, number: int, arguments: tuple[str, ...], environment: dict[str, str]) -> Service:
        pooler = self.poolers[min(number, 1)]
        stores = {
            "OBSCURA_BACKUP_METADATA_URL": self.pair.url_through(pooler.port),
            "OBSCURA_BACKUP_BLOBS_URL": f"s3://{self.bucket}?endpoint={self.minio.endpoint}",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }
        return Service(self.folder / f"data-{number}", {**stores, **environment}, arguments)

    def fail_over(self) -> None:
        """Kill the primary, promote the standby, and let all poolers lead there."""
        self.pair.primary.kill()
        self.pair.promote()
        self._point_to_primary(0, 1)

    def promote_beside_primary(self, *, moved: int) -> None:
        """Promote the standby while the primary goes on, and let one of the poolers lead there."""
        self.pair.hold_replication()
        self.pair.promote()
        self._point_to_primary(moved)

    def rejoin(self) -> None:
        """Make the old primary, running or not, the standby of the new one, and let all poolers lead to that."""
        self._point_to_primary(0, 1)
        self.pair.standby.start()
        self.figures["lost commits"] += self.pair.commits_lost()
        self.figures[self.pair.rejoin()] += 1

    def _point_to_primary(self, *numbers: int) -> None:
        for number in numbers:
            self.poolers[number].point_to(self.pair.primary.port)

    def excuses_loss(self) -> bool:
        """See `Testbed.excuses_loss`: MinIO answers 404 for objects that it has while it lacks nodes, and then."""
        is_excused = time.monotonic() < self._excused_until
        self.figures["false losses"] += is_excused
        return is_excused

    @contextmanager
    def minio_impaired(self) -> Iterator[None]:
        """Hold the lock of MinIO while nodes are lost; losses that are reported then are not believed."""
        with self.locks["minio"]:
            self._excused_until = math.inf
            try:
                yield
            finally:
                self._excused_until = time.monotonic() + DENIAL_SECONDS

    def mend(self) -> None:
        """See `Testbed.mend`."""
        with self.locks["minio"]:
            self.minio.restore()

    def leftovers(self) -> Iterable[str]:
        """Objects without an owner, and transactions that no service holds any more."""
        witness = self.minio.witness()
        users = {f"backups/{user}" for user in self.pair.rows(self.pair.primary)}
        for entry in witness.list_objects(bucket_name=self.bucket, recursive=True):
            if entry.object_name not in users and not str(entry.object_name).startswith(SCRATCH_PREFIX):
                yield f"object {entry.object_name}"
        # The poolers keep their connections, without a transaction.
        for row in self.pair.primary.execute(
            "SELECT state, query FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'",
            database=DATABASE,
        ):
            yield f"transaction {row}"
