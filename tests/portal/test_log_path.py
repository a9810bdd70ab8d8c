"""From a posted log record to a person: ingest, metrics, the job, incident, text, message."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from padit.cli.main import main
from padit.portal.context import Portal, local_parts, parse_config
from padit.portal.log_lines import LogLines
from padit.portal.places import places_in
from padit.portal.texts.desk import Desk
from padit.portal.texts.files import FileTopics
from padit.portal.texts.model import Endpoint
from tests.adapters.live import Live
from tests.alerting.receiving import Receiving, receiving
from tests.portal.making import Served, serving, wait_for
from tests.portal.model_server import ModelServer, model_server

RULES = """
detectors:
  - name: rule
    parameters:
      rules:
        - metric: log_error_ratio
          conditions: [{feature: max, limit: 0.3, adds: 0.9}]
"""


@pytest.fixture
def receiver() -> Iterator[Receiving]:
    with receiving() as one:
        yield one


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with model_server() as one:
        one.write = lambda facts: " ".join(
            f"{one['summary']} [{one['id']}]. The disk is full [{one['id']}]." for one in facts
        )
        yield one


@pytest.fixture
def portal(tmp_path: Path, receiver: Receiving, model: ModelServer) -> Iterator[Served]:
    config = (
        f"receivers: {{ops: {{kind: webhook, url: '{receiver.url}'}}}}\n"
        "routes: [{name: ops, receiver: ops, settle: 0s}]\n"
    )
    (tmp_path / "alerts.jsonl").touch()
    places, state = places_in(tmp_path, None, None, None), tmp_path / ".portal"
    parts = local_parts(places, state, parse_config(config, "the test"), deliver=True)
    parts = parts._replace(logs=LogLines(parts.logs, tmp_path / "posted.jsonl"))
    desk = Desk(Endpoint(model.url, "m"), FileTopics(state / "texts"))
    with serving(Portal(parts, state, config, deliver=True, texts=desk)) as one:
        yield one


def _batch(step: int, bad: bool) -> list[dict[str, Any]]:
    """Records of two services; of the shop, half fail when it is bad."""
    return [
        {"source": ("shop", "pay")[n % 2], "message": f"order {step * 100 + n} took {n} ms",
         "level": "error" if n % 2 == 0 and (n % 4 == 0 if bad else n == 0) else "info"}
        for n in range(100)
    ]  # fmt: skip


def test_a_burst_of_errors_in_posted_logs_is_an_incident_with_its_text_and_a_message(
    portal: Served, tmp_path: Path, receiver: Receiving
) -> None:
    client, samples = portal.client("ingest"), tmp_path / "samples.jsonl"
    source = {"type": "logs", "listen": False, "store_dir": "", "join_sec": 0, "learn_sec": 0,
              "files": [{"path": str(tmp_path / "posted.jsonl"), "from_start": True}]}  # fmt: skip
    with Live(source) as live:
        for step in range(40):
            answer = client.post("/api/v1/logs", json=_batch(step, bad=step >= 30))
            assert answer.json()["count"] == 100
            live.poll()
            time.sleep(0.05)
        live.poll()
        metrics = live.emitter.metrics
    ratios = [one.value for one in metrics if (one.metric_name, one.source_id) ==
              ("log_error_ratio", "shop")]  # fmt: skip
    assert ratios[0] < 0.1 < 0.4 < max(ratios)
    samples.write_text("".join(
        json.dumps({"timestamp": one.timestamp, "source_id": one.source_id, "unit": one.unit,
                    "metric_name": one.metric_name, "value": one.value}) + "\n"
        for one in metrics
    ))  # fmt: skip
    (tmp_path / "rules.yaml").write_text(RULES)
    done = main([
        "run", f"--input={samples}", f"--output={tmp_path / 'found.jsonl'}",
        f"--config={tmp_path / 'rules.yaml'}", "--window_size_sec=1", "--extract_interval_sec=1",
    ])  # fmt: skip
    assert done == 0
    with (tmp_path / "alerts.jsonl").open("ab") as file:
        file.write((tmp_path / "found.jsonl").read_bytes())

    viewer = portal.client("viewer")
    wait_for(lambda: viewer.get("/api/incidents").json()["items"], 30)
    incident = viewer.get("/api/incidents").json()["items"][0]
    assert incident["sources"] == ["shop"]
    assert {one["metric_name"] for one in incident["members"]} == {"log_error_ratio"}
    whole = viewer.get(f"/api/incidents/{incident['id']}").json()
    assert "log_error_ratio" in whole["story"]["first"][0]["text"]
    path = f"/api/incidents/{incident['id']}/text"
    wait_for(lambda: viewer.get(path).json()["state"] == "written")
    text = viewer.get(path).json()
    assert len(text["sentences"]) == len(text["struck"]) == len(whole["alerts"])
    assert "log_error_ratio" in text["sentences"][0]["text"]
    wait_for(lambda: receiver.requests, 30)
    assert "log_error_ratio of shop" in json.dumps(receiver.events[0])
    wait_for(lambda: viewer.get(f"/api/incidents/{incident['id']}").json()["messages"][0]["state"]
             == "delivered")  # fmt: skip
    found = viewer.get("/api/v1/logs", params={"q": "order 3000", "source": "shop"}).json()
    assert found["items"][0]["message"] == "order 3000 took 0 ms"
    assert viewer.get("/api/v1/logs/statistics").json()["count"] == 4000


def test_records_that_cannot_be_passed_on_are_not_kept_either(
    portal: Served, tmp_path: Path
) -> None:
    (tmp_path / "posted.jsonl").mkdir()
    answer = portal.client("ingest").post("/api/v1/logs", json={"message": "x"})
    assert answer.status_code == 503
    assert "--log_lines" in answer.json()["detail"]
    assert portal.client("viewer").get("/api/v1/logs").json()["items"] == []
