"""Where log lines go, and what never gets into one: users' ids, and the debug lines of libraries."""

from __future__ import annotations

import logging
import re
import sys

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
OURS = "obscura_backup"
# With or without hyphens: as in the key of an object, and in the name of a file. Digests are longer.
_USER_ID = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}(?![0-9a-fA-F])")


class UserIdRedactingFormatter(logging.Formatter):
    """Formats a record and replaces each UUID in it. Errors of a store, and their tracebacks, can name the object."""

    def format(self, record: logging.LogRecord) -> str:
        """See the base class."""
        return _USER_ID.sub("<user>", super().format(record))


def log_to_stderr(level: str) -> None:
    """One line per event, on standard error.

    Libraries begin at `warning`, whatever the level: the debug lines of botocore, urllib3 and others hold requests,
    with users' ids in the keys, and signatures.
    """
    wanted = logging.getLevelNamesMapping()[level.upper()]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(UserIdRedactingFormatter(FORMAT))
    logging.basicConfig(level=max(wanted, logging.WARNING), handlers=[handler], force=True)
    logging.getLogger(OURS).setLevel(wanted)
