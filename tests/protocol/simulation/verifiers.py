"""The verifier of tokens, judged and made to fail, and the clock that it looks at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

import jwt

from obscura_backup.adapters.tokens.jwks import SecretKeySource
from obscura_backup.adapters.tokens.verifier import JwtVerifier
from obscura_backup.domain.errors import Unauthenticated, Unavailable
from protocol.simulation.record import Violation
from protocol.simulation.schedule import Call, Fate, current

if TYPE_CHECKING:
    from obscura_backup.domain.model import UserId
    from obscura_backup.domain.ports import TokenVerifier

SECRET = "thirty-two bytes of secret, and a few more"


class JumpingClock:
    """A clock that runs a second a look, and jumps when it is told to.

    Attributes:
        moment: the time now.
        shown: every time that it ever told.
    """

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 14, 15, 9, 26, 535897, tzinfo=UTC)
        self.shown: set[datetime] = set()

    def now(self) -> datetime:
        self.moment += timedelta(seconds=1)
        self.shown.add(self.moment)
        return self.moment

    def jump(self, seconds: int) -> None:
        self.moment += timedelta(seconds=seconds)


class FaultyVerifier:
    """The place where its keys are kept may not answer."""

    def __init__(self, inner: TokenVerifier) -> None:
        self._inner = inner

    async def verify(self, token: str) -> UserId:
        operation = current()
        fate = await operation.meets(Call.VERIFY)
        if fate is Fate.FAILS:
            raise Unavailable
        user_id = await self._inner.verify(token)
        await operation.answered(Call.VERIFY, fate)
        return user_id

    async def recognise(self, token: str) -> UserId | None:
        return await self._inner.recognise(token)


class JudgedVerifier:
    """The real verifier; its verdict must follow from what the clock says at that moment, and from nothing before."""

    def __init__(self, clock: JumpingClock) -> None:
        self._inner = JwtVerifier(SecretKeySource(SECRET), clock)
        self._clock = clock

    async def verify(self, token: str) -> UserId:
        expires_at = _expiry(token)
        try:
            user_id = await self._inner.verify(token)
        except Unauthenticated:
            if self._clock.moment.timestamp() < expires_at:
                raise Violation("a token was refused that is still good") from None
            raise
        if self._clock.moment.timestamp() >= expires_at:
            raise Violation("a token was taken that is over")
        return user_id

    async def recognise(self, token: str) -> UserId | None:
        return await self._inner.recognise(token)


@cache
def _expiry(token: str) -> float:
    return float(jwt.decode(token, options={"verify_signature": False})["exp"])
