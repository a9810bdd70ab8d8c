"""What a run leaves behind, made by the pure machines alone: no Beam."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from padit.adapters.factory import Factory
from padit.adapters.factory_faults import schedule_faults
from padit.domain.config import Levels, load_config
from padit.domain.rows import Rows
from padit.domain.timestamps import MICROS, format_utc, parse_timestamp
from padit.transforms.alerts import Alerts
from padit.transforms.detect import Detection, DetectionResult
from padit.transforms.windows import WindowOptions, close_windows

START = parse_timestamp("2026-01-05T06:00:00Z")
CONFIG = "pipelines/demo/factory.yaml"
WINDOWS = WindowOptions(120 * MICROS, 30 * MICROS, 1000)


@dataclass(frozen=True)
class Recording:
    """Files of one run, and the rows behind them."""

    rows: Rows
    alerts: str
    features: str
    labels: str


def record(
    folder: Path, faults: tuple[str, ...], *, machines: int = 8, seconds: int = 7200, seed: int = 7
) -> Recording:
    """Simulate, detect and write the files as the job writes them."""
    factory = Factory(machines, seed, 1.0, schedule_faults(faults, machines, seconds, seed))
    rows = factory.rows(0, seconds, START)
    verdict, events = _detect(rows, START + seconds * MICROS)
    paths = [str(folder / name) for name in ("alerts.jsonl", "features.jsonl", "labels.json")]
    Path(paths[0]).write_bytes(b"".join(event + b"\n" for event in events))
    Path(paths[1]).write_bytes(
        b"".join(msgspec.json.encode(line) + b"\n" for line in _features(verdict))
    )
    labels = [label.to_json() for label in factory.labels(START)]
    Path(paths[2]).write_text(json.dumps({"faults": labels}), encoding="utf-8")
    return Recording(rows, *paths)


def _detect(rows: Rows, end: int) -> tuple[DetectionResult, list[bytes]]:
    config = load_config(CONFIG)
    detection = Detection(config.detectors, levels=Levels.of(config.alerts))
    alerts = Alerts(detection, 120 * MICROS, WINDOWS)
    first, last = START // WINDOWS.interval - 10, (end + WINDOWS.size) // WINDOWS.interval
    table = close_windows([rows], first, last, WINDOWS).table
    _, verdict = detection.step(detection.initial(), table)
    _, transitions = alerts.step(alerts.initial(), verdict)
    return verdict, [transition.to_cloud_event() for transition in transitions]


def _features(verdict: DetectionResult) -> list[dict[str, Any]]:
    table = verdict.table
    scores = np.where(np.isfinite(verdict.composite), verdict.composite, 0.0).tolist()
    return [
        {
            "source_id": table.series[code].source_id,
            "metric_name": table.series[code].metric_name,
            "unit": table.series[code].unit,
            "window_end": format_utc(end),
            **{name: float(column[row]) for name, column in table.features.items()},
            "score": scores[row],
        }
        for row, (code, end) in enumerate(
            zip(table.code.tolist(), table.window_end.tolist(), strict=True)
        )
    ]
