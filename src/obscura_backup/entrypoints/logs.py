"""Log events on standard error, one per line: text for people, or JSON for programs. Messages have no user's id.

Fields of an event are given by `extra={FIELDS: {...}}`.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

OURS = "obscura_backup"
FIELDS = "fields"
REQUEST_ID = "request_id"
USER = "user"
_NOT_MASKED = frozenset({REQUEST_ID, USER})
"""A request id by a proxy may look like a user's id. Users are named as the settings say."""
CONSOLE = "console"
JSON = "json"
FLUSH_SECONDS = 0.05
BATCH_LINES = 1000
# With or without hyphens, as in object keys and file names. Digests are longer.
_USER_ID = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}(?![0-9a-fA-F])")


class BatchingHandler(logging.StreamHandler[Any]):
    """Writes the lines of `FLUSH_SECONDS` together, since a write per request costs as much as all else of its line.

    Warnings and errors are written at once, with all lines before them, and so is everything outside the event loop. A
    process that is killed loses the lines that wait.
    """

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self._lines: list[str] = []
        self._flushes_on: asyncio.AbstractEventLoop | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        try:
            self._lines.append(f"{self.format(record)}\n")
        except Exception:  # noqa: BLE001  # as in `logging`: an event that cannot be formatted must not fail the request
            self.handleError(record)
        loop = _running_loop()
        if loop is None or record.levelno > logging.INFO or len(self._lines) >= BATCH_LINES:
            self.flush()
        elif loop is not self._flushes_on:
            self._flushes_on = loop
            loop.call_later(FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Write the lines that wait. If standard error cannot be written, they are lost: nothing else could tell."""
        self.acquire()
        try:
            self._flushes_on = None
            text = "".join(self._lines)
            self._lines.clear()
            with suppress(OSError, ValueError):
                self.stream.write(text)
                self.stream.flush()
        finally:
            self.release()


class _Formatter(logging.Formatter):
    """Formats the time once per second."""

    def __init__(self, time_format: str) -> None:
        super().__init__("%(asctime)s", time_format)
        self._second, self._formatted = -1, ""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """The time of a record, in seconds."""
        second = int(record.created)
        if second != self._second:
            self._second, self._formatted = second, time.strftime(datefmt or "", time.localtime(second))
        return self._formatted

    def formatException(self, ei: Any) -> str:
        """A traceback."""
        return _without_users(super().formatException(ei))


class ConsoleFormatter(_Formatter):
    """The message, and the fields as `name=value`."""

    def __init__(self) -> None:
        super().__init__("%Y-%m-%d %H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line of a record, without a traceback."""
        fields = "".join([f" {name}={_quoted(value)}" for name, value in _fields_of(record).items()])
        message = _without_users(record.message)
        return f"{record.asctime},{int(record.msecs):03} {record.levelname} {record.name}: {message}{fields}"


class JsonFormatter(_Formatter):
    """One object per line, with the fields as its members."""

    def __init__(self) -> None:
        super().__init__("%Y-%m-%dT%H:%M:%S%z")

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        members: dict[str, Any] = {
            "time": self.formatTime(record, self.datefmt),
            "level": record.levelname,
            "logger": record.name,
            "event": _without_users(record.getMessage()),
        }
        if record.exc_info:
            members["exc_info"] = self.formatException(record.exc_info)
        if record.stack_info:
            members["stack_info"] = _without_users(record.stack_info)
        return msgspec.json.encode(members | _fields_of(record), enc_hook=str).decode()


def log_to_stderr(level: str, log_format: str = CONSOLE) -> None:
    """Write log events to standard error.

    Libraries log from `warning` on, whatever the level: debug lines of botocore, urllib3 and others hold requests with
    users' ids and signatures.

    Args:
        level: of our own events.
        log_format: `console` or `json`.
    """
    wanted = logging.getLevelNamesMapping()[level.upper()]
    handler = BatchingHandler()
    handler.setFormatter(JsonFormatter() if log_format.lower() == JSON else ConsoleFormatter())
    logging.basicConfig(level=max(wanted, logging.WARNING), handlers=[handler], force=True)
    logging.getLogger(OURS).setLevel(wanted)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    with suppress(RuntimeError):
        return asyncio.get_running_loop()
    return None


def _fields_of(record: logging.LogRecord) -> dict[str, Any]:
    fields: Mapping[str, Any] = getattr(record, FIELDS, {})
    return {
        name: _without_users(value) if isinstance(value, str) and name not in _NOT_MASKED else value
        for name, value in fields.items()
    }


def _without_users(text: str) -> str:
    """Errors of a store, and their tracebacks, can name the object of a user."""
    return _USER_ID.sub("<user>", text)


def _quoted(value: object) -> str:
    text = str(value)
    return f'"{text}"' if " " in text else text
