"""A live job on Flink goes on from its savepoint, and with other options it is refused at once."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

from padit.devcluster.flink import FlinkCluster
from tests.integration.helpers import alerts_of, live, padit, produce, residue, seed_case, wait_for
from tests.limits import allowed
from tests.parts import KafkaPart

START = 1_767_600_000


def _stop_with_savepoint(cluster: FlinkCluster, job: str) -> str:
    request = urllib.request.Request(  # noqa: S310 - http only
        f"{cluster.rest_url}/jobs/{job}/stop",
        json.dumps({"drain": False}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=allowed(10)) as answer:  # noqa: S310
        number = json.load(answer)["request-id"]
    found: dict[str, Any] = {}

    def done() -> bool:
        found.update(cluster.rest(f"/jobs/{job}/savepoints/{number}"))
        return bool(found["status"]["id"] == "COMPLETED")

    wait_for(done, 180, lambda: str(found))
    return str(found["operation"]["location"])


def test_another_shape_is_refused_at_once_and_the_same_goes_on(
    kafka: KafkaPart, flink: FlinkCluster, tmp_path: Path
) -> None:
    topic, alerts = kafka.topic("shape"), tmp_path / "alerts.jsonl"
    known = {job["id"] for job in flink.rest("/jobs")["jobs"]}
    place = ["--input", kafka.uri(topic), "--output", alerts, "--start_offset=earliest"]
    options = ["--idle_timeout_sec=3600", "--checkpointing_interval=1000", *flink.options()]
    produce(kafka.bootstrap, topic, seed_case(START, "before"))
    with live(tmp_path, "run", *place, *options) as job:
        job.until(lambda: alerts_of(alerts), 300)
        name = next(one["id"] for one in flink.rest("/jobs")["jobs"] if one["id"] not in known)
        savepoint = f"--savepoint_path={_stop_with_savepoint(flink, name)}"
        job.end(None)
    refused = padit(
        "run", *place, *options, savepoint, "--extract_interval_sec=30", code=1, timeout=300
    )
    last = refused.err.strip().splitlines()[-1]
    assert "(--extract_interval_sec was 60.0 and is 30.0): go on with the options of then" in last
    produce(kafka.bootstrap, topic, seed_case(START + 3600, "after"))
    with live(tmp_path, "run", *place, *options, savepoint) as job:
        job.until(lambda: {"/padit/after"} <= {one["source"] for one in alerts_of(alerts)}, 300)
        summary = job.stop().summary
    assert (summary["read"], summary["scored"] + summary["waiting"]) == (30, 30)
    assert residue(summary) == 0
