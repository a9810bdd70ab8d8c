"""Every store is written from the same topics at once and holds the same."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from padit.domain.timestamps import format_utc
from tests.s3 import S3Server
from tests.stores.databases import alert_events
from tests.stores.day import START, Stores, compare, fill, to_topics, wanted


def _results(folder: Path) -> dict[str, Path]:
    """Some windows of ten series, and what the job might say of them."""
    windows = [
        {"source_id": f"m{n % 10:02d}", "metric_name": "torque_nm", "unit": "u", "mean": n / 8,
         "window_end": format_utc((START + 60 + n // 10 * 60) * 10**6), "count": 60}
        for n in range(50)
    ]  # fmt: skip
    strange = [
        {"source_id": one["source_id"], "metric_name": "torque_nm", "composite": 0.75,
         "event_time": one["window_end"], "is_anomaly": True, "detector": {"name": "usual"}}
        for one in windows[::5]
    ]  # fmt: skip
    files = {"features": windows, "anomalies": strange}
    for name, rows in files.items():
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (folder / "alerts.jsonl").write_bytes(b"".join(one + b"\n" for one in alert_events(7)))
    return {name: folder / f"{name}.jsonl" for name in (*files, "alerts")}


def test_all_stores_hold_the_same_counts_and_sums(kafka: Any, s3: S3Server, tmp_path: Path) -> None:
    seconds, series = 300, 40
    files = _results(tmp_path)
    topics = {name: kafka.topic(name, 4) for name in ("metrics", *files)}
    fill(kafka.bootstrap, topics["metrics"], seconds, series, 4)
    to_topics(kafka.bootstrap, files, topics)
    s3.bucket("day")
    archive = s3.uri(f"day/{topics['metrics']}")
    said: list[str] = []
    with ExitStack() as stack:
        made = Stores(stack, tmp_path)
        made.write(kafka.bootstrap, topics, archive)
        wrong = compare(made, seconds, archive, wanted(seconds, series, files), said.append)
    assert not wrong, "\n".join(said)
    assert len(said) == 15
