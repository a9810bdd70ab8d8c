"""The shipped configuration through the whole machine: what must alert, and what must not."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from padit.domain.config import DetectorSetting, JobConfig
from padit.domain.metric import Series
from padit.transforms.detect import Detection
from padit.transforms.detectors.calibration import measured_confidence
from padit.transforms.windows import WindowOptions
from tests.detectors.tables import table_of
from tests.laws.machine import SECOND, Sample, run

Array = NDArray[np.float64]

WINDOWS = WindowOptions(300 * SECOND, 60 * SECOND, 1000)
START = 1_767_225_600
HOURS = 10_800  # three hours at one sample a second


def _noise(seed: int, size: int = HOURS) -> Array:
    return np.random.default_rng(seed).normal(size=size)


def _opened(
    values: Mapping[str, Array], step: float = 1.0, times: Array | None = None
) -> list[dict[str, Any]]:
    """Alerts that open; each metric of one source has a sample every `step` seconds."""
    log = []
    for name, column in values.items():
        when = START + (np.arange(len(column)) * step if times is None else times)
        log += [
            Sample(int(t * SECOND), Series("machine-1", name, ""), float(v))
            for t, v in zip(when, column, strict=True)
        ]
    log.sort(key=lambda one: one.time)
    found = run([log], Detection(JobConfig().detectors), windows=WINDOWS)
    events = [msgspec.json.decode(event) for group in found.alerts for event in group]
    assert all(0 <= one["data"]["score"] <= 1 for one in events)
    return [one["data"] for one in events if one["type"].endswith("opened")]


@pytest.mark.parametrize("step", [1.0, 10.0])
def test_the_seed_case_opens_one_critical_alert(step: float) -> None:
    low = [5.0, 5.3, 5.1, 5.9, 5.4, 5.6, 5.2, 5.8, 5.5, 5.7]
    [alert] = _opened({"rtt_ms": np.array([*low, 50, 65, 72, 81, 90])}, step)
    assert alert["severity"] == "CRITICAL"
    assert alert["summary"].startswith("rtt_ms of machine-1: rtt_ms 50, highest in ")


ORDINARY = {
    "rpm around 1500": 1500 + 30 * _noise(1),
    "temperature in kelvin": 300 + 0.01 * _noise(2).cumsum(),
    "tiny": 1e-9 * _noise(3),
    "huge": 1e12 + 1e9 * _noise(4),
    "negative": -40 + _noise(5),
    "autocorrelated": np.convolve(_noise(6), 0.9 ** np.arange(60), "same"),
    "daily swing": 20 * np.sin(np.arange(HOURS) / 600) + _noise(7),
    "counts": np.random.default_rng(8).poisson(6, HOURS).astype(float),
}


@pytest.mark.parametrize("kind", ORDINARY)
def test_an_ordinary_series_hardly_ever_raises_an_alert(kind: str) -> None:
    assert len(_opened({"m": ORDINARY[kind]})) <= 2  # 0.7 is about one in 10,000 samples


@pytest.mark.parametrize(("centre", "scale"), [(0, 1), (1500, 30), (1e12, 1e9), (300, 1e-3)])
def test_the_first_quarter_of_an_hour_of_ordinary_series_is_quiet(
    centre: float, scale: float
) -> None:
    noise = np.random.default_rng(20).normal(size=(40, 900))
    alerts = [_opened({"m": centre + scale * one}) for one in noise]
    assert sum(map(len, alerts)) <= 6  # 40 x 900 samples: three or four are to be expected


def test_ordinary_metrics_of_one_source_raise_hardly_any() -> None:
    names = ("rpm around 1500", "negative", "counts")
    assert len(_opened({name: ORDINARY[name] for name in names})) <= 4


QUIET = {
    "constant": (np.full(3000, 5.0), 0),
    "one sample": (np.array([3.0]), 0),
    "two constants": (np.repeat([5.0, 7.0], 1500), 1),
    "a counter that resets": (np.arange(6000.0) % 700 * 1e4, 2),
    "on and off": (np.repeat([0.0, 1.0] * 30, 100), 1),
    "integer steps": (np.repeat(np.random.default_rng(1).integers(0, 9, 60), 100).astype(float), 2),
    "an absurd value": (np.r_[_noise(9, 2000), [1e300, -1e300], _noise(10, 2000)], 1),
    "a step": (np.r_[_noise(11, 2000), 12 + _noise(12, 4000)], 1),
    "a ramp": (np.arange(6000.0), 1),
}


@pytest.mark.parametrize("kind", QUIET)
def test_awkward_input_neither_fails_nor_floods(kind: str) -> None:
    value, most = QUIET[kind]
    assert len(_opened({"m": value})) <= most


def test_a_step_change_is_one_episode() -> None:
    [alert] = _opened({"m": np.r_[_noise(13, 3000), 10 + _noise(14, 6000)]})
    assert alert["detector"]["name"] == "usual"


def test_gaps_of_days_and_a_clock_that_jumps_are_no_anomaly() -> None:
    value = _noise(15, 3000)
    times = np.arange(3000) + np.repeat([0, 3 * 86_400, 10 * 86_400], 1000)
    names = {one["detector"]["name"] for one in _opened({"m": value}, times=times)}
    assert names <= {"no_data"}


@pytest.mark.parametrize("absurd", [1e6, 1e300])
def test_one_absurd_value_does_not_hide_what_comes_after(absurd: float) -> None:
    value = _noise(16, 8000)
    value[2000], value[6000:6030] = absurd, 9.0
    assert [one["summary"].split(",")[0] for one in _opened({"m": value})] == [
        f"m of machine-1: m {absurd:.4g}",
        "m of machine-1: m 9",
    ]


def test_confidence_follows_the_score() -> None:
    value = _noise(17, 3000)
    value[2500] = 9e3
    detection = Detection(JobConfig().detectors)
    table = table_of({Series("s", "m"): value})
    _, detected = detection.step(detection.initial(), table)
    score = detection.describe(detected, 0)
    assert score.is_anomaly
    assert 0.85 < score.confidence == measured_confidence(score.composite, True) < 1


def test_another_detector_is_one_line_of_configuration() -> None:
    settings = (*JobConfig().detectors, DetectorSetting(name="changepoint"))
    value = np.r_[_noise(18, 400), 3 + _noise(19, 200)]
    table = table_of({Series("s", "m"): value})
    detection = Detection(settings)
    _, detected = detection.step(detection.initial(), table)
    assert detected.composite[0] == np.nanmax(detected.matrix[:, 0])
    assert set(detection.describe(detected, 0).scores) >= {"usual", "changepoint"}
    highest = np.fmax.reduce([one.sample for one in detected.scores if one.sample is not None])
    assert np.array_equal(detection.samples(detected), highest, equal_nan=True)
