"""The file of the signing secret: what is synced, its permissions, and its shortest length."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from obscura_backup.domain.errors import StoreUnusable
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


def test_a_new_secret_leaves_no_draft(tmp_path: Path) -> None:
    signing_secrets(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    assert signing_secrets(tmp_path) == signing_secrets(tmp_path)


def test_a_secret_of_exactly_the_least_length_is_taken(tmp_path: Path) -> None:
    assert signing_secrets(kept(tmp_path, "x" * SECRET_BYTES + "\n")) == ("x" * SECRET_BYTES,)


def test_a_secret_one_character_too_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="too short"):
        signing_secrets(kept(tmp_path, "x" * (SECRET_BYTES - 1)))


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601])
def test_a_secret_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(StoreUnusable, match="chmod 600"):
        signing_secrets(kept(tmp_path, "x" * SECRET_BYTES, mode))
