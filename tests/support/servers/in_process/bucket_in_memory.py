"""A bucket that is only remembered, with the faults that stores in the field have; in place of `S3Bucket`."""

from __future__ import annotations

import io
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from obscura_backup.adapters.object_stores.errors import RefusedByStore
from obscura_backup.adapters.s3.advice import advice_for
from obscura_backup.adapters.s3.boto3_driver.download import Download
from obscura_backup.adapters.s3.location import S3Location
from obscura_backup.domain.errors import BlobStoreUnavailable, PutRefused, RangeNotSatisfiable
from obscura_backup.domain.model import Revision, Tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from obscura_backup.domain.blob import Blob
    from obscura_backup.domain.model import ByteRange, Draft


class BucketInMemory:
    """Keeps all promises, except for those of `faults`.

    Args:
        faults: any of `creates over`, `takes a stale tag`, `takes a tag of nothing`, `knows no conditions`,
            `knows no checksums`, `checks no checksums`, `drops metadata`, `loses bytes`, `never deletes`, `races`.
    """

    def __init__(self, *faults: str) -> None:
        self.name = "a-bucket"
        self.advice = advice_for(S3Location(self.name))
        self.faults = set(faults)
        self.objects: dict[str, tuple[Revision, bytes]] = {}
        self.calls: list[str] = []
        self.failures: list[Exception] = []
        self._lock = threading.Lock()
        self._count = 0
        self._of_thread = threading.local()

    def connect(self) -> None:
        self.calls.append("connect")

    def close(self) -> None:
        self.calls.append("close")

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self.failures:
            raise self.failures.pop(0)

    @contextmanager
    def before_each_request(self, before_sending: Callable[[], None]) -> Iterator[None]:
        self._of_thread.before_sending = before_sending
        try:
            yield
        finally:
            del self._of_thread.before_sending

    def put(self, key: str, blob: Blob, draft: Draft, *, replaces: Tag | None) -> Revision:
        return self.put_with(key, blob, draft, replaces)

    def put_with(
        self,
        key: str,
        blob: Blob,
        draft: Draft,
        replaces: Tag | None,
        *,
        is_conditional: bool = True,
        claimed_sha256: bytes | None = None,
    ) -> Revision:
        self._call("put")
        if is_conditional and "knows no conditions" in self.faults:
            raise RefusedByStore(501, "NotImplemented", "PutObject")
        if "knows no checksums" in self.faults:
            raise RefusedByStore(400, "InvalidArgument", "PutObject")
        if claimed_sha256 is not None and len(claimed_sha256) != len(blob.sha256):
            raise RefusedByStore(400, "InvalidDigest", "PutObject")  # also by stores that do not compute it
        if claimed_sha256 is not None and claimed_sha256 != blob.sha256 and "checks no checksums" not in self.faults:
            raise RefusedByStore(400, "BadDigest", "PutObject")
        if hasattr(self._of_thread, "before_sending"):
            self._of_thread.before_sending()
            if "races" in self.faults:
                return self._store(key, blob, draft)
        with self._lock:
            if is_conditional:
                self._require(key, replaces)
            return self._store(key, blob, draft)

    def _require(self, key: str, replaces: Tag | None) -> None:
        current = self.objects.get(key)
        if replaces is None:
            fault = None if current is None else "creates over"
        elif current is None:
            fault = "takes a tag of nothing"
        else:
            fault = None if current[0].tag == replaces else "takes a stale tag"
        if fault is not None and fault not in self.faults:
            raise PutRefused

    def _store(self, key: str, blob: Blob, draft: Draft) -> Revision:
        self._count += 1
        revision = Revision(
            version=draft.version,
            base=draft.base,
            kind=draft.kind,
            sha256=draft.sha256,
            size=draft.size,
            upload_id=draft.upload_id,
            updated_at=draft.updated_at,
            tag=Tag(f"tag {self._count}"),
        )
        self.objects[key] = revision, blob.read()
        return revision

    def get(self, key: str, byte_range: ByteRange | None = None) -> Download | None:
        self._call("get")
        if key not in self.objects:
            return None
        revision, content = self.objects[key]
        if "drops metadata" in self.faults:
            revision = replace(revision, updated_at=revision.updated_at.replace(microsecond=0))
        if "loses bytes" in self.faults:
            content = content[:-1]
        part = (0, revision.size) if byte_range is None else byte_range.resolve(revision.size)
        if part is None:
            raise RangeNotSatisfiable(size=revision.size)
        start, length = part
        return Download(io.BytesIO(content[start : start + length]), revision, start, length, b"")

    def head(self, key: str) -> Revision | None:
        self._call("head")
        return self.objects[key][0] if key in self.objects else None

    def keys(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[str]:
        self._call("keys")
        return sorted(key for key in self.objects if key.startswith(prefix) and key > after)[:limit]

    def delete(self, key: str) -> None:
        self._call("delete")
        if "never deletes" in self.faults:
            raise BlobStoreUnavailable("Deleting is not allowed.")
        self.objects.pop(key, None)

    def clock_skew_seconds(self) -> float:
        self._call("ask")
        return 1.5

    def server_name(self) -> str:
        self._call("name")
        return "AStore"
