"""What a detector sees and what it does not: two sources for each detector, a sample a minute.

Each has a fault in the minutes 900 to 960 (`FAULT`) of its last 1,200 (`SIZE`). The detector alone
has an alert open in it for the one, and never for the other.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.corpus import Array
from padit.analysis.training import Training, save
from padit.analysis.training.train import model_of
from padit.domain.config import DetectorSetting, JobConfig, Levels
from padit.domain.features import FeatureTable, Passed
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.transforms.detect import Detection
from padit.transforms.features import compute_features

__all__ = [
    "FAULT",
    "SIZE",
    "Case",
    "Metrics",
    "cases",
    "open_minutes",
    "trained",
    "work",
    "work_before",
]

START = 1_772_409_600_000_000
MINUTE = 60_000_000
SIZE = 1200
FAULT = slice(900, 960)
Metrics = Mapping[str, Array]
"""Metrics of a source by name, the first one is drawn; NaN: no sample."""


class Case(NamedTuple):
    """What a picture shows.

    Attributes:
        sees: caption of what the detector reports.
        seen: the metrics of it.
        misses: caption of what it does not report.
        missed: the metrics of that.
        parameters: of the detector, where the defaults do not do.
    """

    sees: str
    seen: Metrics
    misses: str
    missed: Metrics
    parameters: Mapping[str, Any] = {}


def work(levels: Array, noise: Array) -> Array:
    """Work in stretches of two minutes, each at a level of its own."""
    return np.asarray(40 + 9 * np.repeat(levels, 2).clip(-1.7, 1.7) + noise)


def work_before() -> Array:
    """The 40 hours of work before what is drawn: what lasts is judged once a day was seen."""
    chance = np.random.default_rng(32)
    return work(chance.normal(size=SIZE), chance.normal(size=2 * SIZE))


def cases() -> dict[str, Case]:
    """By detector."""
    noise = np.random.default_rng(26).normal(size=(8, SIZE))
    flow = np.convolve(noise[5], 0.9 ** np.arange(40), "same")
    power = 2 * flow + 0.1 * noise[0]
    wave = 10 * np.sin(np.arange(SIZE) * 2 * np.pi / 120) + 0.5 * noise[1]
    shift, spike = 20 + noise[2], 20 + noise[2]
    shift[FAULT] += 12
    spike[930] += 30
    stays = np.where(np.arange(SIZE) >= FAULT.start, 26, 20) + noise[3]
    broken = {"a_power": _replaced(power, 2 * np.roll(flow, 300)), "flow": flow}
    together = {"a_power": power + 14 * _in_fault(), "flow": flow + 7 * _in_fault()}
    lasting = np.r_[work_before(), _replaced(work(noise[6, ::2], noise[1]), 56 + noise[4])]
    silent = _replaced(20 + noise[2], np.full(SIZE, np.nan))
    stuck = _replaced(20 + noise[2], np.full(SIZE, 20.3))
    switch = (np.arange(SIZE) // 37 % 2).astype(np.float64)
    flag = {"a_fan_on": _replaced(switch, np.ones(SIZE)), "load": flow, "power": power}
    humps = _replaced(wave, 0.5 * noise[1])
    drift = 20 + noise[3] + 3 * np.clip((np.arange(SIZE) - FAULT.start) / 60, 0, 1)
    speed, torque = 1500 + 100 * noise[4].clip(-2, 2), 40 + 5 * noise[7].clip(-2, 2)
    fast = {
        "a_torque": _replaced(torque, 51 + noise[1]),
        "speed": _replaced(speed, 1720 + noise[0]),
    }
    late = np.arange(-4 * SIZE, SIZE)
    turns = np.random.default_rng(31).normal(size=(2, 5 * SIZE))
    skips, rough = _cycles(late + 9 * (late >= 930)), _cycles(late + 9 * (late >= 930))
    swapped = {"a_torque": _replaced(torque, np.full(SIZE, 41.0)), "speed": speed}
    return {
        "usual": Case(
            "a level outside its range", {"m": shift},
            "power that no longer follows the flow, in its range", broken,
        ),
        "relation": Case(
            "power that no longer follows the flow, in its range", broken,
            "power and flow that rise together", together,
        ),
        "lasting": Case(
            "usual work, for longer than ever", {"m": lasting},
            "one value far outside", {"m": spike},
        ),
        "discord": Case(
            "cycles of which a part is missing", {"m": skips + 0.02 * turns[0]},
            "the same, under noise larger than its steps", {"m": rough + 0.6 * turns[1]},
        ),
        "no_data": Case(
            "an hour without samples", {"m": silent, "other": 5 + noise[0]},
            "a sensor that is stuck", {"m": stuck, "other": 5 + noise[0]},
        ),
        "novelty": Case(
            "a value never seen", {"m": spike},
            "usual work, for longer than ever", {"m": lasting},
        ),
        "multivariate": Case(
            "power that no longer follows the flow, in its range", broken,
            "a switch that stays on", flag,
        ),
        "changepoint": Case(
            "a level that moved and stayed", {"m": stays},
            "one value far outside", {"m": spike},
        ),
        "residual": Case(
            "a hump that is missing from its season", {"m": humps},
            "a slow drift", {"m": drift},
        ),
        "rule": Case(
            "a value above the limit of 30", {"m": shift},
            "a level below its range, if no rule has a limit there", {"m": 40 - shift},
            {"rules": [{"conditions": [{"feature": "p99", "limit": 30, "adds": 0.7}]}]},
        ),
        "model": Case(
            "torque and speed both high, as never recorded", fast,
            "a value that stands still in its range", swapped,
        ),
    }  # fmt: skip


def _cycles(at: NDArray[np.int64]) -> Array:
    """Two sines whose periods never meet."""
    found: Array = np.sin(at / 7) + 0.5 * np.sin(at / 4.326)
    return found


def trained(folder: str) -> str:
    """Train a model on torque and speed as they are outside the fault; returns its path."""
    noise = np.random.default_rng(5).normal(size=(2, 20_000)).clip(-2, 2)
    values = np.array([40 + 5 * noise[0], 1500 + 100 * noise[1]])
    size = noise.shape[1]
    rows = Rows(
        [Series("source", "a_torque"), Series("source", "speed")],
        np.tile(np.arange(2, dtype=np.int32), size),
        np.repeat(START - (size - np.arange(size)) * MINUTE, 2),
        values.T.ravel(),
    )
    found = model_of([rows], Training(input="torque and speed", interval=3600 * 1_000_000))
    return str(save(found.model, f"{folder}/model.json"))


def open_minutes(
    metrics: Metrics, detectors: tuple[DetectorSetting, ...] | None = None
) -> NDArray[np.bool_]:
    """Bool (SIZE,): whether an alert of the first metric is open in each of the last minutes.

    Args:
        metrics: of the source.
        detectors: that look at it; None: those of the default.
    """
    config = JobConfig() if detectors is None else JobConfig(detectors=detectors)
    levels = Levels.of(config.alerts)
    detection = Detection(config.detectors, levels=levels)
    size = len(next(iter(metrics.values())))
    table = _table(metrics)
    _, detected = detection.step(detection.initial(), table)
    of_first = detected.table.code == 0
    minute = (detected.table.window_end[of_first] - START) // MINUTE - 1
    score, level = np.full(size, np.nan), np.full(size, np.nan)
    score[minute] = detected.composite[of_first]
    level[minute] = detected.states.level[of_first]
    shown, now = np.zeros(size, bool), False
    for i in range(size):
        now = bool(score[i] >= levels.open_at or (now and level[i] >= levels.close_at))
        shown[i] = now
    return shown[-SIZE:]


def _table(metrics: Metrics) -> FeatureTable:
    """One sample a minute and window; without a sample there is no window."""
    names = sorted(metrics)
    value = np.array([metrics[name] for name in names]).T.ravel()
    there = np.flatnonzero(~np.isnan(value))
    size = len(metrics[names[0]])
    end = np.repeat(START + (np.arange(size) + 1) * MINUTE, len(names))[there]
    code = np.tile(np.arange(len(names), dtype=np.int32), size)[there]
    n = len(there)
    return FeatureTable(
        tuple(Series("source", name) for name in names), end, code,
        compute_features(value[there], np.arange(n), np.ones(n, np.int64)),
        np.arange(n + 1), end - 1, value[there], START + size * MINUTE,
        passed=Passed(START, START + size * MINUTE, MINUTE, MINUTE),
    )  # fmt: skip


def _in_fault() -> Array:
    found = np.zeros(SIZE)
    found[FAULT] = 1.0
    return found


def _replaced(value: Array, other: Array) -> Array:
    found = value.copy()
    found[FAULT] = other[FAULT]
    return found
