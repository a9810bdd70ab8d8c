"""Results of every detector on fixed streams, and the command that records them.

    python -m tests.detectors.recorded

Run it after a change that is meant to change scores, and raise the detector's version with it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.transforms.detectors import create_detector, registry
from padit.transforms.windows import WindowOptions, close_windows
from tests.detectors.tables import MODEL

__all__ = ["FILE", "STREAMS", "recorded", "results"]

FILE = Path(__file__).with_name("recorded.json")
SECOND = 1_000_000
WINDOWS = WindowOptions(120 * SECOND, 60 * SECOND, 50)
START = 1_767_225_600 * SECOND
STEP = 20 * SECOND
LENGTH = 5_400  # samples of a series
EACH_CLOSE = 14 * WINDOWS.interval
PARAMETERS: Mapping[str, dict[str, Any]] = {
    "changepoint": {"warm_up": 60},
    "model": {"path": MODEL},
    "no_data": {"minimum_sec": 90, "factor": 3},
    "novelty": {"horizon": 1024},
    "rule": {
        "rules": [
            {
                "conditions": [
                    {"feature": "p99", "limit": 10, "adds": 0.4},
                    {"feature": "cusum", "limit": 4, "adds": 0.3},
                    {"feature": "trend", "limit": 0.5, "adds": 0.3},
                ]
            }
        ]
    },
}
Array = NDArray[np.float64]


def _seasons(chance: np.random.Generator, at: Array) -> dict[str, Array]:
    """Metrics with two seasons, a spike, a missing peak, a level of its own, a frozen sensor."""
    noise = chance.normal(size=(3, len(at)))
    day = np.sin(at * 2 * np.pi / 540)
    x = 20 + 8 * day + np.sin(at * 2 * np.pi / 45) + 0.4 * noise[0]
    x[3_000] += 30
    x[3_640:3_800] = x[3_640]
    x[4_300:4_500] = 20
    y = 3 * day + 0.3 * noise[1] - 5
    y[4_700:] += 6
    return {"x": x, "y": y, "z": np.where(np.arange(len(at)) % 90 < 30, 1.0, 4.0) + 0.05 * noise[2]}


def _walks(chance: np.random.Generator, at: Array) -> dict[str, Array]:
    """Metrics that wander together, counts, and a heavy tail."""
    walk = np.cumsum(chance.normal(size=len(at))) * 0.2
    x = walk + chance.normal(size=len(at))
    y = 2 * walk + chance.normal(size=len(at))
    y[2_500:2_560] -= 25  # against the other
    counts = chance.poisson(0.3, len(at)).astype(np.float64)
    counts[4_000:4_030] = 9
    return {"x": x, "y": y, "counts": counts, "tail": chance.standard_t(2.5, len(at))}


def _gaps(chance: np.random.Generator, at: Array) -> dict[str, Array]:
    """Metrics with habits of pausing, a long silence, a constant, and a step."""
    number = np.arange(len(at))
    x = chance.normal(size=len(at)) + 0.002 * at
    x[(number % 270) > 200] = np.nan
    x[3_300:3_700] = np.nan
    y = np.full(len(at), 7.5)
    y[3_900:3_930] = 8.5
    step = chance.normal(size=len(at))
    step[2_800:] += 5
    step[chance.random(len(at)) < 0.3] = np.nan
    return {"x": x, "y": y, "step": step}


def _shapes(chance: np.random.Generator, at: Array) -> dict[str, Array]:
    """Smooth cycles that never repeat: one that skips a part, one half as noisy, one whole."""
    noise = chance.normal(size=(3, len(at)))
    skipped = at + 9 * (at >= 4_300) + 15 * (at >= 5_000)
    return {
        "x": np.sin(skipped / 7) + 0.5 * np.sin(skipped / 4.326) + 0.02 * noise[0],
        "y": np.sin(skipped / 9) + 0.4 * np.sin(skipped / 3.7) + 0.01 * noise[1],
        "z": np.sin(at / 8) + 0.5 * np.sin(at / 5.2) + 0.03 * noise[2],
    }


STREAMS = {one.__name__.strip("_"): one for one in (_seasons, _walks, _gaps, _shapes)}


@cache
def _tables(stream: str) -> tuple[FeatureTable, ...]:
    chance = np.random.default_rng(20_261_128)
    values = STREAMS[stream](chance, np.arange(LENGTH, dtype=np.float64))
    series = tuple(Series("source", name) for name in values)
    matrix = np.stack(list(values.values()))
    code, place = np.nonzero(~np.isnan(matrix))
    rows = Rows(
        series, code.astype(np.int32), START + place * STEP, matrix[code, place], None
    ).select(np.argsort(place, kind="stable"))
    return tuple(_closed(rows))


def _closed(rows: Rows) -> Iterator[FeatureTable]:
    pieces, closed = [rows], -(2**62)
    for until in range(START + EACH_CLOSE, START + LENGTH * STEP + EACH_CLOSE, EACH_CLOSE):
        done = close_windows(pieces, closed, until // WINDOWS.interval, WINDOWS, until)
        pieces, closed = [done.kept], until // WINDOWS.interval
        yield done.table


def results(name: str, stream: str) -> dict[str, Any]:
    """By series sums of scores, plain and by place; and the evidence of some of them."""
    detector = create_detector(name, PARAMETERS.get(name, {}))
    state = detector.initial()
    windows: dict[str, list[float]] = {}
    samples: dict[str, list[float]] = {}
    evidence: list[Any] = []
    for number, table in enumerate(_tables(stream)):
        state, scores = detector.step(state, table)
        for row, code in enumerate(table.code.tolist()):
            metric = table.series[code].metric_name
            windows.setdefault(metric, []).append(float(scores.score[row]))
            if scores.sample is not None:
                part = scores.sample[table.offset[row] : table.offset[row + 1]]
                samples.setdefault(metric, []).extend(part.tolist())
            high = scores.score[row] >= 0.5 and len(evidence) < 8
            if high or (not math.isnan(scores.score[row]) and row % 89 == 88 and number % 9 == 4):
                evidence.append(detector.explain(table, scores, row))
        if scores.absent is not None:
            for absent, score in zip(scores.absent.code, scores.absent.score, strict=True):
                metric = f"absent {scores.absent.series[absent].metric_name}"
                windows.setdefault(metric, []).append(float(score))
    found = {
        "windows": {metric: _of_known(scores) for metric, scores in sorted(windows.items())},
        "samples": {metric: _of_known(scores) for metric, scores in sorted(samples.items())},
        "evidence": evidence,
    }
    text: dict[str, Any] = json.loads(json.dumps(found))
    return text


def _of_known(scores: list[float]) -> list[float]:
    return sums([(place, one) for place, one in enumerate(scores) if not math.isnan(one)])


def sums(known: Sequence[tuple[int, float]]) -> list[float]:
    """How many numbers there are, their sum, that of their squares, and that by place."""
    return [
        float(len(known)),
        math.fsum(one for _, one in known),
        math.fsum(one * one for _, one in known),
        math.fsum(one * (place % 1009) for place, one in known),
    ]


def recorded() -> dict[str, Any]:
    """By detector its version and the results by stream."""
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


def _record() -> None:
    found = {
        name: {
            "version": kind.version,
            "results": {stream: results(name, stream) for stream in STREAMS},
        }
        for name, kind in registry().items()
    }
    FILE.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    _record()
