"""`status`: print in a terminal what the status page shows."""

from __future__ import annotations

import base64
import http.client
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from obscura_backup.entrypoints.cli import options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from obscura_backup.entrypoints.http.status.report import Report
    from obscura_backup.entrypoints.settings import Settings

ANSWER_SECONDS = 15.0
_PATH = "/status"
_BLOCKS = "▁▂▃▄▅▆▇█"
_UNKNOWN = "·"
_UP, _DOWN = "▁", "█"
_REFUSALS = {
    401: ("refuses the password: OBSCURA_BACKUP_STATUS_PASSWORD is not that of the service", options.EXIT_USAGE),
    404: (
        "has no status page: set OBSCURA_BACKUP_STATUS_PASSWORD for the service, and ask its management listener",
        options.EXIT_USAGE,
    ),
    429: ("refuses further attempts after wrong passwords; try again in a minute", options.EXIT_USAGE),
}
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  # asked at the loopback address


@click.command()
@options.json_option
@click.option("--url", help="The management listener, as http://HOST:PORT. Default: that of the settings.")
@options.config_option
def status(*, as_json: bool, url: str | None, config: Path | None) -> int:
    """Print the state of a running service: its stores, its requests of the last hours, and what to do.

    Asks the management listener, with OBSCURA_BACKUP_STATUS_PASSWORD. Exit code 5 if something is critical, or if the
    service does not answer.
    """
    import msgspec  # so that `--help` is fast

    from obscura_backup.entrypoints.http.status.report import Report

    settings = options.settings_from({}, config)
    body = _ask(url or _address(settings), settings.status_password)
    try:
        report = msgspec.json.decode(body, type=Report)
    except msgspec.DecodeError as error:
        options.fail(f"This is not the status of an Obscura Backup of this version: {error}.", options.EXIT_USAGE)
    if as_json:
        click.echo(body)
    else:
        for line in _lines(report):
            click.echo(line)
    return options.EXIT_FINDINGS if report.status == "critical" else 0


def _address(settings: Settings) -> str:
    if not settings.admin_port:
        options.fail("Give --url, or set admin_port as for the service.", options.EXIT_USAGE)
    return options.url_of(_WILDCARDS.get(settings.admin_host, settings.admin_host), settings.admin_port)


def _ask(url: str, password: str | None) -> bytes:
    """The JSON of the status page. Without proxies and redirects: the password goes to this address alone."""
    if password is None:
        options.fail(
            "OBSCURA_BACKUP_STATUS_PASSWORD is not set. The service and this command need the same one.",
            options.EXIT_USAGE,
        )
    connection = _connection(url)
    credentials = base64.b64encode(b"operator:" + password.encode()).decode()
    try:
        connection.request(
            "GET", _PATH, headers={"Accept": "application/json", "Authorization": f"Basic {credentials}"}
        )
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        options.fail(f"The management listener at {url} does not answer: {error}.", options.EXIT_FINDINGS)
    finally:
        connection.close()
    if answer.status != http.client.OK:
        reason, code = _REFUSALS.get(answer.status, (f"answers {answer.status}", options.EXIT_FINDINGS))
        options.fail(f"{url} {reason}.", code)
    return body


def _connection(url: str) -> http.client.HTTPConnection:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
        parts = urlsplit("")
    if host is None or parts.scheme not in {"http", "https"} or parts.path not in {"", "/"}:
        options.fail("--url takes http://HOST:PORT or https://HOST:PORT, without a path.", options.EXIT_USAGE)
    if parts.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=ANSWER_SECONDS, context=context)
    return http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS)


def _lines(report: Report) -> Iterator[str]:
    from obscura_backup.entrypoints.http.status.amounts import date_and_time
    from obscura_backup.entrypoints.http.status.hours import verdict

    yield f"{verdict(report)}"
    yield f"{date_and_time(report.at)}, version {report.version}, worker {report.pid}"
    for finding in report.findings:
        yield f"\n{finding.level.upper()}: {_printable(finding.what)}"
        yield click.wrap_text(_printable(finding.advice), width=96, initial_indent="  ", subsequent_indent="  ")
    yield "\nStores"
    yield from _stores(report)
    yield "\nLast 6 hours, per 5 minutes"
    yield from _pictures(report)
    yield "\nHour by hour (UTC)"
    yield from _hours(report)


def _stores(report: Report) -> Iterator[str]:
    from obscura_backup.entrypoints.http.status.amounts import age

    for store in report.stores:
        word = "answers" if store.status == "ok" else "DOES NOT ANSWER"
        since = "" if store.since is None else f" for {age(report.at - store.since)}"
        yield f"  {store.name:9} {store.kind:10} {word}{since}"
        if store.error is not None:
            yield f"  {'':9} {_printable(store.error)}"
        known = [interval.up.get(store.name) for interval in report.intervals]
        marks = {None: _UNKNOWN, True: _UP, False: _DOWN}
        yield f"  {'':9} {''.join(marks[value] for value in known)}"


def _pictures(report: Report) -> Iterator[str]:
    from obscura_backup.entrypoints.http.status.amounts import duration

    for name, title in (
        ("uploads", "uploads"),
        ("downloads", "downloads"),
        ("conflicts", "conflicts"),
        ("unavailable", "answered 503"),
        ("failed", "failed"),
    ):
        values = [getattr(interval, name) if interval.is_known else None for interval in report.intervals]
        yield f"  {title:14} {_picture(values)} {sum(value or 0 for value in values):,}"
    for name, title in (("upload_seconds", "upload time"), ("download_seconds", "download time")):
        values = [getattr(interval, name) for interval in report.intervals]
        last = next((value for value in reversed(values) if value is not None), None)
        yield f"  {title:14} {_picture(values)} {'-' if last is None else f'median {duration(last)}'}"


def _picture(values: Sequence[float | None]) -> str:
    top = max((value or 0 for value in values), default=0) or 1
    # Anything above zero is above the lowest block.
    places = [None if value is None else -int(-value / top * (len(_BLOCKS) - 1) // 1) for value in values]
    return "".join(_UNKNOWN if place is None else _BLOCKS[place] for place in places)


def _hours(report: Report) -> Iterator[str]:
    from obscura_backup.entrypoints.http.status.amounts import clock_time, size
    from obscura_backup.entrypoints.http.status.hours import by_hour

    heads = ("from", "uploads", "stored", "downloads", "deletions", "conflicts", "503", "failed")
    rows: list[tuple[str, ...]] = [heads]
    for hour in by_hour(report):
        counts: list[Any] = [hour.downloads, hour.deletions, hour.conflicts, hour.unavailable, hour.failed]
        rows.append((clock_time(hour.at), f"{hour.uploads:,}", size(hour.stored_bytes), *(f"{n:,}" for n in counts)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    for row in rows:
        yield "  " + "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True))


def _printable(text: str) -> str:
    """Without characters that control the terminal: a store made the text."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
