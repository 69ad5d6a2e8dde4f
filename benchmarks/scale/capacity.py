"""From measured unit costs and assumptions: what a number of users needs, and where one PostgreSQL server ends.

Imports the standard library only. Every function is plain arithmetic; its docstring is the formula.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY_SECONDS = 86_400
MONTH_DAYS = 30
MONTH_HOURS = 24 * MONTH_DAYS
GIB = 2**30
GB = 10**9
SCRUB_CONCURRENCY = 16


@dataclass(frozen=True)
class Costs:
    """Measured unit costs. Processor times are of the machine of the run.

    Attributes:
        upload_ms: processor time of the service per upload.
        download_ms: the same per download.
        database_ms: processor time of PostgreSQL per upload.
        row_bytes: of the table, per row.
        index_bytes: of the index, per row.
        wal_bytes: per upload, with a whole page in nearly each record.
        wal_bytes_lz4: the same with `wal_compression = lz4`.
        dump_us: processor time of `pg_dump` and the server, per row.
        restore_us: processor time of `pg_restore` and the server, per row.
        dump_bytes: size of a dump, per row.
        freeze_us: time of `VACUUM (FREEZE)`, per row.
        reap_us: processor time of `reap` and the server, per row that is not inactive.
        scrub_us: processor time of `scrub`, per slot in a data directory.
    """

    upload_ms: float
    download_ms: float
    database_ms: float
    row_bytes: float
    index_bytes: float
    wal_bytes: float
    wal_bytes_lz4: float
    dump_us: float
    restore_us: float
    dump_bytes: float
    freeze_us: float
    reap_us: float
    scrub_us: float


def costs(figures: Mapping[str, Any]) -> Costs:
    """The unit costs in the JSON of a run of `make bench-scale`."""
    service, postgres = figures["service"], figures["postgres"]
    rows, dump = postgres["rows"], postgres["partitions"]["dump_plain"]
    restore = postgres["copies"]["pg_restore -j 2"]
    return Costs(
        upload_ms=service["upload"]["service_ms"],
        download_ms=service["download"]["service_ms"],
        database_ms=service["upload"]["postgres_ms"],
        row_bytes=postgres["sizes"]["table_bytes_per_row"],
        index_bytes=postgres["sizes"]["index_bytes_per_row"],
        wal_bytes=postgres["wal_bytes_per_save"]["off"],
        wal_bytes_lz4=postgres["wal_bytes_per_save"]["lz4"],
        dump_us=1e6 * (dump["processor_seconds"] + dump["server_seconds"]) / rows,
        restore_us=1e6 * (restore["processor_seconds"] + restore["server_seconds"]) / postgres["copies"]["rows"],
        dump_bytes=dump["bytes"] / rows,
        freeze_us=1e6 * postgres["vacuum"]["freeze"]["seconds"] / rows,
        reap_us=postgres["reap"]["processor_us_per_slot"] + postgres["reap"]["server_us_per_slot"],
        scrub_us=figures["embedded"]["scrub"]["processor_us_per_slot"],
    )


@dataclass(frozen=True)
class Plan:
    """What a number of users needs.

    Args:
        users: each with a backup.
        costs: measured.
        assumed: the values of `assumptions.toml`, by their names.
    """

    users: int
    costs: Costs
    assumed: Mapping[str, float]

    @property
    def uploads_per_day(self) -> float:
        """Users x uploads."""
        return self.users * self.assumed["uploads"]

    @property
    def reads_per_day(self) -> float:
        """Users x (downloads + devices x checks)."""
        return self.users * (self.assumed["downloads"] + self.assumed["devices"] * self.assumed["checks"])

    @property
    def uploads_per_second(self) -> float:
        """At the peak."""
        return self.assumed["peak"] * self.uploads_per_day / DAY_SECONDS

    @property
    def requests_per_second(self) -> float:
        """At the peak: uploads and reads."""
        return self.uploads_per_second + self.assumed["peak"] * self.reads_per_day / DAY_SECONDS

    @property
    def service_cores(self) -> float:
        """Processor time per second at the peak, over the utilisation."""
        reads = self.requests_per_second - self.uploads_per_second
        busy = (self.uploads_per_second * self.costs.upload_ms + reads * self.costs.download_ms) / 1000
        return busy / self.assumed["utilisation"]

    @property
    def database_cores(self) -> float:
        """Uploads per second x processor time of PostgreSQL, over the utilisation. A read asks no row."""
        return self.uploads_per_second * self.costs.database_ms / 1000 / self.assumed["utilisation"]

    @property
    def connections(self) -> float:
        """To PostgreSQL, in use at the peak: uploads per second x the time that an upload keeps one."""
        return self.uploads_per_second * self.assumed["hold_seconds"]

    @property
    def row_store_bytes(self) -> float:
        """Table and index."""
        return self.users * (self.costs.row_bytes + self.costs.index_bytes)

    @property
    def wal_bytes_per_day(self) -> float:
        """Uploads x WAL."""
        return self.uploads_per_day * self.costs.wal_bytes

    @property
    def blob_bytes(self) -> float:
        """One blob per user."""
        return self.users * self.assumed["blob_bytes"]

    @property
    def replaced_bytes(self) -> float:
        """Blobs that were replaced and are still kept."""
        return self.uploads_per_day * self.assumed["kept_days"] * self.assumed["blob_bytes"]

    @property
    def scrub_seconds(self) -> float:
        """One HEAD per slot, 16 at a time."""
        return self.users * self.assumed["head_seconds"] / SCRUB_CONCURRENCY

    @property
    def freeze_days(self) -> float:
        """Between two vacuums of the whole table: an upload takes one transaction id."""
        return self.assumed["freeze_transactions"] / self.uploads_per_day

    @property
    def freeze_seconds(self) -> float:
        """Of such a vacuum."""
        return self.users * self.costs.freeze_us / 1e6

    def limits(self) -> dict[str, float]:
        """How many users one PostgreSQL server can have, by what ends first. Linear in the users, but for freezing."""
        one, given = Plan(1, self.costs, self.assumed), self.assumed
        freeze = given["freeze_share"] * one.freeze_days * DAY_SECONDS / one.freeze_seconds
        return {
            "processor": given["cores"] / one.database_cores,
            "memory": 0.75 * given["memory_gib"] * GIB / one.row_store_bytes,
            "connections": given["connections"] / one.connections,
            "WAL": given["wal_mb_per_second"] * 1e6 / (one.uploads_per_second * self.costs.wal_bytes),
            "freezing": math.sqrt(freeze),
            "restore": given["restore_hours"] * 3600 * 1e6 / self.costs.restore_us,
            "scrub": given["scrub_days"] * DAY_SECONDS / one.scrub_seconds,
        }

    @property
    def users_per_pair(self) -> float:
        """The least of the limits."""
        return min(self.limits().values())

    @property
    def pairs(self) -> int:
        """Of a database and a bucket."""
        return math.ceil(self.users / self.users_per_pair)

    def dollars(self) -> dict[str, float]:
        """Per month."""
        given = self.assumed
        instances = max(2 * self.pairs, math.ceil(self.service_cores / given["service_cores"]))
        cores = self.pairs * max(2, math.ceil(self.database_cores / self.pairs))
        monthly_downloads = MONTH_DAYS * self.users * given["downloads"]
        return {
            "replicas of the service": instances * MONTH_HOURS * given["service_hour"],
            "PostgreSQL with a standby": cores * MONTH_HOURS * given["database_core_hour"],
            "storage of PostgreSQL": 2 * self.row_store_bytes / GB * given["database_gb_month"],
            "blobs": self.blob_bytes / GB * given["blob_gb_month"],
            "replaced blobs": self.replaced_bytes / GB * given["blob_gb_month"],
            "PUT": MONTH_DAYS * self.uploads_per_day / 1000 * given["put_thousand"],
            "GET and HEAD": MONTH_DAYS * self.reads_per_day / 1000 * given["get_thousand"],
            "traffic": monthly_downloads * given["blob_bytes"] / GB * given["traffic_gb"],
        }
