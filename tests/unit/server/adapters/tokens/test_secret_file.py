"""Secrets in a file that changes while the service runs, and secrets beside a key set."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from contracts.token_verifier import USER
from obscura_backup.adapters.tokens.issuer import issue_token
from obscura_backup.adapters.tokens.jwks import JwksKeySource, SecretKeySource, VerificationKey
from obscura_backup.adapters.tokens.secret_file import LOOK_SECONDS, CombinedKeySource, SecretFileKeySource
from obscura_backup.adapters.tokens.verifier import JwtVerifier
from obscura_backup.domain.errors import StoreUnusable, Unauthenticated, Unavailable
from support.clocks import MovableClock

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

OLD, NEW = "an old secret of 32 bytes or more", "a new secret of 32 bytes and more"


class Rotated:
    """A file of secrets, and a verifier that reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seconds = 100.0
        self.reads = 0
        self.write(OLD)
        self.source = SecretFileKeySource(path, self._read, clock=lambda: self.seconds)
        self.clock = MovableClock()
        self.verifier = JwtVerifier(self.source, self.clock)

    def _read(self) -> Sequence[str]:
        self.reads += 1
        try:
            return self.path.read_text().split("\n")
        except OSError as error:
            raise StoreUnusable("It cannot be read.") from error

    def write(self, *secrets: str) -> None:
        draft = self.path.with_suffix(".draft")
        draft.write_text("\n".join(secrets))
        draft.replace(self.path)

    def token(self, secret: str) -> str:
        return issue_token(secret, USER, timedelta(minutes=5), self.clock)

    async def accepts(self, secret: str) -> None:
        assert await self.verifier.verify(self.token(secret)) == USER

    async def refuses(self, secret: str) -> None:
        with pytest.raises(Unauthenticated, match="signature does not match"):
            await self.verifier.verify(self.token(secret))


@pytest.fixture
def rotated(tmp_path: Path) -> Rotated:
    return Rotated(tmp_path / "secrets")


async def test_new_secret_is_known_with_the_first_token_that_it_signed(rotated: Rotated) -> None:
    await rotated.accepts(OLD)
    rotated.write(NEW, OLD)
    await rotated.accepts(NEW)
    await rotated.accepts(OLD)


async def test_dropped_secret_is_refused_soon_even_for_tokens_that_were_verified(rotated: Rotated) -> None:
    rotated.write(NEW, OLD)
    token = rotated.token(OLD)
    await rotated.verifier.verify(token)
    rotated.write(NEW)
    rotated.seconds += LOOK_SECONDS / 2
    assert await rotated.verifier.recognise(token) == USER
    rotated.seconds += LOOK_SECONDS / 2
    assert await rotated.verifier.recognise(token) is None
    await rotated.refuses(OLD)


async def test_unchanged_file_is_read_once(rotated: Rotated) -> None:
    for _ in range(3):
        rotated.seconds += LOOK_SECONDS
        await rotated.accepts(OLD)
        await rotated.refuses(NEW)
    assert rotated.reads == 1


async def test_same_secrets_read_again_keep_verified_tokens(rotated: Rotated) -> None:
    token = rotated.token(OLD)
    await rotated.verifier.verify(token)
    rotated.write(OLD)
    rotated.seconds += LOOK_SECONDS
    assert await rotated.verifier.recognise(token) == USER
    assert rotated.reads == 2


async def test_file_that_cannot_be_used_changes_nothing_and_is_logged_once(
    rotated: Rotated, caplog: pytest.LogCaptureFixture
) -> None:
    rotated.path.unlink()
    for _ in range(3):
        rotated.seconds += LOOK_SECONDS
        await rotated.accepts(OLD)
    assert [record.message for record in caplog.records] == [
        "the secrets stay as they were, since the changed file cannot be used: It cannot be read."
    ]
    rotated.write(NEW)
    await rotated.accepts(NEW)


async def test_permissions_that_were_mended_are_noticed(rotated: Rotated, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> Sequence[str]:
        raise StoreUnusable("Other users can read it.")

    rotated.write(NEW)
    monkeypatch.setattr(rotated.source, "_read", refused)
    await rotated.refuses(NEW)
    monkeypatch.undo()
    before = rotated.path.stat()
    rotated.path.chmod(0o400)
    os.utime(rotated.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    await rotated.accepts(NEW)


def test_file_that_is_unusable_at_the_start_is_an_error(tmp_path: Path) -> None:
    def read() -> Sequence[str]:
        raise StoreUnusable("It is not there.")

    with pytest.raises(StoreUnusable, match="not there"):
        SecretFileKeySource(tmp_path / "none", read)


def test_no_secret_is_shown(rotated: Rotated) -> None:
    assert OLD not in repr(rotated.source)
    assert OLD not in repr(rotated.source._keys)


class Scripted:
    """A source whose keys are set by the test."""

    def __init__(self, *names: str) -> None:
        self.found: Sequence[VerificationKey] = [VerificationKey("HS256", name) for name in names]
        self.asked: list[bool] = []

    async def keys(self, *, unknown_key_id: bool = False) -> Sequence[VerificationKey]:
        self.asked.append(unknown_key_id)
        return self.found


async def test_keys_of_two_sources_are_one_object_until_either_changes() -> None:
    one: Any = Scripted("a")
    two = Scripted("b", "c")
    both = CombinedKeySource(one, two)
    first = await both.keys()
    assert [key.key for key in first] == ["a", "b", "c"]
    assert await both.keys(unknown_key_id=True) is first
    assert (one.asked, two.asked) == ([False, True], [False, True])
    two.found = [VerificationKey("HS256", "d")]
    changed = await both.keys()
    assert [key.key for key in changed] == ["a", "d"]
    assert await both.keys() is changed


async def test_source_that_is_missing_is_told_and_not_left_out() -> None:
    def read() -> bytes:
        raise OSError("no answer")

    both = CombinedKeySource(JwksKeySource(read, "a test"), SecretKeySource(OLD))
    with pytest.raises(Unavailable, match="key set a test"):
        await both.keys()
