"""How long the service waits for anything outside of it: a setting each, named after whom it waits for."""

from __future__ import annotations

from typing import Annotated

import msgspec

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]
WholeSeconds = Annotated[int, msgspec.Meta(ge=2, le=3600)]
NoticeSeconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Part of the settings. The defaults suit stores in one data centre; a request that fails on one is answered 503.

    Attributes:
        lock_seconds: that a request waits for another one of the same user.
        postgres_connect_seconds: for a connection, to each host; libpq takes no less than 2.
        postgres_wait_seconds: for one of the pool's connections to be free.
        postgres_answer_seconds: for the answer to any statement that does not wait for a lock.
        postgres_hold_seconds: that PostgreSQL lets a lock be held in silence, while the blob is on its way to the
            blob store. One that is lost earlier costs a retry and no safety.
        s3_connect_seconds: for a connection to the blob store.
        s3_read_seconds: that the blob store may be silent for. An upload whose answer does not come waits twice: for
            it, and to see whether it arrived.
        s3_wait_seconds: for a thread to be free that talks to the blob store.
        s3_ping_seconds: for an answer where the question is only whether the blob store is there.
        jwks_seconds: for a key set behind a URL.
        ready_seconds: that each store may take to say that it is well, when readiness is asked for.
        start_seconds: that a worker process takes to start, where there are several. On one core it takes one or two;
            where a container has a twentieth of one, still less than the default. A worker that takes longer is stuck,
            and killed for another one.
        notice_seconds: between SIGTERM, when readiness turns red and connections are no longer kept, and the end of
            listening. Longer than a balancer takes to notice, where one stands in front.
        drain_seconds: that requests in flight then get to finish.
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
