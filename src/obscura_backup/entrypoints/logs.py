"""Log lines on standard error, without users' ids and without debug lines of libraries."""

from __future__ import annotations

import logging
import re
import sys

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
OURS = "obscura_backup"
# With or without hyphens, as in object keys and file names. Digests are longer.
_USER_ID = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}(?![0-9a-fA-F])")


class UserIdRedactingFormatter(logging.Formatter):
    """Replaces each UUID in a record: errors of the filesystem store, and tracebacks, can name the object."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record, without UUIDs."""
        return _USER_ID.sub("<user>", super().format(record))


def log_to_stderr(level: str) -> None:
    """Write log lines to standard error, one per event.

    Libraries log from `warning` on, whatever the level: debug lines of botocore, urllib3 and others hold requests with
    users' ids and signatures.
    """
    wanted = logging.getLevelNamesMapping()[level.upper()]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(UserIdRedactingFormatter(FORMAT))
    logging.basicConfig(level=max(wanted, logging.WARNING), handlers=[handler], force=True)
    logging.getLogger(OURS).setLevel(wanted)
