"""The wiring: which adapter implements which port, by the settings."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dependency_injector import containers, providers

from obscura_backup.adapters.azure.location import AzureLocation
from obscura_backup.adapters.filesystem.store import FilesystemBlobStore
from obscura_backup.adapters.gcs.location import GcsLocation
from obscura_backup.adapters.memory import MemoryBlobStore, MemoryMetadataStore
from obscura_backup.adapters.s3.location import S3Location
from obscura_backup.adapters.sqlite import SqliteMetadataStore
from obscura_backup.adapters.system_clock import SystemClock
from obscura_backup.adapters.tokens.jwks import JwksKeySource, KeySource, SecretKeySource
from obscura_backup.adapters.tokens.secret_file import CombinedKeySource, SecretFileKeySource
from obscura_backup.adapters.tokens.verifier import JwtVerifier
from obscura_backup.domain.model import Limits
from obscura_backup.domain.service import BackupService
from obscura_backup.entrypoints.data_directory import opened_data_directory
from obscura_backup.entrypoints.settings import AZURE, GCS, S3, S3_BY_BOTO3, Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from obscura_backup.adapters.object_stores.store import ObjectBlobStore
    from obscura_backup.adapters.postgres.store import PostgresMetadataStore


def _key_source(settings: Settings) -> KeySource:
    if settings.auth_jwks is None:
        return _secrets(settings)
    key_set = _key_set(settings, settings.auth_jwks)
    return CombinedKeySource(key_set, _secrets(settings)) if settings.has_secret else key_set


def _secrets(settings: Settings) -> KeySource:
    found = settings.token_secrets()
    if settings.auth_secret is not None:
        return SecretKeySource(*found)
    # A file that is removed later is not created again: that would silently invalidate all tokens.
    return SecretFileKeySource(settings.secret_path, lambda: settings.token_secrets(create=False))


def _key_set(settings: Settings, jwks: str) -> JwksKeySource:
    if jwks.startswith(("https:", "http:")):
        return JwksKeySource.url(jwks, timeout_seconds=settings.jwks_seconds)
    return JwksKeySource.file(Path(jwks))


def _postgres(settings: Settings) -> PostgresMetadataStore:
    from obscura_backup.adapters.postgres.store import (
        PostgresMetadataStore,
    )  # the embedded stores start faster without it

    return PostgresMetadataStore(
        settings.metadata_url or "",
        pool_size=settings.postgres_pool,
        lock_timeout_seconds=settings.lock_seconds,
        idle_in_transaction_seconds=settings.postgres_hold_seconds,
        pool_wait_seconds=settings.postgres_wait_seconds,
        connect_timeout_seconds=settings.postgres_connect_seconds,
        answer_timeout_seconds=settings.postgres_answer_seconds,
    )


def _s3(settings: Settings) -> ObjectBlobStore:
    from obscura_backup.adapters.s3.store import S3BlobStore  # the embedded stores start without it

    return S3BlobStore(S3Location.parse(settings.blobs_url or ""), **_bucket_options(settings))


def _s3_by_boto3(settings: Settings) -> ObjectBlobStore:
    from obscura_backup.adapters.s3.boto3_driver.store import (
        Boto3BlobStore,
    )  # boto3 takes a fifth of a second to import

    return Boto3BlobStore(S3Location.parse(settings.blobs_url or ""), **_bucket_options(settings))


def _gcs(settings: Settings) -> ObjectBlobStore:
    from obscura_backup.adapters.gcs.backend import GcsBackend  # as above
    from obscura_backup.adapters.object_stores.obstore_driver.store import ObstoreBlobStore

    return ObstoreBlobStore(GcsBackend(GcsLocation.parse(settings.blobs_url or "")), **_bucket_options(settings))


def _azure(settings: Settings) -> ObjectBlobStore:
    from obscura_backup.adapters.azure.backend import AzureBackend  # as above
    from obscura_backup.adapters.object_stores.obstore_driver.store import ObstoreBlobStore

    return ObstoreBlobStore(AzureBackend(AzureLocation.parse(settings.blobs_url or "")), **_bucket_options(settings))


def _bucket_options(settings: Settings) -> dict[str, Any]:
    return {
        "allow_unconditional": settings.allow_unconditional_blobs == settings.bucket_location.bucket,
        "wait_seconds": settings.s3_wait_seconds,
        "connect_timeout_seconds": settings.s3_connect_seconds,
        "read_timeout_seconds": settings.s3_read_seconds,
        "ping_timeout_seconds": settings.s3_ping_seconds,
    }


class Container(containers.DeclarativeContainer):
    """All parts of a worker, made on first use."""

    settings: providers.Dependency[Settings] = providers.Dependency(instance_of=Settings)
    clock = providers.Singleton(SystemClock)
    metadata = providers.Selector(
        settings.provided.metadata_kind,
        sqlite=providers.Singleton(
            SqliteMetadataStore, settings.provided.metadata_path, lock_timeout_seconds=settings.provided.lock_seconds
        ),
        postgresql=providers.Singleton(_postgres, settings),
        memory=providers.Singleton(MemoryMetadataStore, lock_timeout_seconds=settings.provided.lock_seconds),
    )
    blobs = providers.Selector(
        settings.provided.blobs_kind,
        file=providers.Singleton(FilesystemBlobStore, settings.provided.blobs_path),
        **{
            S3: providers.Singleton(_s3, settings),
            S3_BY_BOTO3: providers.Singleton(_s3_by_boto3, settings),
            GCS: providers.Singleton(_gcs, settings),
            AZURE: providers.Singleton(_azure, settings),
        },
        memory=providers.Singleton(MemoryBlobStore),
    )
    key_source = providers.Singleton(_key_source, settings)
    tokens = providers.Singleton(
        JwtVerifier,
        key_source,
        clock,
        audience=settings.provided.auth_audience,
        issuer=settings.provided.auth_issuer,
        user_claim=settings.provided.auth_user_claim,
        leeway_seconds=settings.provided.auth_leeway_seconds,
    )
    limits = providers.Singleton(Limits, min_bytes=settings.provided.min_bytes, max_bytes=settings.provided.max_bytes)
    service = providers.Singleton(BackupService, metadata, blobs, clock)


@asynccontextmanager
async def started(container: Container, *, tokens: bool = True) -> AsyncIterator[None]:
    """Both stores, started, and closed at the end.

    Args:
        container: of the stores.
        tokens: whether tokens will be verified, so that the keys are needed, too.

    Raises:
        StoreUnusable: one of them, the data directory or the signing secret cannot be used as configured.
    """
    if container.settings().uses_data_dir:
        with opened_data_directory(container.settings().data_dir):
            pass  # checks its owner
    if tokens:
        container.key_source()
    async with AsyncExitStack() as closing:
        for store in (container.metadata(), container.blobs()):
            closing.push_async_callback(store.close)
            await store.start()
        yield
