"""Tests on scratch objects whether the store honours conditional writes, on which all safety depends.

Real stores have let `If-Match` on a missing key succeed, ignored conditions altogether, or dropped metadata. The
scratch keys under `probes/` are fresh for each probe, so any number of services may probe at the same time. They are
deleted at the end. If the credentials may not delete, or the service ends before, the objects of 48 bytes stay.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from obscura_backup.adapters.object_stores.concurrency_probe import ROUNDS, race
from obscura_backup.adapters.object_stores.errors import (
    Misconfigured,
    RefusedByStore,
    TooManyRequests,
    TransientFailure,
)
from obscura_backup.adapters.object_stores.probe_report import CheckResult, ProbeReport, Severity
from obscura_backup.domain.blob import Blob
from obscura_backup.domain.errors import BackupDamaged, BlobStoreUnavailable, OutcomeUnknown, PutRefused
from obscura_backup.domain.model import Draft, Kind, UploadId, Version

if TYPE_CHECKING:
    from collections.abc import Callable

    from obscura_backup.adapters.object_stores.probed import FalseChecksumProbed, Probed
    from obscura_backup.domain.model import Revision, Tag

SCRATCH_PREFIX = "probes/"
PAUSE_SECONDS = 1.1
"""Before another PUT of the same object, where the store asks for a pause."""

_BAD_REQUEST = 400
_NOT_IMPLEMENTED = 501
_MOMENT = datetime(2001, 2, 3, 4, 5, 6, 789012, tzinfo=UTC)  # microseconds, to see that they survive


def probe(
    bucket: Probed,
    *,
    with_false_checksum: FalseChecksumProbed | None,
    is_stopping: Callable[[], bool] = lambda: False,
    random: Callable[[int], bytes] = os.urandom,
) -> ProbeReport:
    """Run all checks: 7 small requests in sequence, 30 in races, and 4 deletions if all is well.

    Args:
        bucket: to test.
        with_false_checksum: the same bucket by a driver that can send a false checksum; None: skip that check.
        is_stopping: whether to end before the next request, as the service stops.
        random: makes random bytes.

    Raises:
        BlobStoreUnavailable: the store does not answer, or refuses these credentials; or `is_stopping`.
        OutcomeUnknown: the same, in the middle of an upload.
    """
    return _Probe(bucket, with_false_checksum, is_stopping, random).run()


class _Probe:
    def __init__(
        self,
        bucket: Probed,
        with_false_checksum: FalseChecksumProbed | None,
        is_stopping: Callable[[], bool],
        random: Callable[[int], bytes],
    ) -> None:
        self._bucket = bucket
        self._with_false_checksum = with_false_checksum
        self._is_stopping = is_stopping
        self._random = random
        self._key = self._scratch_key()
        self._absent_key = self._scratch_key()
        self._verdicts: list[CheckResult] = []
        self._written: dict[str, tuple[Revision, bytes]] = {}
        self._touched: set[str] = set()

    def run(self) -> ProbeReport:
        try:
            self._run_checks()
        finally:
            self._clean_up()
        return ProbeReport(tuple(self._verdicts))

    def _run_checks(self) -> None:
        first = self._expect_accepted("creates where there is nothing", None)
        if first is None:
            return
        self._expect_refused("refuses to create over an object", self._key, None)
        self._expect_refused("refuses a tag where there is nothing", self._absent_key, first.tag)
        # Whatever the result of the second creation, the current tag is that of the last write.
        if self._expect_accepted("replaces by the current tag", self._current_tag) is None:
            return
        self._expect_refused("refuses a stale tag", self._key, first.tag)
        self._check_readback()
        if all(result.passed for result in self._verdicts):  # else a race would only repeat the result
            self._race_to_create()
            self._race_to_replace()
        self._check_checksum()

    @property
    def _current_tag(self) -> Tag:
        return self._written[self._key][0].tag

    def _scratch_key(self) -> str:
        return f"{SCRATCH_PREFIX}{self._random(16).hex()}"

    def _expect_accepted(self, name: str, replaces: Tag | None) -> Revision | None:
        try:
            stored = self._put_patiently(self._key, replaces)
        except PutRefused:
            self._record(name, Severity.REQUIRED, "it was refused")
        except RefusedByStore as error:
            if error.status not in (_BAD_REQUEST, _NOT_IMPLEMENTED):
                raise
            if self._is_stored_without_condition():
                header = self._bucket.advice.condition_headers[replaces is not None]
                detail = (
                    f"the store supports no conditional writes, on which safety depends. It answered {error.status} "
                    f"{error.reason} to {header}, and stored the same upload without it. Use another store."
                )
                self._record("supports conditional writes", Severity.REQUIRED, detail)
            else:
                hint = f" ({self._bucket.advice.uploads})" if self._bucket.advice.uploads else ""
                self._record(name, Severity.REQUIRED, f"{error}{hint}")
        else:
            self._record(name, Severity.REQUIRED)
            return stored
        return None

    def _is_stored_without_condition(self) -> bool:
        """Whether the store accepts an upload with the checksum and without a condition."""
        try:
            self._put(self._scratch_key(), None, is_conditional=False)
        except RefusedByStore:
            return False
        return True

    def _expect_refused(self, name: str, key: str, replaces: Tag | None) -> None:
        try:
            self._put(key, replaces)
        except PutRefused:
            self._record(name, Severity.CONDITION)
        except RefusedByStore as error:
            self._record(name, Severity.CONDITION, str(error))
        else:
            self._record(name, Severity.CONDITION, "it was written")

    def _race_to_create(self) -> None:
        self._race("accepts one of several concurrent creations", lambda: (self._scratch_key(), None))

    def _race_to_replace(self) -> None:
        self._race("accepts one of several concurrent replacements", lambda: (self._key, self._tag_now()))

    def _race(self, name: str, entry: Callable[[], tuple[str, Tag | None]]) -> None:
        """Race under the condition from `entry`, until the store decided `ROUNDS` times, or once wrongly.

        A store without a conclusive answer in twice as many races passes: it wrote nothing wrong.
        """
        decided = 0
        for _ in range(2 * ROUNDS):
            self._require_not_stopping()
            key, replaces = entry()
            outcome = race(partial(self._put_at_once, key, replaces))
            violation = outcome.violation(self._bucket.head(key))
            if violation:
                self._record(name, Severity.CONDITION, violation)
                return
            outcome.raise_if_unanswered()
            decided += outcome.is_conclusive
            if decided == ROUNDS:
                break
        self._record(name, Severity.CONDITION)

    def _tag_now(self) -> Tag:
        found = self._bucket.head(self._key)
        if found is None:
            raise BlobStoreUnavailable("The blob store lost a scratch object while it was tested.")
        return found.tag

    def _put_at_once(self, key: str, replaces: Tag | None, before_sending: Callable[[], None]) -> Revision:
        with self._bucket.before_each_request(before_sending):
            return self._put(key, replaces)

    def _check_readback(self) -> None:
        name = "gives back the bytes and their metadata"
        try:
            download = self._bucket.get(self._key)
        except (Misconfigured, TransientFailure):
            raise
        except (BackupDamaged, BlobStoreUnavailable) as error:
            self._record(name, Severity.REQUIRED, str(error))
            return
        same = download is not None and (download.revision, download.first_chunk) == self._written[self._key]
        if download is not None:
            download.close()
        self._record(name, Severity.REQUIRED, "" if same else "it gave back something else")

    def _check_checksum(self) -> None:
        if self._with_false_checksum is None:
            return
        name = "refuses bytes that do not have the checksum sent with them"
        try:
            self._put_by(
                partial(self._with_false_checksum.put_with, claimed_sha256=bytes(32)), self._scratch_key(), None
            )
        except (RefusedByStore, PutRefused):
            self._record(name, Severity.ADVISORY)
        else:
            self._record(name, Severity.ADVISORY, "it was written")

    def _put_patiently(self, key: str, replaces: Tag | None) -> Revision:
        """Google may answer 429 to a second PUT of an object within a second."""
        try:
            return self._put(key, replaces)
        except TooManyRequests:
            time.sleep(PAUSE_SECONDS)
            return self._put(key, replaces)

    def _require_not_stopping(self) -> None:
        if self._is_stopping():
            raise BlobStoreUnavailable("The service stops: the blob store is not tested further.")

    def _put(self, key: str, replaces: Tag | None, *, is_conditional: bool = True) -> Revision:
        self._require_not_stopping()
        return self._put_by(partial(self._bucket.put_with, is_conditional=is_conditional), key, replaces)

    def _put_by(
        self, put: Callable[[str, Blob, Draft, Tag | None], Revision], key: str, replaces: Tag | None
    ) -> Revision:
        blob = Blob.of(self._random(32))
        draft = Draft(
            version=Version(2),
            base=Version(1),
            kind=Kind.LIVE,
            sha256=blob.sha256,
            size=blob.size,
            upload_id=UploadId(self._random(16).hex()),
            updated_at=_MOMENT,
        )
        try:
            stored = put(key, blob, draft, replaces)
        except OutcomeUnknown:
            self._touched.add(key)
            raise
        self._touched.add(key)
        self._written[key] = stored, blob.read()
        return stored

    def _clean_up(self) -> None:
        if self._is_stopping():
            return
        detail = ""
        for key in sorted(self._touched):
            try:
                self._bucket.delete(key)
            except BlobStoreUnavailable as error:
                detail = str(error)
        self._record("lets scratch objects be deleted", Severity.ADVISORY, detail)

    def _record(self, name: str, severity: Severity, detail: str = "") -> None:
        self._verdicts.append(CheckResult(name, not detail, severity, detail))
