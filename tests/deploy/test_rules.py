"""Alert rules and dashboards, by promtool and by a real Prometheus over real metrics."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from padit.devcluster.ports import free_port
from padit.ops import metric_names
from padit.ops.exporter import serving
from padit.ops.job_metrics import ALERT_DELAY
from padit.ops.run_context import RunContext
from padit.pipelines.job import run_job
from tests.deploy.prometheus import DEPLOY, Prometheus
from tests.limits import allowed
from tests.parts import required_program

ROOT = Path(__file__).parents[2]
RULES = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
_NAME = re.compile(r"\b(?:padit|flink|process)_[a-zA-Z_]+")
BEGIN = 1_767_225_600


def _promtool(*arguments: str) -> str:
    program = required_program("promtool")
    done = subprocess.run(
        [program.path, *arguments],
        cwd=DEPLOY / "prometheus",
        env=program.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=allowed(60),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _exported() -> set[str]:
    """Every name that a process of PADIT exports."""
    found = set(metric_names.HELP)
    for name in metric_names.HISTOGRAMS:
        found |= {f"{name}_{part}" for part in ("bucket", "count", "sum")}
    return found


def _queries(dashboard: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def test_the_rules_are_sound_and_their_own_tests_pass() -> None:
    assert f"{len(ALERTS)} rules found" in _promtool("check", "rules", "rules.yml")
    assert "SUCCESS" in _promtool("test", "rules", "rules_test.yml")


def test_every_rule_has_a_test_that_fires_and_one_that_does_not() -> None:
    tests = yaml.safe_load((DEPLOY / "prometheus" / "rules_test.yml").read_text())["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    for rule in ALERTS:
        mine = [bool(case["exp_alerts"]) for case in cases if case["alertname"] == rule["alert"]]
        if rule["alert"] == "PaditWatchdog":  # it always fires
            assert mine == [True]
        else:
            assert set(mine) == {True, False}, rule["alert"]


def test_the_alerts_that_the_source_documents_name_are_there() -> None:
    found = {rule["alert"]: rule["expr"] for rule in ALERTS}
    for name, limit in {
        "PaditHighCpu": "> 0.8", "PaditHighMemory": "> 0.85", "PaditErrorRate": "> 0.05",
        "PaditSlowAlerts": "> 11", "PaditKafkaLag": "> 1000", "PaditRestarts": "> 3",
    }.items():  # fmt: skip
        assert limit in found[name], name


def test_every_rule_reads_metrics_that_are_exported_and_names_a_page() -> None:
    pages: dict[str, str] = {}
    for rule in ALERTS:
        ours = {name for name in _NAME.findall(rule["expr"]) if not name.startswith("flink_")}
        assert ours <= _exported(), rule["alert"]
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        text = pages.setdefault(page, (ROOT / page).read_text())
        headings = {
            re.sub(r"[^a-z0-9 -]", "", line[3:].lower()).strip().replace(" ", "-")
            for line in text.splitlines()
            if line.startswith("## ")
        }
        assert anchor in headings, rule["alert"]


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus over a job and adapters that have worked, and go on while it looks."""
    place = tmp_path_factory.mktemp("scraped")
    context = RunContext()
    _job(place, 0, context)
    more = threading.Event()

    def again() -> None:  # so that counters grow between two scrapes
        number = 1
        while not more.wait(0.5):
            totals = {"read": 1000 * number, "scored": 990 * number, "dead_lettered": 10 * number}
            context.account("reader", 99, totals)
            context.note(99, int((time.time() - 12) * 1e6))
            context.note_lag(99, 30)
            ALERT_DELAY.observe([11.0])
            number += 1

    working = threading.Thread(target=again)
    working.start()
    with (
        _Adapters(place) as adapters,
        serving("127.0.0.1:0", healthy=lambda: True) as job,
        Prometheus(place, {"padit-workers": job or "", "padit-adapters": adapters}) as running,
    ):
        yield running
        more.set()
        working.join()


def _job(place: Path, number: int, context: RunContext) -> None:
    """A real run in this process, with an alert."""
    lines = [
        f'{{"timestamp":{BEGIN + 10 * n},"source_id":"a","metric_name":"x",'
        f'"value":{n % 7 + 80 * (n > 300)}}}'
        for n in range(400)
    ]
    (place / f"{number}.jsonl").write_text("\n".join([*lines, "broken", ""]))
    argv = [f"--input={place}/{number}.jsonl", f"--output={place}/alerts{number}.jsonl"]
    run_job(argv, live=False, context=context)


class _Adapters:
    """A process of adapters with no broker: what it cannot send waits on its disk."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._port = free_port()

    def __enter__(self) -> str:
        config = {
            "kafka": {"bootstrap": f"127.0.0.1:{free_port()}"},
            "buffer": {"directory": str(self._place / "buffer")},
            "health": {"host": "127.0.0.1", "port": self._port},
            "stop_timeout_sec": 1,
            "adapters": [{"type": "host", "interval_sec": 1}],
        }
        (self._place / "adapters.yaml").write_text(yaml.safe_dump(config))
        self._log = (self._place / "adapters.log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "padit.cli.main", "adapters", "--config", "adapters.yaml"],
            cwd=self._place,
            stdout=self._log,
            stderr=self._log,
        )
        return f"127.0.0.1:{self._port}"

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(allowed(30))
        self._log.close()


def _numbers(found: list[Any]) -> bool:
    """Whether there are any, and none is NaN: a quantile of nothing is."""
    return bool(found) and all(one["value"][1] != "NaN" for one in found)


def test_every_query_of_every_dashboard_gives_data(scraped: Prometheus) -> None:
    waiting = {
        (path.name, title, expression)
        for path in DASHBOARDS
        for title, expression in _queries(json.loads(path.read_text()))
    }
    assert len(waiting) > 20
    deadline = time.monotonic() + allowed(90)
    while waiting and time.monotonic() < deadline:
        waiting = {one for one in waiting if not _numbers(scraped.query(one[2]))}
        time.sleep(1)
    assert waiting == set()


def test_the_real_prometheus_evaluates_every_rule(scraped: Prometheus) -> None:
    deadline = time.monotonic() + allowed(60)
    while time.monotonic() < deadline:
        firing = {one["metric"]["alertname"] for one in scraped.query("ALERTS")}
        if "PaditWatchdog" in firing:
            break
        time.sleep(1)
    assert "PaditWatchdog" in firing
    assert "PaditDown" not in firing


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_a_dashboard_has_what_grafana_needs(path: Path) -> None:
    dashboard = json.loads(path.read_text())
    assert dashboard["schemaVersion"] >= 39
    assert dashboard["uid"] == f"padit-{path.stem}"
    identities = [panel["id"] for panel in dashboard["panels"]]
    assert len(identities) == len(set(identities))
    cells: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        grid = panel["gridPos"]
        mine = {(grid["x"] + x, grid["y"] + y) for x in range(grid["w"]) for y in range(grid["h"])}
        assert not mine & cells  # panels do not cover each other
        assert max(x for x, _ in mine) < 24
        cells |= mine
    for title, expression in _queries(dashboard):
        assert set(_NAME.findall(expression)) <= _exported(), title
