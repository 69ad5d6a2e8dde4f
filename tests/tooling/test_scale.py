"""The arithmetic behind docs/scale.md, and that the page says what it yields."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from typing import Any

import pytest
from benchmarks.scale.capacity import DAY_SECONDS, GIB, Costs, Plan, costs
from benchmarks.scale.page import ASSUMPTIONS, MEASURED, PAGE, USERS, main, rendered
from benchmarks.scale.report import lines

COSTS = Costs(
    upload_ms=4.0,
    download_ms=2.0,
    database_ms=1.0,
    row_bytes=200.0,
    index_bytes=56.0,
    wal_bytes=5000.0,
    wal_bytes_lz4=2500.0,
    dump_us=10.0,
    restore_us=10.0,
    dump_bytes=100.0,
    freeze_us=10.0,
    reap_us=40.0,
    scrub_us=400.0,
)
ASSUMED = {
    "devices": 1.0,
    "uploads": 1.0,
    "downloads": 0.5,
    "checks": 0.5,
    "blob_bytes": 1000.0,
    "peak": 2.0,
    "utilisation": 0.5,
    "kept_days": 30.0,
    "hold_seconds": 0.1,
    "head_seconds": 0.016,
    "restore_hours": 1.0,
    "scrub_days": 1.0,
    "cores": 8.0,
    "memory_gib": 64.0,
    "connections": 100.0,
    "wal_mb_per_second": 10.0,
    "freeze_share": 0.1,
    "freeze_transactions": 200e6,
    "service_hour": 0.1,
    "service_cores": 2.0,
    "database_core_hour": 0.5,
    "database_gb_month": 0.25,
    "blob_gb_month": 0.02,
    "put_thousand": 0.005,
    "get_thousand": 0.0004,
    "traffic_gb": 0.1,
}
MILLION = Plan(1_000_000, COSTS, ASSUMED)


def figures() -> Any:
    return json.loads(MEASURED.read_text())


def assumptions() -> Any:
    return tomllib.loads(ASSUMPTIONS.read_text())


def test_requests_follow_from_users_and_habits() -> None:
    assert MILLION.uploads_per_day == MILLION.reads_per_day == 1_000_000
    assert MILLION.uploads_per_second == pytest.approx(2e6 / DAY_SECONDS)
    assert MILLION.requests_per_second == pytest.approx(4e6 / DAY_SECONDS)


def test_processors_are_those_of_the_peak_at_the_utilisation() -> None:
    assert MILLION.service_cores == pytest.approx(2e6 / DAY_SECONDS * (0.004 + 0.002) / 0.5)
    assert MILLION.database_cores == pytest.approx(2e6 / DAY_SECONDS * 0.001 / 0.5)
    assert MILLION.connections == pytest.approx(2e6 / DAY_SECONDS * 0.1)


def test_bytes_are_rows_and_blobs_and_replaced_blobs() -> None:
    assert MILLION.row_store_bytes == 256e6
    assert MILLION.blob_bytes == 1e9
    assert MILLION.replaced_bytes == 30e9
    assert MILLION.wal_bytes_per_day == 5e9


def test_each_limit_is_reached_at_its_number_of_users() -> None:
    """A plan of exactly so many users uses up what the limit is about."""
    limits = MILLION.limits()

    def at(name: str) -> Plan:
        return replace(MILLION, users=round(limits[name]))

    assert at("processor").database_cores == pytest.approx(8)
    assert at("memory").row_store_bytes == pytest.approx(0.75 * 64 * GIB)
    assert at("connections").connections == pytest.approx(100)
    assert at("WAL").uploads_per_second * 5000 == pytest.approx(10e6)
    assert at("freezing").freeze_seconds == pytest.approx(0.1 * at("freezing").freeze_days * DAY_SECONDS)
    assert at("restore").users * 10e-6 == pytest.approx(3600)
    assert at("scrub").scrub_seconds == pytest.approx(DAY_SECONDS)


def test_pairs_are_as_many_as_the_least_limit_asks_for() -> None:
    least = MILLION.users_per_pair
    assert least == min(MILLION.limits().values())
    assert replace(MILLION, users=round(least * 3.5)).pairs == 4
    assert replace(MILLION, users=10).pairs == 1


def test_bill_holds_each_price_times_its_amount() -> None:
    bill = MILLION.dollars()
    assert bill["replicas of the service"] == pytest.approx(2 * 720 * 0.1)
    assert bill["PostgreSQL with a standby"] == pytest.approx(2 * 720 * 0.5)
    assert bill["storage of PostgreSQL"] == pytest.approx(2 * 0.256 * 0.25)
    assert bill["blobs"] == pytest.approx(1 * 0.02)
    assert bill["replaced blobs"] == pytest.approx(30 * 0.02)
    assert bill["PUT"] == pytest.approx(30e6 / 1000 * 0.005)
    assert bill["GET and HEAD"] == pytest.approx(30e6 / 1000 * 0.0004)
    assert bill["traffic"] == pytest.approx(15 * 0.1)


def test_page_is_up_to_date() -> None:
    assert main(["--check"]) == 0


def test_changed_assumption_changes_the_page() -> None:
    changed = assumptions()
    changed["users"]["uploads"]["value"] *= 2
    assert rendered(PAGE.read_text(), figures(), changed) != PAGE.read_text()


def test_changed_number_in_the_page_is_found() -> None:
    page = PAGE.read_text()
    number = f"{USERS[1]:,}"
    assert number in page
    changed = page.replace(f"| {number} |", "| 10,000,001 |")
    assert changed != page
    assert rendered(changed, figures(), assumptions()) == page


def test_unit_costs_are_read_from_the_measured_run() -> None:
    found = costs(figures())
    rows = figures()["postgres"]["rows"]
    assert found.freeze_us == pytest.approx(1e6 * figures()["postgres"]["vacuum"]["freeze"]["seconds"] / rows)
    assert found.upload_ms == figures()["service"]["upload"]["service_ms"]


def test_report_has_a_line_per_group() -> None:
    assert list(lines("stage", {"rows": 12345, "calls": {"read": {"few_ms": 0.5, "whole": True}}})) == [
        "\nstage",
        f"  {'':<44}rows 12,345",
        f"  {'calls / read':<44}few_ms 0.5, whole True",
    ]
