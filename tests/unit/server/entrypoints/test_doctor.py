"""What `doctor` checks and reports of the embedded stores, which are real."""

from __future__ import annotations

import shutil
import sqlite3
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from obscura_backup.adapters.memory import MemoryBlobStore, MemoryMetadataStore
from obscura_backup.domain.errors import StoreUnusable
from obscura_backup.entrypoints import doctor
from obscura_backup.entrypoints.doctor import Check, examine
from obscura_backup.entrypoints.signing_secret import fingerprint
from support.servers.in_process.app import SECRET, settings
from support.table import table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

FREE_LEAST = 268_435_456
FILE_BEHAVIOURS = [
    "creates where there is nothing",
    "replaces by the current tag",
    "refuses to create over an object",
    "refuses a stale tag",
    "refuses a tag where there is nothing",
]


async def found(checks: AsyncIterator[Check]) -> dict[tuple[str, str], Check]:
    """The checks by part and name, in order."""
    return {(check.part, check.name): check async for check in checks}


async def test_all_checks_pass_in_a_fresh_directory(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    checks = await found(examine(settings(data_dir=data_dir)))
    assert list(checks) == [
        ("metadata", "the data directory belongs to this user"),
        ("tokens", "verification keys are available"),
        ("metadata", "technology"),
        ("metadata", "starts"),
        ("metadata", "answers"),
        ("blobs", "technology"),
        ("blobs", "starts"),
        ("blobs", "answers"),
        ("blobs", "free space"),
        *(("blobs", name) for name in FILE_BEHAVIOURS),
    ]
    assert [key for key, check in checks.items() if not check.holds] == []
    assert [name for (_, name), check in checks.items() if not check.must] == ["free space"]
    assert checks["metadata", "the data directory belongs to this user"].detail == str(data_dir)
    assert checks["tokens", "verification keys are available"].detail == (
        f"HS256 by a secret with the fingerprint {fingerprint(SECRET.encode())}, the same on all replicas"
    )
    assert checks["metadata", "technology"].detail == f"SQLite {sqlite3.sqlite_version}, {data_dir}/metadata.sqlite3"
    assert checks["blobs", "technology"].detail == f"files, {data_dir}/blobs"


async def test_checks_that_can_take_long_have_a_duration(tmp_path: Path) -> None:
    began = time.perf_counter()
    checks = await found(examine(settings(data_dir=tmp_path)))
    whole = time.perf_counter() - began
    took = {name: check.seconds for (_, name), check in checks.items() if check.seconds is not None}
    assert list(took) == [
        "the data directory belongs to this user",
        "verification keys are available",
        "starts",
        "answers",
    ]
    assert all(0 <= seconds <= whole for seconds in took.values())


async def test_failed_check_has_a_duration(tmp_path: Path) -> None:
    began = time.perf_counter()
    checks = await found(examine(settings(data_dir=tmp_path, auth_secret=None, auth_jwks=str(tmp_path / "none"))))
    check = checks["tokens", "verification keys are available"]
    assert not check.holds
    assert check.seconds is not None
    assert 0 <= check.seconds <= time.perf_counter() - began


async def test_missing_key_set_does_not_stop_the_other_checks(tmp_path: Path) -> None:
    path = tmp_path / "none.json"
    checks = await found(examine(settings(data_dir=tmp_path, auth_secret=None, auth_jwks=str(path))))
    failed = [key for key, check in checks.items() if not check.holds]
    assert failed == [("tokens", "verification keys are available")]
    assert ("blobs", "refuses a stale tag") in checks
    assert str(path) in checks[failed[0]].detail


async def test_key_set_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(
        '{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "a"}]}'
    )
    checks = await found(examine(settings(data_dir=tmp_path, auth_secret=None, auth_jwks=str(path))))
    assert checks["tokens", "verification keys are available"].detail == "key set: EdDSA"


async def test_key_set_and_secrets_are_named_together(tmp_path: Path) -> None:
    keys, secrets = tmp_path / "keys.json", tmp_path / "secrets"
    keys.write_text(
        '{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "a"}]}'
    )
    secrets.write_text(f"{'n' * 32}\n{'o' * 32}\n")
    given = settings(data_dir=tmp_path, auth_secret=None, auth_jwks=str(keys), auth_secret_file=secrets)
    checks = await found(examine(given))
    new, old = (fingerprint(each * 32) for each in (b"n", b"o"))
    assert checks["tokens", "verification keys are available"].detail == (
        f"key set: EdDSA; HS256 by a secret with the fingerprint {new} or {old}, the same on all replicas"
    )


async def test_unusable_data_directory_ends_the_checks(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    checks = await found(examine(settings(data_dir=tmp_path / "file" / "data")))
    (check,) = checks.values()
    assert (check.part, check.name, check.holds) == ("metadata", "the data directory belongs to this user", False)
    assert "cannot be used" in check.detail


async def test_stores_in_memory_need_no_data_directory(tmp_path: Path) -> None:
    checks = await found(examine(settings(data_dir=tmp_path / "data", metadata_url="memory:", blobs_url="memory:")))
    assert {key: check.detail for key, check in checks.items() if key[1] == "technology"} == {
        ("metadata", "technology"): "memory",
        ("blobs", "technology"): "memory",
    }
    assert [name for part, name in checks if part == "blobs"] == ["technology", "starts", "answers"]
    assert all(check.holds for check in checks.values())
    assert not (tmp_path / "data").exists()


async def test_store_that_does_not_start_is_not_checked_further(monkeypatch: pytest.MonkeyPatch) -> None:
    async def start(_: object) -> None:
        raise StoreUnusable("The disk is gone.") from OSError("it fell off")

    monkeypatch.setattr(MemoryMetadataStore, "start", start)
    monkeypatch.setattr(MemoryBlobStore, "start", start)
    checks = await found(examine(settings(metadata_url="memory:", blobs_url="memory:")))
    assert list(checks) == [
        ("tokens", "verification keys are available"),
        *((part, name) for part in ("metadata", "blobs") for name in ("technology", "starts")),
    ]
    for part in ("metadata", "blobs"):
        check = checks[part, "starts"]
        assert not check.holds
        assert check.detail == "The disk is gone. (it fell off)"


async def test_both_stores_are_closed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []

    async def closing(store: object) -> None:
        closed.append(type(store).__name__)

    monkeypatch.setattr(MemoryMetadataStore, "close", closing)
    monkeypatch.setattr(MemoryBlobStore, "close", closing)
    await found(examine(settings(metadata_url="memory:", blobs_url="memory:")))
    assert closed == ["MemoryMetadataStore", "MemoryBlobStore"]


@pytest.mark.parametrize(("free", "passed"), [(FREE_LEAST, False), (FREE_LEAST + 1, True), (0, False)])
async def test_little_space_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, *, passed: bool
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    check = (await found(examine(settings(data_dir=tmp_path))))["blobs", "free space"]
    assert (check.holds, check.must) == (passed, False)
    assert check.detail == f"{free // 1_048_576} MiB"


async def test_probe_leaves_nothing_in_the_blob_directory(tmp_path: Path) -> None:
    await found(examine(settings(data_dir=tmp_path)))
    assert [path.name for path in (tmp_path / "blobs").iterdir() if path.name.startswith("probe-")] == []


@table("behaviour", ["refuses to create over an object", "refuses a stale tag", "refuses a tag where there is nothing"])
async def test_file_system_that_accepts_every_write_fails_the_probe(behaviour: str) -> None:
    class Careless(MemoryBlobStore):
        async def put(self, user_id: Any, blob: Any, draft: Any, *, replaces: Any) -> Any:
            del replaces
            held = await self.stat(user_id)
            return await super().put(user_id, blob, draft, replaces=held.tag if held else None)

    store = Careless()
    await store.start()
    tried = dict(await doctor._probe_conditional_writes(store))
    assert not tried[behaviour]
    assert tried["creates where there is nothing"]
    assert tried["replaces by the current tag"]
