"""Checks of everything that the service depends on: is it there, and does it behave as the service needs?"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import tempfile
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from obscura_backup.adapters.filesystem.store import FilesystemBlobStore
from obscura_backup.domain.blob import Blob
from obscura_backup.domain.errors import ObscuraError, PutRefused
from obscura_backup.domain.model import NO_VERSION, Draft, Kind, Tag, UploadId, UserId, Version
from obscura_backup.entrypoints.container import Container
from obscura_backup.entrypoints.data_directory import opened_data_directory
from obscura_backup.entrypoints.signing_secret import fingerprint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from obscura_backup.adapters.object_stores.store import ObjectBlobStore
    from obscura_backup.domain.ports import BackupMetadataStore, BlobStore
    from obscura_backup.entrypoints.settings import Settings

SKEW_MAX_SECONDS = 60.0
"""S3 refuses requests whose time is 15 minutes off; a minute means that nothing synchronizes this clock."""
FREE_MIN_BYTES = 256 * 1024 * 1024
DIAGNOSIS_SECONDS = 6.0
"""For all checks of PostgreSQL. Its name may have several addresses, each with its own time to connect."""

SERVER_ANSWERS = "PostgreSQL answers"
SERVER_ACCEPTS = "PostgreSQL accepts this user"
READ_ONLY_HINT = (
    "a standby, or default_transaction_read_only is on; "
    "name all servers in the URL, with target_session_attrs=read-write"
)

_CLOUDS = {
    "s3": ("S3", "AWS"),
    "s3+boto3": ("S3", "AWS"),
    "gs": ("Google Cloud Storage", "Google"),
    "az": ("Azure Blob Storage", "Azure"),
}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check.

    Attributes:
        part: `tokens`, `metadata` or `blobs`.
        name: of the check, in words.
        holds: whether it passed.
        detail: a version, a location, or what is wrong.
        seconds: how long it took; None if that says nothing.
        must: whether the service needs it; a failed check that the service does not need is a warning.
    """

    part: str
    name: str
    holds: bool
    detail: str = ""
    seconds: float | None = None
    must: bool = True


async def examine(settings: Settings) -> AsyncIterator[Check]:
    """Check everything that these settings name; one failure does not stop the checks that do not depend on it."""
    container = Container(settings=settings)
    if settings.uses_data_dir:
        check = await _timed("metadata", "the data directory belongs to this user", lambda: _data_directory(settings))
        yield check
        if not check.holds:
            return  # the checks of the stores would write into it
    yield await _timed("tokens", "verification keys are available", lambda: _keys(container))
    metadata = container.metadata()
    try:
        async for check in _metadata(settings, metadata):
            yield check
    finally:
        await metadata.close()
    blobs = container.blobs()
    try:
        async for check in _blobs(settings, blobs):
            yield check
    finally:
        await blobs.close()


async def _timed(part: str, name: str, look: Callable[[], Awaitable[str]]) -> Check:
    began = time.perf_counter()
    try:
        detail = await look()
    except ObscuraError as error:
        return Check(part, name, holds=False, detail=error.with_cause, seconds=time.perf_counter() - began)
    return Check(part, name, holds=True, detail=detail, seconds=time.perf_counter() - began)


async def _data_directory(settings: Settings) -> str:
    with opened_data_directory(settings.data_dir):
        return str(settings.data_dir)


async def _keys(container: Container) -> str:
    keys = await container.key_source().keys()
    secrets = [fingerprint(key.key) for key in keys if key.algorithm == "HS256"]
    public = sorted({key.algorithm for key in keys} - {"HS256"})
    found = [f"key set: {', '.join(public)}"] if public else []
    if secrets:
        found.append(f"HS256 by a secret with the fingerprint {' or '.join(secrets)}, the same on all replicas")
    return "; ".join(found)


async def _metadata(settings: Settings, store: BackupMetadataStore) -> AsyncIterator[Check]:
    match settings.metadata_kind:
        case "postgresql":
            async for check in _postgres(settings.metadata_url or ""):
                yield check
                if check.name in (SERVER_ANSWERS, SERVER_ACCEPTS) and not check.holds:
                    return  # the store starts without a server, to wait for it, which would look like a success
        case "sqlite":
            where = f"SQLite {sqlite3.sqlite_version}, {settings.metadata_path}"
            yield Check("metadata", "technology", holds=True, detail=where)
        case kind:
            yield Check("metadata", "technology", holds=True, detail=kind)
    started = await _timed("metadata", "starts", lambda: _started(store))
    yield started
    if started.holds:
        yield await _timed("metadata", "answers", lambda: _answers(store))


async def _postgres(url: str) -> AsyncIterator[Check]:
    from obscura_backup.adapters.postgres import diagnosis as postgres_diagnosis  # only if it is used
    from obscura_backup.adapters.postgres import schema as postgres_schema

    try:
        async with asyncio.timeout(DIAGNOSIS_SECONDS):
            facts = await _in_daemon_thread(lambda: postgres_diagnosis.diagnose(url))
            state = await _in_daemon_thread(lambda: postgres_schema.schema_state(url))
    except TimeoutError:
        yield Check("metadata", SERVER_ANSWERS, holds=False, detail=f"not within {DIAGNOSIS_SECONDS:g} s")
        return
    except postgres_diagnosis.ConnectionRefused as error:
        yield Check("metadata", SERVER_ACCEPTS, holds=False, detail=error.with_cause)
        return
    except ObscuraError as error:
        yield Check("metadata", SERVER_ANSWERS, holds=False, detail=error.with_cause)
        return
    yield Check("metadata", "technology", holds=True, detail=f"PostgreSQL {facts.version}")
    yield Check("metadata", "round trip", holds=True, seconds=facts.round_trip_seconds)
    yield Check("metadata", "is writable", holds=facts.writable, detail="" if facts.writable else READ_ONLY_HINT)
    yield Check(
        "metadata", "may read and write rows", holds=not facts.missing_privileges, detail=facts.missing_privileges
    )
    yield Check("metadata", "commits are durable", holds=facts.durable, detail="fsync and synchronous_commit")
    current = state.current or "none"
    detail = f"{current}, wanted {state.head}" + ("" if state.current == state.head else ": obscura-backup migrate")
    yield Check("metadata", "schema is up to date", holds=state.current == state.head, detail=detail)
    yield _skew("metadata", facts.skew_seconds)


async def _in_daemon_thread(look: Callable[[], T]) -> T:
    """Run in a daemon thread, for which an interrupted command does not wait (unlike `asyncio.to_thread`)."""
    outcome: Future[T] = Future()
    outcome.set_running_or_notify_cancel()  # from here on it cannot be cancelled while the thread runs

    def run() -> None:
        try:
            outcome.set_result(look())
        except BaseException as error:  # noqa: BLE001  # raised again where it is awaited
            outcome.set_exception(error)

    threading.Thread(target=run, name="doctor", daemon=True).start()
    return await asyncio.wrap_future(outcome)


async def _blobs(settings: Settings, store: BlobStore) -> AsyncIterator[Check]:
    match settings.blobs_kind:
        case "s3" | "s3+boto3" | "gs" | "az":
            async for check in _bucket(settings, store):  # type: ignore[arg-type]  # those kinds are such stores
                yield check
            return
        case "file":
            yield Check("blobs", "technology", holds=True, detail=f"files, {settings.blobs_path}")
        case kind:
            yield Check("blobs", "technology", holds=True, detail=kind)
    started = await _timed("blobs", "starts", lambda: _started(store))
    yield started
    if started.holds:
        yield await _timed("blobs", "answers", lambda: _answers(store))
        if settings.blobs_kind == "file":
            free = shutil.disk_usage(settings.blobs_path).free
            yield Check("blobs", "free space", free > FREE_MIN_BYTES, f"{free // 2**20} MiB", must=False)
            async for check in _conditional_files(settings.blobs_path):
                yield check


async def _bucket(settings: Settings, store: ObjectBlobStore) -> AsyncIterator[Check]:
    location = settings.bucket_location
    technology, cloud = _CLOUDS[settings.blobs_kind]
    driver = "boto3" if settings.blobs_kind == "s3+boto3" else "obstore"
    place = f"bucket {location.bucket} at {location.endpoint or cloud}"
    yield Check("blobs", "technology", holds=True, detail=f"{technology} by {driver} {version(driver)}, {place}")
    started = await _timed("blobs", "starts", lambda: _started(store))
    yield started
    answers = await _timed("blobs", "answers", lambda: _answers(store))
    if started.holds or answers.holds:
        yield answers
    try:
        name = await store.server_name()
        skew = await store.clock_skew_seconds()
        report = await store.probe_conditional_writes()
    except ObscuraError as error:
        yield Check("blobs", "conditional writes", holds=False, detail=f"the probe failed: {error.with_cause}")
        return
    if name is not None:
        yield Check("blobs", "server", holds=True, detail=name)
    if skew is not None:
        yield _skew("blobs", skew)
    for result in report.results:
        must = result.severity.value != "advisory"
        yield Check("blobs", result.name, holds=result.passed, detail=result.detail, must=must)


async def _conditional_files(root: Path) -> AsyncIterator[Check]:
    """The five behaviours of conditional writes, on this file system: some network file systems lack some."""
    with tempfile.TemporaryDirectory(prefix="probe-", dir=root) as scratch:
        store = FilesystemBlobStore(Path(scratch))
        await store.start()
        try:
            for name, holds in await _probe_conditional_writes(store):
                yield Check("blobs", name, holds)
        finally:
            await store.close()


async def _probe_conditional_writes(store: BlobStore) -> list[tuple[str, bool]]:
    user, other = UserId(UUID(int=1)), UserId(UUID(int=2))
    first = await _tag_of(store, user, None)
    second = await _tag_of(store, user, first)
    return [
        ("creates where there is nothing", first is not None),
        ("replaces by the current tag", second is not None),
        ("refuses to create over an object", await _tag_of(store, user, None) is None),
        ("refuses a stale tag", await _tag_of(store, user, first) is None),
        ("refuses a tag where there is nothing", await _tag_of(store, other, first) is None),
    ]


async def _tag_of(store: BlobStore, user_id: UserId, replaces: Tag | None) -> Tag | None:
    blob = Blob.of(os.urandom(32))
    draft = Draft(
        version=Version(1),
        base=NO_VERSION,
        kind=Kind.LIVE,
        sha256=blob.sha256,
        size=blob.size,
        upload_id=UploadId(os.urandom(16).hex()),
        updated_at=Container.clock().now(),
    )
    try:
        return (await store.put(user_id, blob, draft, replaces=replaces)).tag
    except PutRefused:
        return None


async def _started(store: BackupMetadataStore | BlobStore) -> str:
    await store.start()
    return ""


async def _answers(store: BackupMetadataStore | BlobStore) -> str:
    await store.check()
    return ""


def _skew(part: str, seconds: float) -> Check:
    return Check(part, "its clock agrees with ours", abs(seconds) < SKEW_MAX_SECONDS, f"{seconds:+.1f} s")
