"""What `doctor` checks and reports of PostgreSQL and S3, over scripted answers."""

from __future__ import annotations

import threading
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest

from obscura_backup.adapters.memory import MemoryMetadataStore
from obscura_backup.adapters.object_stores.probe_report import CheckResult, ProbeReport, Severity
from obscura_backup.adapters.postgres import diagnosis as postgres_diagnosis
from obscura_backup.adapters.postgres import schema as postgres_schema
from obscura_backup.adapters.postgres.diagnosis import Diagnosis
from obscura_backup.adapters.postgres.schema import SchemaState
from obscura_backup.domain.errors import MetadataUnavailable, StoreUnusable
from obscura_backup.entrypoints import doctor
from obscura_backup.entrypoints.doctor import READ_ONLY_HINT, SERVER_ACCEPTS, SERVER_ANSWERS, Check
from support.servers.in_process.app import settings
from support.table import table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

POSTGRES = "postgresql://someone@localhost/db"
S3 = "s3://a-bucket?endpoint=http://localhost:9"


async def found(checks: AsyncIterator[Check]) -> dict[tuple[str, str], Check]:
    """The checks by part and name, in order."""
    return {(check.part, check.name): check async for check in checks}


FACTS = Diagnosis(
    version="17.2", writable=True, missing_privileges="", durable=True, round_trip_seconds=0.0125, skew_seconds=-1.25
)
CURRENT = SchemaState("2", "2")


async def of_postgres(
    monkeypatch: pytest.MonkeyPatch, facts: Diagnosis = FACTS, state: SchemaState = CURRENT
) -> dict[tuple[str, str], Check]:
    asked: list[str] = []

    def diagnose(url: str) -> Diagnosis:
        asked.append(url)
        return facts

    def schema_state(url: str) -> SchemaState:
        asked.append(url)
        return state

    monkeypatch.setattr(postgres_diagnosis, "diagnose", diagnose)
    monkeypatch.setattr(postgres_schema, "schema_state", schema_state)
    checks = await found(doctor._postgres(POSTGRES))
    assert asked == [POSTGRES, POSTGRES]
    return checks


async def test_all_checks_of_a_good_postgres_server_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = await of_postgres(monkeypatch)
    assert all(check.holds and check.must for check in checks.values())
    assert {name: (check.detail, check.seconds) for (part, name), check in checks.items() if part == "metadata"} == {
        "technology": ("PostgreSQL 17.2", None),
        "round trip": ("", 0.0125),
        "is writable": ("", None),
        "may read and write rows": ("", None),
        "commits are durable": ("fsync and synchronous_commit", None),
        "schema is up to date": ("2, wanted 2", None),
        "its clock agrees with ours": ("-1.2 s", None),
    }


@pytest.mark.parametrize(
    ("change", "name", "detail"),
    [
        ({"writable": False}, "is writable", READ_ONLY_HINT),
        ({"missing_privileges": "It lacks DELETE."}, "may read and write rows", "It lacks DELETE."),
        ({"durable": False}, "commits are durable", "fsync and synchronous_commit"),
        ({"skew_seconds": 61.0}, "its clock agrees with ours", "+61.0 s"),
    ],
)
async def test_each_fault_of_a_postgres_server_fails_its_own_check(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], name: str, detail: str
) -> None:
    given = {field: getattr(FACTS, field) for field in Diagnosis.__dataclass_fields__}
    checks = await of_postgres(monkeypatch, Diagnosis(**{**given, **change}))
    assert [key for key, check in checks.items() if not check.holds] == [("metadata", name)]
    assert checks["metadata", name].detail == detail


@pytest.mark.parametrize(
    ("current", "detail"),
    [("1", "1, wanted 2: obscura-backup migrate"), (None, "none, wanted 2: obscura-backup migrate")],
)
async def test_check_of_an_old_schema_names_the_command_to_run(
    monkeypatch: pytest.MonkeyPatch, current: str | None, detail: str
) -> None:
    checks = await of_postgres(monkeypatch, state=SchemaState(current, "2"))
    check = checks["metadata", "schema is up to date"]
    assert (check.holds, check.detail) == (False, detail)


async def test_unreachable_postgres_server_is_one_failed_check(monkeypatch: pytest.MonkeyPatch) -> None:
    def diagnose(_: str) -> Diagnosis:
        raise MetadataUnavailable from OSError("connection refused")

    monkeypatch.setattr(postgres_diagnosis, "diagnose", diagnose)
    (check,) = (await found(doctor._postgres(POSTGRES))).values()
    assert (check.part, check.name, check.holds) == ("metadata", SERVER_ANSWERS, False)
    assert "connection refused" in check.detail


async def test_nothing_is_ok_after_a_server_that_does_not_answer_or_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def diagnose(_: str) -> Diagnosis:
        raise postgres_diagnosis.ConnectionRefused from OSError("FATAL:  password authentication failed")

    monkeypatch.setattr(postgres_diagnosis, "diagnose", diagnose)
    (check,) = (await found(doctor._metadata(settings(metadata_url=POSTGRES), MemoryMetadataStore()))).values()
    assert (check.name, check.holds) == (SERVER_ACCEPTS, False)
    assert "answers, and refuses the connection" in check.detail
    assert "password authentication failed" in check.detail


async def test_silent_postgres_server_is_one_failed_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_diagnosis, "diagnose", lambda _: time.sleep(0.5))
    monkeypatch.setattr(doctor, "DIAGNOSIS_SECONDS", 0.02)
    (check,) = (await found(doctor._postgres(POSTGRES))).values()
    assert (check.name, check.holds, check.detail) == (SERVER_ANSWERS, False, "not within 0.02 s")


async def test_diagnosis_runs_in_a_daemon_thread() -> None:
    daemon, name = await doctor._in_daemon_thread(
        lambda: (threading.current_thread().daemon, threading.current_thread().name)
    )
    assert (daemon, name) == (True, "doctor")


@table(
    ("seconds", "passed", "shown"),
    [(0.0, True, "+0.0 s"), (59.9, True, "+59.9 s"), (60.0, False, "+60.0 s"), (-60.0, False, "-60.0 s")],
)
def test_clock_may_be_off_by_less_than_a_minute(seconds: float, *, passed: bool, shown: str) -> None:
    check = doctor._skew("blobs", seconds)
    assert (check.part, check.holds, check.detail, check.must) == ("blobs", passed, shown, True)


class ScriptedS3:
    """An S3 store with the answers that `doctor` needs."""

    def __init__(self, *verdicts: CheckResult, fails: tuple[str, ...] = (), is_silent: bool = False) -> None:
        self._is_silent = is_silent
        self._report = ProbeReport(verdicts)
        self._fails = fails

    def _step(self, name: str) -> None:
        if name in self._fails:
            raise StoreUnusable(f"No {name}.")

    async def start(self) -> None:
        self._step("start")

    async def check(self) -> None:
        self._step("check")

    async def server_name(self) -> str | None:
        self._step("name")
        return None if self._is_silent else "AStore/7"

    async def clock_skew_seconds(self) -> float | None:
        return None if self._is_silent else 61.0

    async def probe_conditional_writes(self) -> ProbeReport:
        return self._report


async def of_s3(store: ScriptedS3, url: str = S3) -> dict[str, Check]:
    checks = await found(doctor._blobs(settings(blobs_url=url), store))  # type: ignore[arg-type] # its health is all
    assert {part for part, _ in checks} == {"blobs"}
    return {name: check for (_, name), check in checks.items()}


@table(("scheme", "driver"), [("s3", "obstore"), ("s3+boto3", "boto3")])
async def test_each_behaviour_of_an_s3_store_is_one_check(scheme: str, driver: str) -> None:
    checks = await of_s3(
        ScriptedS3(
            CheckResult("a condition", passed=False, severity=Severity.CONDITION, detail="ignored it"),
            CheckResult("a need", passed=True, severity=Severity.REQUIRED),
            CheckResult("a nicety", passed=False, severity=Severity.ADVISORY),
        ),
        S3.replace("s3", scheme, 1),
    )
    assert {name: (check.holds, check.detail, check.must) for name, check in checks.items()} == {
        "technology": (True, f"S3 by {driver} {version(driver)}, bucket a-bucket at http://localhost:9", True),
        "starts": (True, "", True),
        "answers": (True, "", True),
        "server": (True, "AStore/7", True),
        "its clock agrees with ours": (False, "+61.0 s", True),
        "a condition": (False, "ignored it", True),
        "a need": (True, "", True),
        "a nicety": (False, "", False),
    }


async def test_bucket_without_an_endpoint_is_at_aws() -> None:
    checks = await of_s3(ScriptedS3(), "s3://a-bucket?region=eu-west-1")
    assert checks["technology"].detail.endswith(", bucket a-bucket at AWS")


@table(
    ("url", "detail"),
    [
        ("gs://a-bucket", "Google Cloud Storage by obstore {}, bucket a-bucket at Google"),
        ("az://a-container", "Azure Blob Storage by obstore {}, bucket a-container at Azure"),
    ],
)
async def test_store_that_shows_no_name_and_no_clock_has_no_checks_of_them(url: str, detail: str) -> None:
    store = ScriptedS3(CheckResult("a need", passed=True, severity=Severity.REQUIRED), is_silent=True)
    checks = await of_s3(store, url)
    assert checks["technology"].detail == detail.format(version("obstore"))
    assert list(checks) == ["technology", "starts", "answers", "a need"]


async def test_unreachable_s3_store_has_no_checks_of_its_behaviour() -> None:
    checks = await of_s3(ScriptedS3(fails=("start", "check", "name")))
    assert list(checks) == ["technology", "starts", "conditional writes"]
    assert checks["starts"].detail == "No start."
    assert (checks["conditional writes"].holds, checks["conditional writes"].detail) == (
        False,
        "the probe failed: No name.",
    )


async def test_s3_store_that_answers_without_starting_has_both_checks() -> None:
    checks = await of_s3(ScriptedS3(fails=("start",)))
    assert (checks["starts"].holds, checks["answers"].holds) == (False, True)


async def test_postgres_server_is_diagnosed_before_the_store_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_diagnosis, "diagnose", lambda _: FACTS)
    monkeypatch.setattr(postgres_schema, "schema_state", lambda _: CURRENT)
    checks = await found(doctor._metadata(settings(metadata_url=POSTGRES), MemoryMetadataStore()))
    names = [name for _, name in checks]
    assert (names[0], names[1], names[-2:]) == ("technology", "round trip", ["starts", "answers"])
