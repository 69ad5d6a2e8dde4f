"""Time limits that are settings: of stores, key sets, start and shutdown.

Those of client connections are constants in `http/server/bounds.py` and `http/limits/transfers.py`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]
WholeSeconds = Annotated[int, msgspec.Meta(ge=2, le=3600)]
NoticeSeconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds; part of the settings.

    The defaults suit stores in one data centre. A request that runs into one of the stores' times is answered 503.
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
