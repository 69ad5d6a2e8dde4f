"""How long the service waits for stores, key sets, workers and clients: one setting each."""

from __future__ import annotations

from typing import Annotated

import msgspec

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]
WholeSeconds = Annotated[int, msgspec.Meta(ge=2, le=3600)]
NoticeSeconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds; part of the settings.

    The defaults suit stores in one data centre. A request that runs into one of the stores' times is answered 503.

    Attributes:
        lock_seconds: how long a request waits for another one of the same user.
        postgres_connect_seconds: for a connection, to each host; libpq takes no less than 2.
        postgres_wait_seconds: for a free connection of the pool.
        postgres_answer_seconds: for the answer to a statement that does not wait for a lock.
        postgres_hold_seconds: how long PostgreSQL keeps the lock of an idle transaction, while the blob is being
            stored. A lock that is lost earlier costs a retry, and no safety.
        s3_connect_seconds: for a connection to the blob store.
        s3_read_seconds: for the next bytes from the blob store. An upload without an answer waits twice: for the
            answer, and to see whether it was stored.
        s3_wait_seconds: for a free thread that talks to the blob store.
        s3_ping_seconds: for an answer to the check whether the blob store is there.
        jwks_seconds: for a key set behind a URL.
        ready_seconds: for the answer of each store to a readiness check.
        start_seconds: for the start of a worker process, if there are several. It takes one or two seconds on one core,
            and less than the default on a twentieth of one. A worker that takes longer is killed and replaced.
        notice_seconds: between SIGTERM, when readiness answers 503 and connections are no longer kept, and the end of
            listening. It should be longer than a load balancer in front takes to notice.
        drain_seconds: for requests in flight to finish after that.
    """

    lock_seconds: Seconds = 5.0
    postgres_connect_seconds: WholeSeconds = 2
    postgres_wait_seconds: Seconds = 3.0
    postgres_answer_seconds: Seconds = 3.0
    postgres_hold_seconds: Seconds = 60.0
    s3_connect_seconds: Seconds = 2.0
    s3_read_seconds: Seconds = 10.0
    s3_wait_seconds: Seconds = 3.0
    s3_ping_seconds: Seconds = 2.0
    jwks_seconds: Seconds = 5.0
    ready_seconds: Seconds = 2.0
    start_seconds: Seconds = 120.0
    notice_seconds: NoticeSeconds = 1.0
    drain_seconds: Seconds = 30.0
