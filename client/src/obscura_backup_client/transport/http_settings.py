"""The settings that both HTTP transports share: the server, the token, time-outs, limits and TLS."""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from obscura_backup_client.sealing.sealed import DEFAULT_MAX_BLOB_BYTES
from obscura_backup_client.transport.address import normalize_address
from obscura_backup_client.transport.backup_api import BackupApi
from obscura_backup_client.transport.bearer_token import require_bearer_token
from obscura_backup_client.transport.retries import RetryPolicy

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from obscura_backup_client.transport.interface import OnBytes, OnWait


@dataclass(frozen=True)
class HttpSettings:
    """One user's backup on a server, and how to send requests to it.

    Args:
        server: the address, http(s); any path in it is kept in front of `/v1/backup`.
        token: the bearer token; white space at its ends is dropped. It is sent there and nowhere else: redirects are
            refused, and proxies and passwords that the environment or a `.netrc` names are ignored.
        allow_insecure_http: allow sending it over plain http to another machine.
        retry_policy: time-outs and retries.
        max_blob_bytes: the longest backup that is accepted from the server.
        on_bytes: called with the progress of a transfer.
        on_wait: called before each wait for a retry.
        jitter: returns a random number from 0 to 1.
        now: returns the time, for `Retry-After` dates.

    Raises:
        ServerRefused: the token may not be sent to this address.
        TokenUnusable: the token is not valid in a header.
    """

    server: str
    token: str = field(repr=False)
    allow_insecure_http: bool = False
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    max_blob_bytes: int = DEFAULT_MAX_BLOB_BYTES
    on_bytes: OnBytes = lambda _direction, _run, _total: None
    on_wait: OnWait = lambda _seconds, _reason: None
    jitter: Callable[[], float] = random.random
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        object.__setattr__(self, "server", normalize_address(self.server, allow_insecure_http=self.allow_insecure_http))
        object.__setattr__(self, "token", require_bearer_token(self.token))

    @cached_property
    def api(self) -> BackupApi:
        """The user's API calls."""
        return BackupApi(self.server, self.token, self.retry_policy, self.max_blob_bytes, self.jitter, self.now)

    @property
    def host_and_port(self) -> tuple[str, int]:
        """Where to connect to."""
        url = urlsplit(self.server)
        return url.hostname or "", url.port or (443 if self.uses_tls else 80)

    @property
    def uses_tls(self) -> bool:
        """Whether the server is reached by https."""
        return self.server.startswith("https://")

    @cached_property
    def tls(self) -> ssl.SSLContext | None:
        """A context that verifies the server's certificate and name against what this machine trusts; None for http.

        Unlike `ssl.create_default_context` it ignores SSLKEYLOGFILE, which would write the keys of each connection to a
        file: a reader of that file could decrypt the token. `SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured.

        Created once: it reads all certificates that this machine trusts, which takes about 30 ms.
        """
        if not self.uses_tls:
            return None
        # Imported here because it loads slowly.
        import ssl

        # Requires a certificate that matches the name, and at least TLS 1.2.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if sys.version_info >= (3, 13):
            # What `create_default_context` sets there.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
        context.load_default_certs()
        return context
