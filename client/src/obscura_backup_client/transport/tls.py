"""The TLS settings of both transports."""

from __future__ import annotations

import ssl
import sys


def client_context() -> ssl.SSLContext:
    """A context that verifies a server's certificate and name against what this machine trusts.

    Unlike `ssl.create_default_context` it ignores SSLKEYLOGFILE, which would write the keys of each connection to a
    file: a reader of that file could decrypt the token. `SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured.

    Reads all certificates that this machine trusts, which takes about 30 ms.
    """
    # Requires a certificate that matches the name, and at least TLS 1.2.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if sys.version_info >= (3, 13):
        # What `create_default_context` sets there.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    context.load_default_certs()
    return context
