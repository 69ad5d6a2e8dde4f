"""The file of the signing secret: its syncs, permissions, owner and length; and secrets in other files."""

from __future__ import annotations

import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from obscura_backup.domain.errors import StoreUnusable
from obscura_backup.entrypoints.container import Container, started
from obscura_backup.entrypoints.setting_sources import InvalidSettings
from obscura_backup.entrypoints.settings import Settings, load_settings
from obscura_backup.entrypoints.signing_secret import FILE_NAME, SECRET_BYTES, signing_secrets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def kept(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / FILE_NAME
    path.write_text(text)
    path.chmod(mode)
    return folder


def test_a_new_secret_is_synced_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named: list[bool] = []

    def fsync(descriptor: int, real: Callable[[int], None] = os.fsync) -> None:
        named.append((tmp_path / FILE_NAME).exists())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    signing_secrets(tmp_path)
    assert named[0] is False


def test_a_secret_of_exactly_the_least_length_is_taken(tmp_path: Path) -> None:
    assert signing_secrets(kept(tmp_path, "x" * SECRET_BYTES + "\n")) == ("x" * SECRET_BYTES,)


def test_a_secret_one_character_too_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="too short"):
        signing_secrets(kept(tmp_path, "x" * (SECRET_BYTES - 1)))


SECRET = "a secret of thirty-two bytes or more"
OTHER_USER = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")


def secret_in(folder: Path) -> Path:
    signing_secrets(folder)
    return folder / "auth-secret"


def test_starts_at_once_agree_on_one_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: signing_secrets(tmp_path / "data"), range(16)))
    assert len(found) == 1
    assert [entry.name for entry in (tmp_path / "data").iterdir()] == ["auth-secret"]


@as_root
def test_secret_of_another_user_is_refused_also_to_root(tmp_path: Path) -> None:
    os.chown(secret_in(tmp_path), OTHER_USER, OTHER_USER)
    with pytest.raises(StoreUnusable, match=f"belongs to another user \\(id {OTHER_USER}"):
        signing_secrets(tmp_path)


def test_secret_is_refused_where_this_process_is_not_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = secret_in(tmp_path).stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(StoreUnusable, match="another user"):
        signing_secrets(tmp_path)


@as_root
def test_secret_of_root_is_refused_to_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret_in(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: OTHER_USER)
    with pytest.raises(StoreUnusable, match=r"signing secret .* belongs to another user \(id 0"):
        signing_secrets(tmp_path)


@as_root
def test_data_directory_of_another_user_is_refused_before_a_secret_is_made_there(tmp_path: Path) -> None:
    os.chown(tmp_path, OTHER_USER, OTHER_USER)
    with pytest.raises(StoreUnusable, match=r"data directory .* belongs to another user"):
        signing_secrets(tmp_path)
    assert list(tmp_path.iterdir()) == []


@as_root
async def test_embedded_stores_do_not_start_in_the_directory_of_another_user(tmp_path: Path) -> None:
    os.chown(tmp_path, OTHER_USER, OTHER_USER)
    container = Container(settings=Settings(data_dir=tmp_path, auth_secret=SECRET))
    with pytest.raises(StoreUnusable, match=r"data directory .* belongs to another user"):
        async with started(container):
            pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o644, 0o666])
def test_secret_that_group_or_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    secret_in(tmp_path).chmod(mode)
    with pytest.raises(StoreUnusable, match="chmod 600"):
        signing_secrets(tmp_path)


def test_link_to_a_good_secret_is_refused(tmp_path: Path) -> None:
    elsewhere = secret_in(tmp_path / "elsewhere")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "auth-secret").symlink_to(elsewhere)
    with pytest.raises(StoreUnusable, match=r"symbolic link.*OBSCURA_BACKUP_AUTH_SECRET_FILE"):
        signing_secrets(tmp_path / "data")


def test_link_to_nothing_is_refused_and_nothing_is_made_behind_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "auth-secret").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreUnusable, match="symbolic link"):
        signing_secrets(tmp_path / "data")
    assert not (tmp_path / "elsewhere").exists()


def test_secret_that_becomes_a_link_after_the_look_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = secret_in(tmp_path / "elsewhere")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "auth-secret").symlink_to(elsewhere)
    stat, before = os.stat, elsewhere.stat()

    def outdated(path: str, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> os.stat_result:
        return stat(path, follow_symlinks=follow_symlinks) if dir_fd is None else before

    monkeypatch.setattr(os, "stat", outdated)
    with pytest.raises(StoreUnusable, match="symbolic links"):
        signing_secrets(tmp_path / "data")


def test_secret_that_is_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "auth-secret", 0o600)
    with pytest.raises(StoreUnusable, match="named pipe"):
        signing_secrets(tmp_path)


def test_secret_that_is_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "auth-secret").mkdir(0o700)
    with pytest.raises(StoreUnusable, match="a directory"):
        signing_secrets(tmp_path)


def test_secret_without_an_end_is_refused(tmp_path: Path) -> None:
    secret_in(tmp_path).write_bytes(b"x" * 4097)
    with pytest.raises(StoreUnusable, match="more than 4096 bytes"):
        signing_secrets(tmp_path)


def test_data_directory_may_be_named_by_a_link(tmp_path: Path) -> None:
    found = signing_secrets(tmp_path / "data")
    (tmp_path / "link").symlink_to("data")
    assert signing_secrets(tmp_path / "link") == found


# --- a secret that an operator names ---


def by_name(path: Path, **others: str) -> Settings:
    return load_settings({}, {"OBSCURA_BACKUP_AUTH_SECRET_FILE": str(path), **others})


def test_named_secret_may_be_a_link_that_all_can_read(tmp_path: Path) -> None:
    """As Kubernetes mounts it."""
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "token").write_text(SECRET + "\n")
    (tmp_path / "..data" / "token").chmod(0o644)
    (tmp_path / "token").symlink_to("..data/token")
    assert by_name(tmp_path / "token").token_secrets() == (SECRET,)


@as_root
def test_named_secret_may_be_another_users(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET)
    os.chown(tmp_path / "token", OTHER_USER, OTHER_USER)
    assert by_name(tmp_path / "token").token_secrets() == (SECRET,)


@pytest.mark.parametrize("name", ["/dev/zero", "pipe", ".", "nowhere", "long", "binary", "short", "empty"])
def test_named_secret_that_cannot_be_one_is_refused_with_its_name(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    for file, content in (("long", b"x" * 65537), ("binary", b"\xff" * 40), ("short", b"hunter2"), ("empty", b"\n")):
        (tmp_path / file).write_bytes(content)
    with pytest.raises(InvalidSettings, match="auth_secret") as refused:
        by_name(tmp_path / name)
    assert "hunter2" not in str(refused.value)


def test_named_secret_beside_a_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET)
    with pytest.raises(InvalidSettings, match="exclude each other"):
        by_name(tmp_path / "token", OBSCURA_BACKUP_AUTH_SECRET=SECRET)


def test_named_secret_may_stand_beside_a_key_set(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET)
    settings = by_name(tmp_path / "token", OBSCURA_BACKUP_AUTH_JWKS="/keys.json")
    assert (settings.has_secret, settings.token_secrets()) == (True, (SECRET,))


def test_named_file_may_hold_several_secrets_the_newest_first(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{SECRET} new\n\n  {SECRET} old \r\n")
    assert by_name(tmp_path / "token").token_secrets() == (f"{SECRET} new", f"{SECRET} old")


def test_each_of_several_secrets_must_be_long_enough_and_there_are_few(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{SECRET}\nhunter2\n")
    with pytest.raises(InvalidSettings, match="too short") as refused:
        by_name(tmp_path / "token")
    assert "hunter2" not in str(refused.value)
    (tmp_path / "token").write_text("".join(f"{SECRET} {number}\n" for number in range(9)))
    with pytest.raises(InvalidSettings, match=r"9 secrets .* at most 8"):
        by_name(tmp_path / "token")


def test_secret_of_a_file_is_not_part_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET)
    settings = by_name(tmp_path / "token")
    assert SECRET.encode() not in pickle.dumps(settings)
