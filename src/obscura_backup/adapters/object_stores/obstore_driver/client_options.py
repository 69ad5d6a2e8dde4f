"""Options of every client of obstore.

obstore repeats failed requests unless told not to: a repeated PUT can meet its own success and report a conflict. It
also ends every request after 30 seconds, even if bytes still arrive; the time-outs here are for silence.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

NO_RETRIES: RetryConfig = {"max_retries": 0, "retry_timeout": timedelta(0)}

_NO_LIMIT = timedelta(days=1)
"""For a whole request; obstore takes no "none"."""


def client_options(
    *, has_tls: bool, connect_timeout_seconds: float, read_timeout_seconds: float | None, certificates: str
) -> ClientConfig:
    """The options of a client.

    Args:
        has_tls: of the endpoint; then no request leaves without it, also to a host that a variable or a redirect names.
        connect_timeout_seconds: for making a connection.
        read_timeout_seconds: for silence; None: no limit.
        certificates: the variable that names a file of authorities to trust, too.

    Raises:
        OSError: that file cannot be read.
    """
    options: ClientConfig = {
        "allow_http": not has_tls,
        "connect_timeout": timedelta(seconds=connect_timeout_seconds),
        "timeout": _NO_LIMIT,
    }
    if read_timeout_seconds is not None:
        options["read_timeout"] = timedelta(seconds=read_timeout_seconds)
    bundle = os.environ.get(certificates)
    if bundle:
        options["root_certificate"] = Path(bundle).read_bytes()
    return options
