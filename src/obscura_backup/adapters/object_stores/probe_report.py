"""The results of the probe of a store, and whether the store may be used."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum

from obscura_backup.domain.errors import StoreUnusable

_log = logging.getLogger(__name__)


class Severity(StrEnum):
    """How bad a failed check is. An operator may waive a CONDITION by allowing unconditional writes."""

    CONDITION = "condition"
    REQUIRED = "required"
    ADVISORY = "advisory"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check.

    Attributes:
        name: the expected behaviour, in words.
        passed: whether the store has it.
        severity: of a failure.
        detail: what the store did instead.
    """

    name: str
    passed: bool
    severity: Severity
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """The results of all checks, in order."""

    results: tuple[CheckResult, ...]

    def failed(self, severity: Severity) -> tuple[CheckResult, ...]:
        """The failed checks of this severity."""
        return tuple(result for result in self.results if result.severity is severity and not result.passed)

    @property
    def honours_conditions(self) -> bool:
        """Whether several processes may safely write to the store."""
        return not self.failed(Severity.CONDITION)


def require_usable(report: ProbeReport, bucket: str, *, allow_unconditional: bool) -> None:
    """Return if the store may be used.

    Raises:
        StoreUnusable: a required check failed, or a condition that was not waived.
    """
    for result in report.failed(Severity.REQUIRED):
        raise StoreUnusable(f"The blob store cannot be used. It fails the check {result.name!r}: {result.detail}")
    failed = "; ".join(f"{result.name!r} ({result.detail})" for result in report.failed(Severity.CONDITION))
    if not failed:
        return
    if not allow_unconditional:
        raise StoreUnusable(
            f"The blob store does not honour conditional writes, so that a late upload could overwrite a newer backup. "
            f"It fails the check {failed}. Use another store; or, with a single process and at your own risk, set "
            f"OBSCURA_BACKUP_ALLOW_UNCONDITIONAL_BLOBS={bucket}."
        )
    _log.warning("the blob store does not honour conditional writes, as allowed: it fails the check %s", failed)
