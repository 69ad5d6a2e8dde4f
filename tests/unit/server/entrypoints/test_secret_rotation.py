"""Rotation of the signing secret: the file, the command, and which tokens are accepted."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import jwt
import pytest

from obscura_backup.adapters.tokens.secret_file import CombinedKeySource
from obscura_backup.domain.errors import StoreUnusable
from obscura_backup.entrypoints.container import Container
from obscura_backup.entrypoints.settings import load_settings
from obscura_backup.entrypoints.signing_secret import SECRETS_MAX, fingerprint, rotate, signing_secrets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.servers.in_process.server import Ran

SECRET = "a secret of thirty-two bytes or more"
OTHER = "another secret of thirty-two bytes or more"
USER = "00112233-4455-6677-8899-aabbccddeeff"
KEY_SET = '{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "a"}]}'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a data directory, with one secret."""
    signing_secrets(tmp_path)
    return tmp_path / "auth-secret"


def test_new_secret_comes_first_and_the_old_ones_stay(path: Path) -> None:
    (old,) = signing_secrets(path.parent)
    new, kept = rotate(path, drop_old=False)
    assert (kept, new != old, len(new) >= 32) == (old, True, True)
    assert signing_secrets(path.parent) == (new, old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["auth-secret"]


def test_old_secrets_are_dropped_on_request(path: Path) -> None:
    new, *_ = rotate(path, drop_old=False)
    assert rotate(path, drop_old=True) == (new,)
    assert rotate(path, drop_old=True) == (new,)
    assert signing_secrets(path.parent) == (new,)


def test_rotations_at_once_lose_no_secret(path: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        made = set(threads.map(lambda _: rotate(path, drop_old=False)[0], range(4)))
    assert made < set(signing_secrets(path.parent))
    assert len(signing_secrets(path.parent)) == 5


def test_there_are_never_too_many_secrets(path: Path) -> None:
    for _ in range(SECRETS_MAX - 1):
        rotate(path, drop_old=False)
    before = path.read_text()
    with pytest.raises(StoreUnusable, match="--drop-old"):
        rotate(path, drop_old=False)
    assert path.read_text() == before


def test_new_file_is_synced_before_it_gets_its_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, fsync, seen = path.read_text(), os.fsync, []

    def synced(descriptor: int) -> None:
        seen.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), path.read_text() == before))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", synced)
    rotate(path, drop_old=False)
    assert seen == [(False, True), (True, False)]


def test_file_that_is_mounted_or_open_to_others_is_not_changed(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(StoreUnusable, match="mounted from elsewhere"):
        rotate(link, drop_old=False)
    path.chmod(0o640)
    with pytest.raises(StoreUnusable, match="chmod 600"):
        rotate(path, drop_old=False)
    assert link.is_symlink()
    assert len(path.read_text().splitlines()) == 1


def test_failed_rename_leaves_no_draft(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(StoreUnusable, match="No space left"):
        rotate(path, drop_old=False)
    assert [each.name for each in path.parent.iterdir()] == ["auth-secret"]


def test_command_prints_fingerprints_and_no_secret(run: Callable[..., Ran], path: Path) -> None:
    ran = run("rotate-secret", "--data-dir", path.parent)
    found = signing_secrets(path.parent)
    prints = ", ".join(fingerprint(each.encode()) for each in found)
    assert (ran.code, ran.out) == (0, f"The secrets in {path}, by their fingerprints, newest first: {prints}\n")
    assert "Copy the file to all replicas" in ran.err
    assert not any(each in ran.out + ran.err for each in found)
    ran = run("rotate-secret", "--drop-old", "--data-dir", path.parent)
    assert (ran.code, ran.err) == (0, "Tokens of other secrets are no longer valid.\n")
    assert signing_secrets(path.parent) == found[:1]


def test_named_file_is_rotated_in_its_place(run: Callable[..., Ran], tmp_path: Path) -> None:
    named = tmp_path / "secrets"
    named.write_text(SECRET)
    named.chmod(0o600)
    assert run("rotate-secret", OBSCURA_BACKUP_AUTH_SECRET_FILE=str(named)).code == 0
    new, old = named.read_text().splitlines()
    assert (old, new != old) == (SECRET, True)
    token = run("token", USER, OBSCURA_BACKUP_AUTH_SECRET_FILE=str(named)).out.strip()
    assert jwt.decode(token, new, ["HS256"])["sub"] == USER


@pytest.mark.parametrize(
    ("environment", "code", "says"),
    [
        ({"OBSCURA_BACKUP_AUTH_SECRET": SECRET}, 2, "auth_secret, which holds only one"),
        ({"OBSCURA_BACKUP_AUTH_JWKS": "/keys.json"}, 2, "rotated by the identity provider"),
        ({}, 3, "There is no secret in"),
    ],
)
def test_secret_that_is_not_in_a_file_is_not_rotated(
    run: Callable[..., Ran], tmp_path: Path, environment: dict[str, str], code: int, says: str
) -> None:
    ran = run("rotate-secret", "--data-dir", tmp_path, **environment)
    assert (ran.code, ran.out) == (code, "")
    assert says in ran.err
    assert list(tmp_path.iterdir()) == []


def test_fingerprint_differs_by_secret_and_is_short() -> None:
    assert fingerprint(SECRET.encode()) == fingerprint(SECRET.encode())
    assert fingerprint(SECRET.encode()) != fingerprint(OTHER.encode())
    assert len(fingerprint(SECRET.encode())) == 8


async def test_secret_and_key_set_are_used_together(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(KEY_SET)
    (tmp_path / "secrets").write_text(f"{SECRET}\n{OTHER}\n")
    given = {
        "OBSCURA_BACKUP_AUTH_JWKS": str(tmp_path / "keys.json"),
        "OBSCURA_BACKUP_AUTH_SECRET_FILE": str(tmp_path / "secrets"),
    }
    source = Container(settings=load_settings({}, given)).key_source()
    assert isinstance(source, CombinedKeySource)
    assert [key.algorithm for key in await source.keys()] == ["EdDSA", "HS256", "HS256"]


async def test_key_set_alone_accepts_no_secret_of_the_data_directory(path: Path) -> None:
    (path.parent / "keys.json").write_text(KEY_SET)
    given = {"data_dir": path.parent, "auth_jwks": str(path.parent / "keys.json")}
    source = Container(settings=load_settings(given, {})).key_source()
    assert [key.algorithm for key in await source.keys()] == ["EdDSA"]


async def test_removed_secret_is_not_created_again_by_a_running_service(path: Path) -> None:
    source = Container(settings=load_settings({"data_dir": path.parent}, {})).key_source()
    before = await source.keys()
    path.unlink()
    assert await source.keys(unknown_key_id=True) is before
    assert not path.exists()
