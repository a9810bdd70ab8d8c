"""Results of the compiled detectors on brief scenes, and the command that records them.

    python -m tests.detectors.brief

A scene takes well under a second also where nothing is compiled. Beside the scores the columns of
the saved state are summed: what was learnt is told even if no score shows it yet. Run the command
after a change that is meant to change scores, and raise the detector's version with it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from padit.domain.attributes import AttributeColumn, Attributes
from padit.domain.config import Levels
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms.detectors import Scores, create_detector, registry
from padit.transforms.detectors.columns import Columns
from tests.detectors.recorded import sums

__all__ = ["FILE", "SCENES", "recorded", "results"]

FILE = Path(__file__).with_name("brief.json")
SECOND = 1_000_000
MINUTE = 60 * SECOND
START = 1_772_409_600 * SECOND
Array = NDArray[np.float64]
# By metric: its family and its values; NaN is no sample.
Scene = Mapping[str, tuple[str, Array]]
_PARAMETERS: Mapping[str, dict[str, Any]] = {
    "changepoint": {"warm_up": 60},
    "multivariate": {"learn": 64},
    "novelty": {"horizon": 512},
}


def _noise(number: int, size: int) -> Array:
    return np.random.default_rng(20_261_129 + number).normal(size=size)


def _jobs(number: int, size: int) -> Array:
    """Work of three minutes each, at levels of its own."""
    jobs = np.repeat(np.clip(40 + 9 * _noise(number, size // 3 + 1), 25, 55), 3)[:size]
    return jobs + 0.5 * _noise(number + 1, size)


def _lasting() -> Scene:
    """Work that lasts too long on either side, tools, two levels, a clock, a drift, one value.

    The first 26 hours are usual: nothing is judged before.
    """
    size, day = 2160, 1560
    at = np.arange(float(size))
    high, low = _jobs(1, size), _jobs(3, size)
    high[day + 420 : day + 470] = 56 + 0.3 * _noise(5, 50)
    high[day + 540 : day + 575] = 57
    low[day + 400 : day + 440] = 24 + 0.3 * _noise(6, 40)
    tops = (*[40] * 39, 40, 41, 39.5, 40, 62, 40, 90, 41, 40, 40, 40, 40, 40, 40)
    wear = np.concatenate([np.arange(0, top) for top in tops])[:size]
    pump = np.where(at % 22 < 9, 12.0, 3.0) + 0.3 * _noise(7, size)
    pump[day + 300 : day + 352] = 12 + 0.3 * _noise(8, 52)
    pump[day + 500 : day + 560] = 3 + 0.3 * _noise(9, 60)
    return {
        "high": ("custom", high), "low": ("custom", low), "error_rate": ("custom", high / 60),
        "wear": ("custom", wear), "fuel": ("custom", 300 - wear),
        "pump": ("custom", pump), "clock": ("custom", 60 * (at % 150)),
        "drift": ("custom", 0.02 * at + _noise(10, size)), "one": ("custom", np.full(size, 3.0)),
        "gaps": ("custom", np.where((at > 200) & (at < 260), np.nan, _noise(11, size))),
    }  # fmt: skip


def _relation() -> Scene:
    """Three that belong together, of which one leaves for a while; a switch; one alone."""
    size = 700
    flow = np.zeros(size)
    for i, one in enumerate(_noise(20, size)):
        flow[i] = 0.8 * flow[i - 1] + one
    power = 2 * flow + 5 + 0.2 * _noise(21, size)
    power[450:520] = power[449] + 0.4 * _noise(22, 70)
    heat = 0.5 * flow + 0.05 * _noise(23, size)
    heat[600:] += 3
    heat[200:210] = np.nan
    return {
        "flow": ("custom", flow), "power": ("custom", power), "heat": ("custom", heat),
        "switch": ("custom", np.repeat(np.arange(35) % 2, 20).astype(float)),
        "alone": ("custom", 50 + _noise(24, size)), "one": ("custom", np.full(size, 1.0)),
    }  # fmt: skip


def _levels() -> Scene:
    """Steps, spikes, an outage, a stuck sensor, noise that grows; six samples a minute."""
    size = 1500
    step, spikes, noise = 20 + _noise(30, size), 5 + 0.2 * _noise(31, size), _noise(32, size)
    step[1000:] += 9
    spikes[[700, 900, 901, 1200]] += [8, 9, 9, 60]
    noise[1100:1300] *= 6
    stuck = 10 + _noise(33, size)
    stuck[1000:1250] = stuck[999]
    rate = 100 + 4 * _noise(34, size)
    rate[1150:1240] = 0
    return {
        "step": ("custom", step), "spikes": ("latency", spikes), "noise": ("custom", noise),
        "stuck": ("gauge", stuck), "rate": ("throughput", rate),
    }  # fmt: skip


def _families() -> Scene:
    """Counters, an availability, an error rate, whole numbers, a season, gaps."""
    size, at = 1500, np.arange(1500.0)
    counter = np.cumsum(10 + np.random.default_rng(40).poisson(5, size).astype(float))
    counter[700:] -= counter[700]
    counter[1100:1200] = counter[1100]
    available = np.full(size, 100.0)
    available[[300, 800]] = 99.5
    available[1300:1330] = 40
    errors = np.random.default_rng(41).poisson(0.3, size).astype(float)
    errors[1200:1260] += 7
    season = 20 + 8 * np.sin(at * np.pi / 60) + 0.4 * _noise(42, size)
    season[1210:1260] = 20
    gaps = np.where(at % 90 < 20, np.nan, np.round(_noise(43, size) + 3))
    return {
        "requests_total": ("counter", counter), "availability": ("availability", available),
        "error_rate": ("error_rate", errors), "season": ("custom", season),
        "gaps": ("custom", gaps),
    }  # fmt: skip


_EACH = {"minutes": (_lasting, 1), "pairs": (_relation, 1), "levels": (_levels, 6),
         "families": (_families, 6)}  # fmt: skip
SCENES: Sequence[tuple[str, str]] = [
    ("lasting", "minutes"), ("lasting", "levels"), ("relation", "pairs"),
    *((name, scene) for name in ("changepoint", "multivariate", "novelty", "residual")
      for scene in ("levels", "families", "pairs")),
    *(("usual", f"levels {one}") for one in ("step", "spikes", "noise", "stuck", "rate")),
    *(("usual", f"families {one}")
      for one in ("requests_total", "availability", "error_rate", "season", "gaps")),
]  # fmt: skip
"""Detector and scene, which may name the one metric of it that is judged."""


def _tables(scene: Scene, each: int, pieces: int = 4) -> list[FeatureTable]:
    """Windows of a minute, in the order of time, in some tables."""
    names = sorted(scene)
    series = tuple(Series("a", name, "") for name in names)
    kinds = tuple(dict.fromkeys(Attributes(scene[name][0]) for name in names))
    code = np.array([kinds.index(Attributes(scene[name][0])) for name in names], np.int32)
    size = len(scene[names[0]][1])
    known = AttributeColumn(kinds, code, True)
    edges = np.linspace(0, size // each, pieces + 1).astype(int)
    found = []
    for first, last in pairwise(edges.tolist()):
        ends, codes, offset, time, value = [], [], [0], [], []
        for window in range(first, last):
            for number, name in enumerate(names):
                part = scene[name][1][window * each : (window + 1) * each]
                there = np.flatnonzero(~np.isnan(part))
                if not len(there):
                    continue
                ends.append(START + (window + 1) * MINUTE)
                codes.append(number)
                offset.append(offset[-1] + len(there))
                time += [START + window * MINUTE + int(i) * (MINUTE // each) for i in there]
                value += part[there].tolist()
        found.append(
            FeatureTable(
                series, np.array(ends, np.int64), np.array(codes, np.int32), {},
                np.array(offset, np.int64), np.array(time, np.int64), np.array(value),
                START + last * MINUTE, attributes=known,
            )
        )  # fmt: skip
    return found


def results(name: str, scene: str) -> dict[str, Any]:
    """By metric sums of its scores, by column those of the state, and some of the evidence."""
    of, _, only = scene.partition(" ")
    make, each = _EACH[of]
    values = {metric: one for metric, one in make().items() if only in ("", metric)}
    detector: Any = create_detector(name, _PARAMETERS.get(name, {}))
    if hasattr(detector, "at"):
        detector = detector.at(Levels(accept_after=60 * MINUTE))
    state = detector.initial()
    windows: dict[str, list[float]] = {}
    samples: dict[str, list[float]] = {}
    evidence: dict[str, list[Any]] = {}
    facts: dict[str, list[float]] = {}
    for table in _tables(values, each):
        state, scores = detector.step(state, table)
        state = detector.load(detector.dump(state))
        for row, code in enumerate(table.code.tolist()):
            metric = table.series[code].metric_name
            level = math.nan if scores.level is None else float(scores.level[row])
            windows.setdefault(metric, []).extend((float(scores.score[row]), level))
            if scores.sample is not None:
                part = scores.sample[table.offset[row] : table.offset[row + 1]]
                samples.setdefault(metric, []).extend(part.tolist())
            told = evidence.setdefault(metric, [])
            if scores.score[row] >= 0.5 and len(told) < 3:
                told.append(detector.explain(table, scores, row))
        for fact, column in _facts(scores):
            facts.setdefault(fact, []).extend(column)
    found = {
        "windows": {metric: _sums(scores) for metric, scores in sorted(windows.items())},
        "samples": {metric: _sums(scores) for metric, scores in sorted(samples.items())},
        "facts": {fact: _sums(column) for fact, column in sorted(facts.items())},
        "state": _columns(state),
        "evidence": evidence,
    }
    text: dict[str, Any] = json.loads(json.dumps(found))
    return text


def _facts(scores: Scores) -> Iterator[tuple[str, list[float]]]:
    """What is known of each window beside its score."""
    columns: dict[str, Any] = {
        name: getattr(scores, name)
        for name in ("ongoing", "held", "missing", "accepted", "expected_low", "expected_high",
                     "shift")
    }  # fmt: skip
    columns |= scores.detail or {}
    columns |= {f"baseline {name}": column for name, column in (scores.baseline or {}).items()}
    for name, column in columns.items():
        if column is not None and np.asarray(column).dtype.kind in "bif":
            yield name, np.asarray(column, np.float64).ravel().tolist()


def _columns(state: Any) -> dict[str, list[float]]:
    """Sums of each column of the state, a row after the other; numbers of like size together."""
    if not isinstance(state, Columns):
        return {}
    rows = [state.row[one] for one in sorted(state.row)]
    found = {}
    for name, column in sorted(state.data.items()):
        numbers = column[rows].astype(np.float64).ravel()
        size = np.searchsorted([1e2, 1e5, 1e9], np.abs(numbers), "right")
        for band in range(4):
            part = _sums(np.where(size == band, numbers, 0.0).tolist())
            if any(part[1:]):
                found[f"{name} {band}"] = part
    return found


def _sums(numbers: Sequence[float]) -> list[float]:
    """Of those that are finite."""
    return sums([(place, one) for place, one in enumerate(numbers) if math.isfinite(one)])


def recorded() -> dict[str, Any]:
    """By detector and scene the version of the detector and the results."""
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


def _record() -> None:
    found = {
        f"{name}/{scene}": {
            "version": registry()[name].version,
            "results": results(name, scene),
        }
        for name, scene in SCENES
    }
    FILE.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    _record()
