"""Case 18 and second inputs of its kinds, through `padit run` with nothing configured.

A flat line that moves, the same outage twice, a sensor that stands still. What is not told is in
docs/detectors/usual.md: a single spike.
"""

import json
from collections import defaultdict
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from padit.cli.main import main
from padit.domain.timestamps import parse_timestamp

T0 = 1_767_571_200
MINUTES = 720
Values = NDArray[np.float64]
_minute = np.arange(MINUTES)


def _noise(seed: int) -> Values:
    return np.random.default_rng(seed).normal(size=MINUTES)


def _flat(level: float, to: float, first: int, minutes: int) -> Values:
    values = np.full(MINUTES, level)
    values[first : first + minutes] = to
    return values


def _outages(values: Values, down: float, *spans: tuple[int, int]) -> Values:
    for first, end in spans:
        values[first:end] = down
    return values


def _stuck(values: Values, first: int) -> Values:
    values[first:] = values[first]
    return values


TWICE = ((300, 360), (480, 540))
SERIES: dict[str, tuple[Values, tuple[tuple[int, int], ...]]] = {
    # of the case: name -> values, and (minute it begins, minutes within which it is told)
    "up": (_flat(1.0, 0.0, 400, 5), ((400, 3),)),
    "errors": (_flat(0.0, 7.0, 400, 10), ((400, 3),)),
    "twice": (_outages(100 + 5 * _noise(1), 0.0, *TWICE), ((300, 6), (480, 6))),
    "stuck": (_stuck(20 + _noise(2), 400), ((400, 20),)),
    # second inputs
    "valve": (_flat(42.5, 43.0, 350, 8), ((350, 3),)),
    "queue": (_flat(0.0, 1.0, 500, 6), ((500, 3),)),
    "load": (
        _outages(7e5 * (1 + 0.02 * _noise(3)), 1e5, (250, 300), (420, 460)),
        ((250, 6), (420, 6)),
    ),
    "pressure": (_stuck(0.3 + 0.002 * _noise(4), 500), ((500, 20),)),
}
QUIET = {"flat": np.full(MINUTES, 3.0), "noise": 50 + 2 * _noise(5)}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[float]]:
    """Minutes at which alerts of a source were opened."""
    place = tmp_path_factory.mktemp("case18")
    every = {name: values for name, (values, _) in SERIES.items()} | QUIET
    lines = ["timestamp,source_id,metric_name,value"]
    lines += [
        f"{T0 + 60 * i},{name},v,{values[i]:.6g}"
        for i in range(MINUTES)
        for name, values in every.items()
    ]
    (place / "in.csv").write_text("\n".join(lines))
    out = place / "alerts.jsonl"
    assert main(["run", f"--input={place / 'in.csv'}", f"--output={out}", "--key_groups=1"]) == 0
    found: dict[str, list[float]] = defaultdict(list)
    for line in out.read_text().splitlines():
        event = json.loads(line)
        if event["type"].endswith(".opened"):
            moment = parse_timestamp(event["time"]) / 1e6
            found[event["data"]["source_id"]].append((moment - T0) / 60)
    return lambda name: found[name]


@pytest.mark.parametrize("name", SERIES)
def test_what_is_clear_is_told_within_minutes_and_each_time(
    name: str, opened: Callable[[str], list[float]]
) -> None:
    wanted = SERIES[name][1]
    told = opened(name)
    assert len(told) == len(wanted), told
    for moment, (first, within) in zip(told, wanted, strict=True):
        assert first < moment <= first + within


@pytest.mark.parametrize("name", QUIET)
def test_a_line_that_does_not_move_and_noise_are_no_news(
    name: str, opened: Callable[[str], list[float]]
) -> None:
    assert opened(name) == []
