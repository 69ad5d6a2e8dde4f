"""What needs attention, and what to do about it. The limits are those of the alert rules in `deploy/prometheus`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from obscura_backup.entrypoints.http.status.samples import quantile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from obscura_backup.entrypoints.http.status.samples import Sample, StoreState, Totals

CRITICAL, WARNING = "critical", "warning"
_MINUTE, _HOUR = 60, 3600
UNAVAILABLE_SHARE = 0.05
SLOW_SECONDS = 5.0
REPAIRED_ROWS = 100
KEY_SET_AGE_SECONDS = 6 * _HOUR
REFUSED_PER_SECOND = 10

STORE_NAMES = {"metadata": "metadata store", "blobs": "blob store"}
_EFFECT = {
    "metadata": "Uploads and deletions answer 503; downloads work.",
    "blobs": "Uploads and downloads answer 503.",
}
_ADVICE = {
    "postgresql": "Start PostgreSQL, or correct OBSCURA_BACKUP_METADATA_URL.",
    "sqlite": "Check that the data directory is mounted, has space, and belongs to the user of the service.",
    "s3": "Start the object store, or correct OBSCURA_BACKUP_BLOBS_URL and its credentials.",
    "file": "Check that the blob directory is mounted, has space, and belongs to the user of the service.",
}
_ADVICE |= dict.fromkeys(("s3+boto3", "gs", "az"), _ADVICE["s3"])
_DOCTOR = "Run `obscura-backup doctor` for details. The service reconnects by itself."


class Finding(msgspec.Struct, frozen=True):
    """One thing that needs attention.

    Attributes:
        level: `critical` or `warning`.
        what: happened, in one sentence.
        advice: what to do.
    """

    level: str
    what: str
    advice: str


def findings(samples: Sequence[Sample], stores: Iterable[StoreState]) -> tuple[Finding, ...]:
    """All findings, critical ones first.

    Args:
        samples: oldest first; the last one is of this moment.
        stores: as they are now.
    """
    found = [*_of_stores(samples[-1], stores), *_of_requests(samples), *_of_keys(samples[-1])]
    return tuple(sorted(found, key=lambda finding: finding.level != CRITICAL))


def _of_stores(now: Sample, stores: Iterable[StoreState]) -> Iterable[Finding]:
    for store in stores:
        advice = " ".join(filter(None, (_EFFECT[store.name], _ADVICE.get(store.kind), _DOCTOR)))
        if store.status != "ok":
            yield Finding(CRITICAL, f"The {STORE_NAMES[store.name]} ({store.kind}) does not answer.", advice)
        elif not now.up.get(store.name, True):
            what = f"The {STORE_NAMES[store.name]} ({store.kind}) did not answer the last check of at least one worker."
            yield Finding(CRITICAL, what, f"Reload in 10 seconds. If it lasts, one worker cannot reach it. {advice}")


def _of_requests(samples: Sequence[Sample]) -> Iterable[Finding]:
    hour, ten_minutes, five_minutes = (_last(samples, seconds) for seconds in (_HOUR, 10 * _MINUTE, 5 * _MINUTE))
    failed = int(hour.counts.get("failed", 0))
    if failed:
        yield Finding(
            CRITICAL,
            f"{_requests(failed)} failed with a server error in the last hour.",
            "Find them in the log by their status. `backup-lost` and `backup-damaged`: run `obscura-backup scrub`. "
            "`internal-error`: report the bug with its traceback.",
        )
    unavailable, requests = (five_minutes.counts.get(name, 0) for name in ("unavailable", "requests"))
    if unavailable > UNAVAILABLE_SHARE * requests:
        yield Finding(
            WARNING,
            f"{100 * unavailable / requests:.0f} % of the calls for backups answered 503 in the last 5 minutes.",
            "The log names the cause of each. If both stores answer now, the outage is over: clients try again.",
        )
    for method, name in (("POST", "uploads"), ("GET", "downloads")):
        slow = quantile(ten_minutes.buckets.get(method, {}), 0.99)
        if slow is not None and slow > SLOW_SECONDS:
            yield Finding(
                WARNING,
                f"1 % of the {name} took longer than {slow:.0f} s in the last 10 minutes.",
                "Look at the time of each call to a store (`obscura_backup_store_seconds` in the metrics), and at the "
                "network of the clients: a slow body counts, too.",
            )
    repaired = int(hour.counts.get("repaired_rows", 0))
    if repaired > REPAIRED_ROWS:
        yield Finding(
            WARNING,
            f"{repaired} rows lagged behind their objects in the last hour, and were repaired.",
            "Commits to the metadata store fail, or it was restored from an old backup. Run `obscura-backup scrub`.",
        )
    refused = ten_minutes.counts.get("refused", 0)
    if refused > REFUSED_PER_SECOND * 10 * _MINUTE:
        yield Finding(
            WARNING,
            f"{_requests(int(refused))} were refused by a rate limit in the last 10 minutes.",
            "If all clients come through a proxy, add it to OBSCURA_BACKUP_TRUSTED_PROXIES.",
        )


def _of_keys(now: Sample) -> Iterable[Finding]:
    age = now.key_set_age_seconds
    if age is not None and age > KEY_SET_AGE_SECONDS:
        yield Finding(
            WARNING,
            f"The key set was last read {age / _HOUR:.0f} hours ago.",
            "Check the URL in OBSCURA_BACKUP_AUTH_JWKS, its name and its certificate. After 24 hours, all tokens get "
            "503.",
        )


def _last(samples: Sequence[Sample], seconds: float) -> Totals:
    """What was counted in the last `seconds` seconds, or since the oldest sample."""
    now = samples[-1]
    before = next(sample for sample in samples if sample.at >= now.at - seconds)
    return now.totals.since(before.totals)


def _requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count} requests"
