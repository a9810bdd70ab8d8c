"""What no_data computes in compiled code is what its slow twin computes, to the bit."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from padit.domain.features import FeatureTable, Passed
from padit.domain.metric import Series
from padit.domain.watermark import WATERMARK_NONE
from padit.transforms.detectors.no_data import NoDataDetector, NoDataParameters
from tests.detectors.no_data_twin import NoDataTwin

SECOND = 1_000_000
INTERVAL = 60 * SECOND
SERIES = tuple(Series(f"s{n // 2}", "ab"[n % 2], "ms") for n in range(7))
STEPS = np.array([0, 1, 1, 1, 2, 5, 5, 40, 61, 130, 700, 5000]) * SECOND
PARAMETERS: list[dict[str, Any]] = [
    {},
    {"minimum_sec": 5, "factor": 2, "warm_up": 3},
    {"minimum_sec": 2, "factor": 1.5, "warm_up": 3, "retention_sec": 600, "lived_sec": 300},
    {"minimum_sec": 60, "factor": 1, "warm_up": 64, "retention_sec": 3600, "lived_sec": 1},
]


def _times(rng: np.random.Generator, start: int) -> NDArray[np.int64]:
    """Sample times of a series: mostly regular, with repeats, pauses and outages."""
    weight = rng.dirichlet(np.full(len(STEPS), 0.4))
    regular = rng.choice(STEPS[:7], p=np.array([0, 1, 1, 1, 1, 1, 1]) / 6)
    steps = np.where(rng.random(900) < 0.9, regular, rng.choice(STEPS, 900, p=weight))
    return start + np.cumsum(steps)


def _tables(seed: int) -> Iterator[FeatureTable]:
    """A stream of tables of several windows, with windows that have no new sample."""
    rng = np.random.default_rng(seed)
    origin = int(rng.choice([-400, 0, 1_767_225_600])) * SECOND
    times = [_times(rng, origin + int(rng.integers(0, 900)) * SECOND) for _ in SERIES]
    at = origin
    until = WATERMARK_NONE
    for _ in range(25):
        ends = at + INTERVAL * np.arange(1, 1 + rng.integers(1, 5))
        rows = [
            (end, code, moments[(moments >= end - INTERVAL) & (moments < end)])
            for end in ends.tolist()
            for code, moments in enumerate(times)
            if ((moments >= end - 5 * INTERVAL) & (moments < end)).any()
        ]
        if rng.random() < 0.9:
            until = int(ends[-1]) - int(rng.integers(0, 3)) * INTERVAL
        passed = Passed(at, until, 5 * INTERVAL, INTERVAL) if rng.random() < 0.95 else None
        size = [len(moments) for _, _, moments in rows]
        yield FeatureTable(
            SERIES,
            np.array([end for end, _, _ in rows], np.int64),
            np.array([code for _, code, _ in rows], np.int32),
            {},
            np.concatenate([[0], np.cumsum(size)]).astype(np.int64),
            np.concatenate([np.empty(0, np.int64), *(moments for _, _, moments in rows)]),
            rng.normal(size=sum(size)),
            int(ends[-1]),
            passed=passed,
        )
        at = int(ends[-1])


def _same(left: Any, right: Any) -> None:
    if isinstance(left, dict):
        assert left.keys() == right.keys()
        for name in left:
            np.testing.assert_array_equal(left[name], right[name], err_msg=name)
    else:
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("parameters", PARAMETERS, ids=["default", "quick", "short", "slow"])
def test_compiled_gaps_are_those_of_the_slow_twin(parameters: dict[str, Any]) -> None:
    chosen = NoDataParameters(**parameters)
    quick, slow = NoDataDetector(chosen), NoDataTwin(chosen)
    absent = reported = 0
    for seed in range(12):
        state, twin = quick.initial(), slow.initial()
        for number, table in enumerate(_tables(seed)):
            if number % 7 == 3:
                state, twin = quick.load(quick.dump(state)), slow.load(slow.dump(twin))
            state, found = quick.step(state, table)
            twin, wanted = slow.step(twin, table)
            for name in ("score", "ongoing", "missing", "detail"):
                _same(getattr(found, name), getattr(wanted, name))
            assert (found.absent is None) == (wanted.absent is None)
            if found.absent is not None and wanted.absent is not None:
                assert found.absent.series == wanted.absent.series
                for name in ("window_end", "code", "score", "ongoing", "detail"):
                    _same(getattr(found.absent, name), getattr(wanted.absent, name))
                absent += len(found.absent.window_end)
            assert quick.dump(state) == slow.dump(twin)
            assert quick.next_due(state) == slow.next_due(twin)
            reported += int(np.count_nonzero(found.score >= 0.7))
    assert absent > 0
    assert reported > 0
