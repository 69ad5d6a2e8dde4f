"""Whether a PostgreSQL URL holds a secret, by the rules of libpq. Imports no driver."""

from __future__ import annotations

import re
from urllib.parse import unquote

# Parameters of libpq (34.1.2 in PostgreSQL 18's manual) that are secrets. `passfile` only names a file.
_SECRET_PARAMETERS = frozenset(
    {"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"}
)
# libpq ends the credentials at the first `@`, unless there is a `/` before it.
_CREDENTIALS = re.compile(r"[a-z]+://([^@/]*)@", re.IGNORECASE)
# A password with an unescaped `/`. libpq reads the text before the `/` as a port, and fails.
_UNESCAPED = re.compile(r"[a-z]+://[^@/:]*:(?![0-9,]*/)[^@/:\]]*/[^?]*@", re.IGNORECASE)


def holds_password(url: str) -> bool:
    """Whether the URL contains a password or another secret: `postgresql://USER:PASSWORD@…` or `?password=…`."""
    credentials = _CREDENTIALS.match(url)
    if credentials is not None and credentials[1].partition(":")[2]:
        return True
    if credentials is None and _UNESCAPED.match(url):
        return True
    parameters = (parameter.partition("=") for parameter in re.split(r"[?&\s]", url)[1:])
    return any(value and unquote(name).lower() in _SECRET_PARAMETERS for name, _, value in parameters)
