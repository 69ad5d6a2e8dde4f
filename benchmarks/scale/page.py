"""Write the tables of `docs/scale.md` from the measured run and the assumptions, or check that they are up to date.

python -m benchmarks.scale.page [--check]
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.scale.capacity import DAY_SECONDS, GIB, Plan, costs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "scale.md"
MEASURED = HERE / "measured.json"
ASSUMPTIONS = HERE / "assumptions.toml"
USERS = (10**5, 10**7, 10**9)
_BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rendered(page: str, figures: Mapping[str, Any], assumptions: Mapping[str, Any]) -> str:
    """The page with all tables written anew.

    Raises:
        KeyError: there is no table of that name, or the run lacks a figure.
    """
    tables = _tables(figures, assumptions)
    return _BLOCK.sub(lambda block: f"{block[1]}{tables[block[2]]()}{block[3]}", page)


def _tables(figures: Mapping[str, Any], assumptions: Mapping[str, Any]) -> dict[str, Callable[[], str]]:
    assumed = {name: entry["value"] for section in assumptions.values() for name, entry in section.items()}
    plans = [Plan(users, costs(figures), assumed) for users in USERS]
    return {
        "assumptions": lambda: _assumptions(assumptions),
        "costs": lambda: _costs(figures),
        "plan": lambda: _plan(plans),
        "dollars": lambda: _dollars(plans),
        "limits": lambda: _limits(plans[0]),
        "calls": lambda: _calls(figures),
        "partitions": lambda: _partitions(figures["postgres"]),
        "fillfactors": lambda: _fillfactors(figures["postgres"]),
        "work": lambda: _work(figures),
    }


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    cells = list(head)
    lines = [cells, ["---", *["---:"] * (len(cells) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _text(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    return _table(head, rows).replace("---:", "---")


def _assumptions(assumptions: Mapping[str, Any]) -> str:
    rows = [
        (f"`{name}`", f"{entry['value']:,} {entry['unit']}", entry["why"])
        for section in assumptions.values()
        for name, entry in section.items()
    ]
    return _text(("assumption", "value", "reason or source"), rows)


def _costs(figures: Mapping[str, Any]) -> str:
    found = costs(figures)
    return _table(
        ("unit cost", "measured"),
        (
            ("upload of 64 KiB: service", f"{found.upload_ms:.2f} ms"),
            ("upload: PostgreSQL", f"{found.database_ms:.2f} ms"),
            ("download of 64 KiB: service", f"{found.download_ms:.2f} ms"),
            ("row: table and index", f"{found.row_bytes:.0f} + {found.index_bytes:.0f} bytes"),
            ("upload: WAL", f"{found.wal_bytes:,.0f} bytes"),
            ("upload: WAL with `wal_compression = lz4`", f"{found.wal_bytes_lz4:,.0f} bytes"),
            ("`pg_dump -Fd -Z 1`, per row", f"{found.dump_us:.1f} us, {found.dump_bytes:.0f} bytes"),
            ("`pg_restore`, per row", f"{found.restore_us:.1f} us"),
            ("`VACUUM (FREEZE)`, per row (time)", f"{found.freeze_us:.1f} us"),
            ("`reap`, per row of an active user", f"{found.reap_us:.0f} us"),
            ("`scrub` of a data directory, per slot", f"{found.scrub_us:.0f} us"),
        ),
    )  # fmt: skip


def _plan(plans: list[Plan]) -> str:
    rows: list[tuple[str, Callable[[Plan], str]]] = [
        ("uploads per day", lambda plan: _count(plan.uploads_per_day)),
        ("uploads per second at the peak", lambda plan: _count(plan.uploads_per_second)),
        ("requests per second at the peak", lambda plan: _count(plan.requests_per_second)),
        ("processor cores of the service", lambda plan: _count(plan.service_cores)),
        ("processor cores of PostgreSQL", lambda plan: _count(plan.database_cores)),
        ("connections to PostgreSQL in use", lambda plan: _count(plan.connections)),
        ("pairs of a database and a bucket", lambda plan: f"{plan.pairs}"),
        ("rows per pair", lambda plan: _count(plan.users / plan.pairs)),
        ("table and index", lambda plan: _size(plan.row_store_bytes)),
        ("WAL per day", lambda plan: _size(plan.wal_bytes_per_day)),
        ("blobs", lambda plan: _size(plan.blob_bytes)),
        ("replaced blobs that are kept", lambda plan: _size(plan.replaced_bytes)),
        ("dump of the rows", lambda plan: _size(plan.users * plan.costs.dump_bytes)),
        ("dump of a pair, processor time", lambda plan: _per_pair(plan, plan.costs.dump_us)),
        ("restore of a pair, processor time", lambda plan: _per_pair(plan, plan.costs.restore_us)),
        ("`scrub` of a pair", lambda plan: _time(plan.scrub_seconds / plan.pairs)),
        ("`reap` of a pair, processor time", lambda plan: _per_pair(plan, plan.costs.reap_us)),
        ("freezing of a pair: every", lambda plan: _time(plan.freeze_days * DAY_SECONDS * plan.pairs)),
        ("freezing of a pair takes", lambda plan: _time(plan.freeze_seconds / plan.pairs)),
    ]  # fmt: skip
    return _by_users(plans, [(name, *map(value, plans)) for name, value in rows])


def _per_pair(plan: Plan, microseconds: float) -> str:
    return _time(plan.users / plan.pairs * microseconds / 1e6)


def _dollars(plans: list[Plan]) -> str:
    bills = [plan.dollars() for plan in plans]
    rows = [(name, *(_money(bill[name]) for bill in bills)) for name in bills[0]]
    totals = [sum(bill.values()) for bill in bills]
    rows.append(("**per month**", *(f"**{_money(total)}**" for total in totals)))
    per_user = zip(plans, totals, strict=True)
    rows.append(("per user and year", *(f"${12 * total / plan.users:.3f}" for plan, total in per_user)))
    return _by_users(plans, rows)


def _by_users(plans: list[Plan], rows: Iterable[Iterable[str]]) -> str:
    return _table(("users", *(f"{plan.users:,}" for plan in plans)), rows)


def _limits(plan: Plan) -> str:
    why = {
        "processor": "uploads at the peak",
        "memory": "table and index no longer fit; an upload then waits for the disk",
        "connections": "an upload keeps one, in a transaction, while it stores the blob: a pooler does not help",
        "WAL": "standby and archive fall behind at the peak",
        "freezing": "vacuum of the whole table against the reuse of transaction ids; grows with the square",
        "restore": "the row store is down for too long after a loss, though `scrub --repair` makes it anew, too",
        "scrub": "one HEAD per user, 16 at a time",
    }
    limits = sorted(plan.limits().items(), key=lambda limit: limit[1])
    return _table(
        ("ends by", "users of one pair", "because"), [(name, _count(users), why[name]) for name, users in limits]
    )


def _calls(figures: Mapping[str, Any]) -> str:
    postgres, embedded = figures["postgres"], figures["embedded"]
    groups = (
        (f"PostgreSQL, {postgres['rows']:,} rows", postgres["calls"]),
        (f"files and SQLite, {embedded['rows']:,} slots", embedded["calls"]),
        (f"SQLite alone, {embedded['rows']:,} rows", embedded["row_calls"]),
    )
    rows = [(f"{stores}: {call}", *_comparison(found)) for stores, group in groups for call, found in group.items()]
    return _table(("call", "1,000 rows", "many rows", "ratio (lowest to highest)"), rows)


def _comparison(found: Mapping[str, float]) -> tuple[str, str, str]:
    ratio = f"{found['ratio']:.2f} ({found['ratio_low']:.2f} to {found['ratio_high']:.2f})"
    return f"{found['few_ms']:.3f} ms", f"{found['many_ms']:.3f} ms", ratio


def _partitions(postgres: Mapping[str, Any]) -> str:
    split = postgres["partitions"]
    plain = {"sizes": postgres["sizes"], "vacuum": postgres["vacuum"], "dump": split["dump_plain"]}
    other = {"sizes": split["sizes"], "vacuum": split["vacuum"], "dump": split["dump_partitioned"]}
    kinds = (plain, other)
    processor = [kind["dump"]["processor_seconds"] + kind["dump"]["server_seconds"] for kind in kinds]
    rows = [
        ("table, bytes per row", *(f"{kind['sizes']['table_bytes_per_row']:.0f}" for kind in kinds)),
        ("index, bytes per row", *(f"{kind['sizes']['index_bytes_per_row']:.1f}" for kind in kinds)),
        ("`VACUUM` that reads all pages", *(_time(kind["vacuum"]["all_pages"]["seconds"]) for kind in kinds)),
        ("`VACUUM (FREEZE)`", *(_time(kind["vacuum"]["freeze"]["seconds"]) for kind in kinds)),
        ("`pg_dump -Fd -j 2 -Z 1`", *(_time(kind["dump"]["seconds"]) for kind in kinds)),
        ("the same, processor time", *map(_time, processor)),
    ]
    for call, found in split["calls"].items():
        few, many, ratio = _comparison(found)
        rows.append((call, few, f"{many}; ratio {ratio}"))
    return _table((f"{postgres['rows']:,} rows", "one table", f"{split['count']} hash partitions"), rows)


def _fillfactors(postgres: Mapping[str, Any]) -> str:
    rows = [
        (
            percent,
            f"{found['bytes_per_row']:.0f}",
            f"{100 * found['hot_share']:.1f} %",
            f"{found['table_growth']:.2f}",
            f"{found['index_growth']:.2f}",
            f"{found['dead_rows_at_most']:,}",
            f"{found['autovacuums']}",
            f"{found['overwrites_per_row']:.1f}",
        )
        for percent, found in postgres["fillfactors"].items()
    ]
    head = (
        "fillfactor",
        "bytes per row",
        "HOT",
        "table grows to",
        "index grows to",
        "dead rows",
        "autovacuums",
        "overwrites per row",
    )
    return _table(head, rows)  # fmt: skip


def _work(figures: Mapping[str, Any]) -> str:
    postgres, embedded = figures["postgres"], figures["embedded"]
    copies = postgres["copies"]
    rows, copied, slots = (f"{number:,}" for number in (postgres["rows"], copies["rows"], embedded["rows"]))
    parts = [
        ("PostgreSQL: start of the service, 1,000 rows", postgres["start_up"]["few"]),
        (f"PostgreSQL: start of the service, {rows} rows", postgres["start_up"]["many"]),
        (f"PostgreSQL: `pg_dump -Fd -j 2 -Z 1`, {rows} rows", postgres["partitions"]["dump_plain"]),
        *((f"PostgreSQL: `{name}`, {copied} rows", copies[name]) for name in copies if name.startswith("pg_")),
        ("PostgreSQL: `reap`", postgres["reap"]),
        ("embedded: start of the service, 1,000 slots", embedded["start_up"]["few"]),
        (f"embedded: start of the service, {slots} slots", embedded["start_up"]["many"]),
        ("embedded: start after 4 killed processes", embedded["start_up_after_crash"]),
        ("embedded: `scrub`", embedded["scrub"]),
        ("embedded: `scrub --repair` without any row", embedded["scrub_repair_of_all"]),
        ("embedded: `reap`", embedded["reap"]),
        ("embedded: copy of the blobs", embedded["copies"]["blobs"]),
        ("embedded: copy of the metadata", embedded["copies"]["metadata"]),
    ]
    lines = [
        (
            name,
            _time(part["seconds"]),
            _time(part["processor_seconds"] + part.get("server_seconds", 0)),
            f"{part.get('peak_mib', part.get('memory_mib', 0)):.0f} MiB",
            f"{part['slots']:,}" if "slots" in part else "",
            _size(part["bytes"]) if "bytes" in part else "",
        )
        for name, part in parts
    ]
    return _table(("work", "time", "processor time", "memory", "slots done", "result"), lines)


def _count(value: float) -> str:
    """Three digits, or fewer."""
    for unit, name in ((1e9, " billion"), (1e6, " million")):
        if value >= unit:
            return f"{value / unit:.3g}{name}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004  # the precision of the text


def _size(value: float) -> str:
    for unit, name in ((2**50, "PiB"), (2**40, "TiB"), (GIB, "GiB"), (2**20, "MiB")):
        if value >= unit:
            return f"{value / unit:,.3g} {name}"
    return f"{value / 1024:,.3g} KiB"


def _time(seconds: float) -> str:
    for unit, name in ((DAY_SECONDS, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{_count(seconds / unit)} {name}"
    return f"{_count(seconds)} s"


def _money(dollars: float) -> str:
    return f"${dollars:,.0f}" if dollars >= 10 else f"${dollars:.2f}"  # noqa: PLR2004  # as above


def main(arguments: list[str] | None = None) -> int:
    """Write or check; the exit code is 1 if the checked page differs."""
    parser = argparse.ArgumentParser(prog="page", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the committed page differs")
    check = parser.parse_args(arguments).check
    page = PAGE.read_text(encoding="utf-8")
    figures = json.loads(MEASURED.read_text(encoding="utf-8"))
    wanted = rendered(page, figures, tomllib.loads(ASSUMPTIONS.read_text(encoding="utf-8")))
    if check and page != wanted:
        print("docs/scale.md differs from its figures (run python -m benchmarks.scale.page)", file=sys.stderr)
        return 1
    if not check:
        PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
