"""The alert rules and the dashboard, on a real Prometheus that scrapes a real service."""

from __future__ import annotations

import json
import os
import re
import subprocess
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.servers.in_process.bounded_protocol import eventually
from support.servers.programs import prometheus
from support.servers.service import Person, Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.servers.programs.prometheus import Prometheus

DEPLOY = Path(__file__).parents[3] / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yaml"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "obscura-backup.json").read_text())
QUERIES = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
METRIC = re.compile(r"obscura_backup_\w+?(?=_total|_bucket|_sum|_count|\b)")


@pytest.fixture(scope="module", autouse=True)
def _prometheus() -> None:
    prometheus.require()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    started = Service(tmp_path_factory.mktemp("service") / "data", has_management=True)
    started.start()
    yield started
    assert started.stop() == 0


@pytest.fixture(scope="module")
def scraped(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Has seen each kind of call more than once, so that rates can be computed."""
    with prometheus.scraping(service.admin_port, tmp_path_factory.mktemp("prometheus")) as started:
        for _ in range(2):
            use(service)
            # Two more, since the text of the metrics may be a second old; one more for a scrape that is under way.
            wanted = started.scrapes() + 3
            assert eventually(partial(has_scraped, started, wanted), seconds=60)
        yield started


def has_scraped(started: Prometheus, wanted: int) -> bool:
    return started.scrapes() >= wanted


def use(service: Service) -> None:
    """Each kind of call, so that each call to a store is made."""
    person = Person.of(service)
    assert person.download().status == 404
    body = os.urandom(5000)
    assert person.upload(body).status == 200
    assert person.upload(body).status == 200, "a retry"
    assert person.upload(os.urandom(100)).status == 409
    assert person.download().body == body
    assert person.delete(if_match="1").status == 204


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "rules", "rules.yaml"],
        ["check", "config", "prometheus.yaml"],
        ["test", "rules", "rules.test.yaml"],
    ],
    ids=" ".join,
)
def test_promtool_accepts_rules_and_samples(arguments: list[str]) -> None:
    done = subprocess.run(
        ["promtool", *arguments], cwd=RULES.parent, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("title", "expression"), QUERIES, ids=[f"{title} {n}" for n, (title, _) in enumerate(QUERIES)])
def test_every_query_of_the_dashboard_gives_data(scraped: Prometheus, title: str, expression: str) -> None:
    found = scraped.query(expression.replace("$__rate_interval", "1m").replace("$instance", ".*"))
    values = [sample["value"][1] for sample in found]
    assert [value for value in values if value != "NaN"], f"{title}: {found}"


def test_every_metric_that_rules_and_dashboard_name_is_served(service: Service) -> None:
    served = service.request_management("/metrics").body.decode()
    named = set(METRIC.findall(RULES.read_text() + json.dumps(QUERIES)))
    assert len(named) >= 10
    assert {name for name in named if f"# HELP {name}" not in served} == set()


def test_every_alert_has_a_test() -> None:
    alerts = set(re.findall(r"alert: (\w+)", RULES.read_text()))
    tested = re.findall(r"alertname: (\w+)\n\s+exp_alerts", (RULES.parent / "rules.test.yaml").read_text())
    assert alerts == set(tested)


def test_numbers_of_the_dashboard_are_those_of_the_calls(service: Service, scraped: Prometheus) -> None:
    def uploads() -> float:
        (sample,) = scraped.query('sum(obscura_backup_blob_bytes_count{direction="stored"})')
        return float(sample["value"][1])

    before = uploads()
    use(service)
    assert eventually(lambda: uploads() == before + 1, seconds=60)
