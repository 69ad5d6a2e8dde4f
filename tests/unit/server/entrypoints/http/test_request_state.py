"""What is parsed from a request's scope, once."""

from __future__ import annotations

from typing import Any

from contracts import samples
from obscura_backup.domain.errors import Unauthenticated, Unavailable
from obscura_backup.entrypoints.http.request_state import RequestState
from support.table import table

USER = samples.user(1)


class Tokens:
    """Recognises one token, and counts the questions."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[str] = []
        self._error = error

    async def recognise(self, token: str) -> Any:
        self.asked.append(token)
        if self._error is not None:
            raise self._error
        return USER if token == "known" else None


def state(*headers: tuple[bytes, bytes], method: str = "GET") -> RequestState:
    return RequestState(method, headers)


def authorization(*values: bytes) -> RequestState:
    return state(*((b"authorization", value) for value in values))


def test_a_scope_is_parsed_once() -> None:
    scope: dict[str, Any] = {"method": "GET", "headers": [], "state": {}}
    assert RequestState.of(scope) is RequestState.of({**scope, "method": "HEAD"})


def test_bearer_token() -> None:
    cases: list[tuple[list[bytes], str | None]] = [
        ([b"Bearer known"], "known"),
        ([b"bearer \t known \t"], "known"),
        ([b"Bearer"], None),
        ([b"Bearer  "], None),
        ([b"Basic known"], None),
        ([b"Bearer known", b"Bearer known"], None),
        ([], None),
    ]
    for values, token in cases:
        assert authorization(*values).bearer_token == token


def test_headers_of_one_name_keep_their_order() -> None:
    found = state((b"if-match", b"1"), (b"host", b"h\xe9"), (b"if-match", b"2"))
    assert found.values(b"if-match") == ["1", "2"]
    assert (found.value(b"if-match"), found.value(b"host")) == ("1", "h\u00e9")
    assert (found.values(b"range"), found.value(b"range"), found.has(b"range")) == ([], None, False)


ORIGIN, ASKED = (b"origin", b"https://app.example"), (b"access-control-request-method", b"POST")


@table(
    ("method", "headers", "is_preflight"),
    [
        ("OPTIONS", (ORIGIN, ASKED), True),
        ("POST", (ORIGIN, ASKED), False),
        ("OPTIONS", (ORIGIN,), False),
        ("OPTIONS", (ASKED,), False),
    ],
)
def test_preflight(method: str, headers: tuple[tuple[bytes, bytes], ...], *, is_preflight: bool) -> None:
    assert state(*headers, method=method).is_preflight is is_preflight


@table(("token", "user"), [(b"known", USER), (b"new", None)])
async def test_user_is_looked_up_once(token: bytes, user: object) -> None:
    tokens, found = Tokens(), authorization(b"Bearer " + token)
    assert [await found.recognise(tokens) for _ in range(3)] == [user] * 3  # type: ignore[arg-type]  # all that is used
    assert tokens.asked == [token.decode()]
    assert found.user_id == user


async def test_request_without_a_token_has_no_user() -> None:
    tokens = Tokens()
    assert await state().recognise(tokens) is None  # type: ignore[arg-type]  # as above
    assert tokens.asked == []


@table("error", [Unauthenticated(), Unavailable("no keys")])
async def test_token_that_cannot_be_recognised_is_judged_later(error: Exception) -> None:
    assert await authorization(b"Bearer known").recognise(Tokens(error)) is None  # type: ignore[arg-type]  # as above
