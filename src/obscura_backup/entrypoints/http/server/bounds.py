"""What one connection may take: sizes, times and counts."""

from __future__ import annotations

HEAD_MAX_BYTES = 32 * 1024
FIELD_COST_BYTES = 32
"""Counted per field beside its name and value (as in RFC 7541, 4.1): ten thousand short fields take memory, too."""
HEAD_SECONDS = 15.0

DRAIN_MAX_BYTES = 8 * 1024 * 1024
"""How much of a body is read and dropped after its request was answered, so that the client sees the answer."""
DRAIN_SECONDS = 20.0

OVERHEAD_MAX_BYTES = 64 * 1024
OVERHEAD_MAX_FACTOR = 8
"""How much more than its body a chunked message may take: a byte in a chunk of its own takes six bytes. Without this
bound, chunk extensions could go on forever."""

PIPELINED_MAX = 16
"""How many requests may wait behind another one: each takes some kilobytes before it is looked at."""

WRITE_SECONDS = 60.0
"""How long a client may take nothing of an answer that waits for it."""
SEND_POLL_SECONDS = 1.0
"""How often it is checked whether the client takes a waiting answer, or the last bytes of a connection."""
IN_FLIGHT_MAX_BYTES = 16 * 1024
"""An answer counts as taken once no more of it than this waits: a client need not wait a round trip per answer."""
ANSWER_POLL_SECONDS = (0.005, 0.5)
"""How often it is checked whether an answer was taken, before the next request starts: at first, and later."""

MANAGEMENT_CONNECTIONS = 64
"""Of the management listener with a place: some scrapers, probes and browsers."""

OPEN_CONNECTIONS_FACTOR = 2
"""How many times `max_connections` may be open. Those without a place are answered 503; further ones are closed."""
KEEP_ALIVE_SECONDS = 65
"""Longer than the 60 seconds after which most load balancers close an idle connection: they should do it first."""
