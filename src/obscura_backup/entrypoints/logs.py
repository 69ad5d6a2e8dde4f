"""Log events on standard error, one per line: text for people, or JSON for programs. Messages have no user's id.

Fields of an event are given by `extra={FIELDS: {...}}`.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Any

from pythonjsonlogger.msgspec import MsgspecFormatter

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
JSON_FIELDS = {"asctime": "time", "levelname": "level", "name": "logger", "message": "event"}
OURS = "obscura_backup"
FIELDS = "fields"
REQUEST_ID = "request_id"
USER = "user"
_NOT_MASKED = frozenset({REQUEST_ID, USER})
"""A request id by a proxy may look like a user's id. Users are named as the settings say."""
CONSOLE = "console"
JSON = "json"
# With or without hyphens, as in object keys and file names. Digests are longer.
_USER_ID = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}(?![0-9a-fA-F])")


class ConsoleFormatter(logging.Formatter):
    """The message, and the fields as `name=value`."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # of the base class
        """The line of a record, without a traceback."""
        fields = "".join(f" {name}={_quoted(value)}" for name, value in _fields_of(record).items())
        return _without_users(super().formatMessage(record)) + fields

    def formatException(self, ei: Any) -> str:  # noqa: N802  # of the base class
        """A traceback."""
        return _without_users(super().formatException(ei))


class JsonFormatter(MsgspecFormatter):
    """One object per line, with the fields as its members."""

    def __init__(self) -> None:
        super().__init__(list(JSON_FIELDS), rename_fields=JSON_FIELDS, datefmt="%Y-%m-%dT%H:%M:%S%z")

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Collect the members of the object."""
        super().add_fields(log_data, record, message_dict)
        log_data.pop(FIELDS, None)
        for name, value in log_data.items():
            if isinstance(value, str):
                log_data[name] = _without_users(value)
        log_data.update(_fields_of(record))


def log_to_stderr(level: str, log_format: str = CONSOLE) -> None:
    """Write log events to standard error.

    Libraries log from `warning` on, whatever the level: debug lines of botocore, urllib3 and others hold requests with
    users' ids and signatures.

    Args:
        level: of our own events.
        log_format: `console` or `json`.
    """
    wanted = logging.getLevelNamesMapping()[level.upper()]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format.lower() == JSON else ConsoleFormatter(FORMAT))
    logging.basicConfig(level=max(wanted, logging.WARNING), handlers=[handler], force=True)
    logging.getLogger(OURS).setLevel(wanted)


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
