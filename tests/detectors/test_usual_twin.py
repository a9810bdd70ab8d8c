"""`usual` gives, to the byte, what a plain and slow reference of its core gives."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from padit.transforms.detectors import usual_scale as scale
from padit.transforms.detectors import usual_state
from padit.transforms.detectors.directions import GAUGED
from padit.transforms.detectors.usual_evidence import DOWN, UP
from padit.transforms.detectors.usual_kernel import run
from padit.transforms.detectors.usual_season import SLOTS_OF_SEASON
from padit.transforms.detectors.usual_unseen import SLOTS_OF_UNSEEN
from tests.detectors.usual_twin import UsualTwin

Array = NDArray[np.float64]
LIMITS = np.array([1.0, 0.23, 7200e6])
DAYTIME = 80_000_000_000
"""Microseconds: shorter than the day after which seasons are known."""


def _run(values: Array, interval: int, unwritten: float = 0.0) -> tuple[Array, Array]:
    """The state of the value's channel, and the verdict of each sample."""
    states = np.zeros((1, usual_state.SLOTS))
    for begin in (usual_state.VALUE, usual_state.ACTIVITY):
        states[0, begin + scale.MEMORY : begin + scale.CHANNEL] = unwritten
    verdict, size = np.zeros(len(values)), len(values)
    run(
        states,
        np.full((1, SLOTS_OF_SEASON), np.nan, np.float32),
        np.zeros((1, SLOTS_OF_UNSEEN)),
        np.zeros(1, np.int64),
        np.array([0, size]),
        np.arange(size) * interval,
        values,
        np.array([UP | DOWN | GAUGED]),
        LIMITS,
        verdict,
        np.zeros((usual_state.FACTS, 1)),
    )
    return states[0, usual_state.VALUE : usual_state.VALUE + scale.CHANNEL], verdict


def _until_news(values: Array, interval: int) -> Array:
    """What comes before the first alert."""
    news = np.flatnonzero(_run(values, interval)[1] >= 1.0)
    return values[: news[0]] if len(news) else values


def _twin(values: Array, interval: int) -> tuple[UsualTwin, list[float]]:
    twin = UsualTwin(interval)
    return twin, [twin.step(y) for y in values.tolist()]


def _known(channel: Array) -> dict[str, Any]:
    """What the kernel knows of a channel."""
    sums = scale.STATISTICS
    return {
        "count": channel[scale.COUNT],
        "centre": channel[scale.CENTRE],
        "quartiles": channel[[scale.LOW, scale.HIGH]].tolist(),
        "above": channel[scale.SIDES : scale.SIDES + 5].tolist(),
        "below": channel[scale.SIDES + 5 : scale.SIDES + 10].tolist(),
        "swings": channel[[scale.SWINGS, scale.RECENT]].tolist(),
        "sums": channel[sums : sums + 4].tolist(),
        "records": channel[sums + 5 : sums + 9].tolist(),
        "peaks": channel[sums + 10 : sums + 14].tolist(),
        "leap": channel[scale.LEAP],
    }


def _known_to(twin: UsualTwin) -> dict[str, Any]:
    return {
        "count": twin.count,
        "centre": twin.centre,
        "quartiles": [twin.low, twin.high],
        "above": list(twin.above),
        "below": list(twin.below),
        "swings": [twin.swings, twin.recent],
        "sums": twin.sums,
        "records": twin.records,
        "peaks": twin.peaks,
        "leap": twin.leap,
    }


@st.composite
def _series(draw: st.DrawFn) -> tuple[Array, int]:
    """Noise of some tail, memory and step, with pieces that lie elsewhere."""
    chance = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    interval = draw(st.sampled_from([120_000_000, 300_000_000]))
    size = draw(st.integers(0, DAYTIME // interval))
    noise = chance.normal(size=size)
    keep = draw(st.sampled_from([0.0, 0.3, 0.7]))
    for i in range(1, size):
        noise[i] += keep * noise[i - 1]
    tail = draw(st.sampled_from(["light", "heavy", "one side"]))
    values = noise if tail == "light" else noise**3 if tail == "heavy" else np.exp(1.5 * noise)
    for at in draw(st.lists(st.integers(0, 600), max_size=6)):
        values[at : at + draw(st.integers(1, 12))] += draw(st.sampled_from([-4.0, 1.5, 3.0]))
    step = draw(st.sampled_from([0.0, 0.5]))
    values = np.round(values / step) * step if step else values
    return values + draw(st.sampled_from([0.0, 1000.0])), interval


@settings(max_examples=60)
@given(_series())
def test_the_range_and_the_sums_are_those_of_the_plain_reference(drawn: tuple[Array, int]) -> None:
    values, interval = drawn
    values = _until_news(values, interval)
    twin, verdicts = _twin(values, interval)
    assume(twin.slowest < 8 and not twin.flat)
    assert _known(_run(values, interval)[0]) == _known_to(twin)
    assert max(verdicts, default=0.0) < 1


@pytest.mark.parametrize(
    ("seed", "away", "apart", "long"),
    [(4, 3.5, 37, 2), (5, 4.5, 37, 3), (10, 3.5, 55, 2), (2, 4.5, 37, 4)],
)
def test_what_is_learnt_late_is_that_of_the_plain_reference(
    seed: int, away: float, apart: int, long: int
) -> None:
    """Pieces that lie outside, and open no alert."""
    values = 1000 + np.random.default_rng(seed).normal(size=600)
    for at in range(90, 600, apart):
        values[at : at + long] += away
    channel, verdict = _run(values, 120_000_000)
    assert verdict[values > 1000 + away].max() < 1
    assert _known(channel) == _known_to(_twin(values, 120_000_000)[0])


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1), size=st.integers(100, 500), away=st.sampled_from([-7.0, 5.0])
)
def test_what_opens_an_alert_is_the_verdict_of_the_plain_reference(
    seed: int, size: int, away: float
) -> None:
    for one in range(seed, seed + 8):  # one in three or four opens an alert
        values = 1000 + np.random.default_rng(one).normal(size=size + 24)
        for at in range(60, size - 40, 90):  # whose records an alert has to beat
            values[at : at + 2] += 0.7 * away
        values[size:] += away
        _, verdict = _run(values, 120_000_000)
        news = np.flatnonzero(verdict >= 1.0)
        if len(news) > 0:
            break
    assume(len(news) > 0 and news[0] >= size)
    _, expected = _twin(values[: news[0] + 1], 120_000_000)
    assert max(expected[:-1]) < 1 <= expected[-1]
    assert verdict[news[0]] == expected[-1]


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1), apart=st.integers(9, 60), long=st.integers(2, 5),
    away=st.sampled_from([-3.5, 3.5, 4.5]), unwritten=st.sampled_from([0.0, -1e6, 990.0, 1e12]),
)  # fmt: skip
def test_a_place_of_the_memory_that_was_never_written_is_never_read(
    seed: int, apart: int, long: int, away: float, unwritten: float
) -> None:
    """Pieces that lie outside leave places out."""
    values = 1000 + np.random.default_rng(seed).normal(size=640)
    for at in range(80, 640, apart):
        values[at : at + long] += away
    channel, verdict = _run(values, 120_000_000, 1.0)
    other, again = _run(values, 120_000_000, unwritten)
    assert again.tobytes() == verdict.tobytes()
    assert _known(other) == _known(channel)


def test_a_place_left_out_before_it_was_written_is_not_read() -> None:
    """Pairs that lie outside open no alert, and are learnt by no slower ring while it is young."""
    values = 1000 + np.random.default_rng(4).normal(size=250)
    for at in range(90, 250, 37):
        values[at : at + 2] += 3.5
    channel, verdict = _run(values, 120_000_000)
    assert np.nanmax(verdict) < 1
    assert np.isnan(channel[scale.MEMORY :]).any()
    assert channel[scale.LEAST] > 990
    assert channel[scale.CENTRE] - channel[scale.SIDES + 5 + scale.REACH] > 990
