"""The streaming multivariate detector: what it learns, its evidence, its cost."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from padit.domain.errors import StateError
from padit.domain.metric import Series
from padit.transforms.detectors import create_detector
from tests.detectors.tables import Array, cut, samples, table_of

RPM, TORQUE = Series("m", "rpm", "1/min"), Series("m", "torque", "Nm")


def _spindle(rows: int, seed: int = 1) -> dict[Series, Array]:
    """Torque falls as speed rises; each alone shows little."""
    chance = np.random.default_rng(seed)
    speed = chance.normal(size=rows)
    return {
        RPM: 1500 + 100 * speed,
        TORQUE: 40 - 10 * speed + chance.normal(size=rows),
    }


def _highest(values: dict[Series, Array]) -> Array:
    found = samples(create_detector("multivariate", {}), [table_of(values)])
    highest: Array = np.fmax.reduce(list(found.values()), axis=0)
    return highest


def test_a_broken_relation_is_found_though_each_value_is_usual() -> None:
    values = _spindle(2000)
    values[TORQUE][1500:1600] += 8
    score = _highest(values)
    assert not (score[:1500] >= 0.7).any()
    assert (score[1530:1600] >= 0.7).all()


def test_evidence_names_the_metrics_and_what_was_to_be_expected() -> None:
    values = _spindle(1540)
    values[TORQUE][1500:] += 12
    detector = create_detector("multivariate", {})
    state = detector.initial()
    for table in cut(values, [1500]):
        state, scores = detector.step(state, table)
    row = list(table.series).index(TORQUE)
    evidence = detector.explain(table, scores, row)
    low, high = evidence["expected"]
    assert evidence["related_metric"] == "rpm"
    assert high < evidence["mean"]
    assert 5 < evidence["mean"] - (low + high) / 2 < 15
    assert "torque 5" in evidence["text"]
    assert "is unusual with rpm 1,5" in evidence["text"]
    msgspec.json.encode(evidence)


def test_an_anomaly_is_not_learnt() -> None:
    values = _spindle(6000)
    for begin in (1500, 3000, 4500):
        values[TORQUE][begin : begin + 200] += 10
    score = _highest(values)
    for begin in (1500, 3000, 4500):
        assert (score[begin + 32 : begin + 200] >= 0.7).all()


def test_a_new_normal_ends_the_alert() -> None:
    values = _spindle(8000)
    values[TORQUE][2000:] += 10
    score = _highest(values)
    assert (score[2040:3000] >= 0.7).all()
    assert not (score[-1000:] >= 0.5).any()


def test_metrics_in_quite_another_range_are_learnt_again() -> None:
    values = _spindle(6000)
    values[TORQUE][1000:] *= 1000
    values[TORQUE][5500:] += 10_000  # as a relation: 10 of the old
    score = _highest(values)
    assert (score[1040:2000] >= 0.7).all()
    assert not (score[4500:5500] >= 0.7).any()
    assert (score[5540:] >= 0.7).all()


def test_learning_goes_on_so_that_a_slow_cycle_becomes_usual() -> None:
    chance = np.random.default_rng(2)
    cycle = np.sin(np.arange(40_000) / 600)  # longer than what is learnt at first
    values = {RPM: 1500 + 100 * cycle + chance.normal(size=40_000),
              TORQUE: 40 + 5 * np.roll(cycle, 900) + chance.normal(size=40_000)}  # fmt: skip
    assert not (_highest(values)[10_000:] >= 0.7).any()


def test_units_change_no_score() -> None:
    values = _spindle(2000)
    values[TORQUE][1500:1600] += 8
    scaled = {RPM: values[RPM] * 1024, TORQUE: values[TORQUE] / 64}
    detector = create_detector("multivariate", {})
    one, other = (samples(detector, [table_of(v)]) for v in (values, scaled))
    for key in one:
        assert one[key].tobytes() == other[key].tobytes()


def test_a_metric_that_comes_later_resets_the_source() -> None:
    values = _spindle(3000)
    late = Series("m", "current", "A")
    detector = create_detector("multivariate", {})
    first = table_of({key: value[:1500] for key, value in values.items()})
    second = table_of(
        {key: value[1500:] for key, value in values.items()} | {late: np.ones(1500)},
        dict.fromkeys([*values, late], 1500),
    )
    found = samples(detector, [first, second])[RPM]
    assert np.isnan(found[1500:1900]).all()
    assert not np.isnan(found[2500:]).any()


@pytest.mark.parametrize("kind", ["gauss", "ar", "student", "lognormal", "integers"])
def test_false_alarms_are_rare_whatever_the_distribution(kind: str) -> None:
    chance = np.random.default_rng(4)
    rows, d = 30_000, 5
    draw: dict[str, Callable[[], Array]] = {
        "gauss": lambda: chance.normal(size=(rows, d)),
        "ar": lambda: _smooth(chance.normal(size=(rows, d))),
        "student": lambda: chance.standard_t(3, size=(rows, d)),
        "lognormal": lambda: chance.lognormal(size=(rows, d)),
        "integers": lambda: chance.poisson(3, size=(rows, d)).astype(float),
    }
    noise = draw[kind]()
    mixed = noise + 0.5 * noise[:, :1]
    score = _highest({Series("m", f"x{i}"): mixed[:, i] for i in range(d)})
    alarm = np.flatnonzero(score >= 0.7)
    assert int((np.diff(alarm) > 32).sum()) + bool(alarm.size) <= rows // 5000


def _smooth(noise: Array) -> Array:
    for i in range(1, len(noise)):
        noise[i] += 0.9 * noise[i - 1]
    return noise


def test_a_series_takes_few_bytes() -> None:
    chance = np.random.default_rng(1)
    for d, most in ((2, 1500), (5, 1500), (8, 2000), (32, 6000)):
        values = {Series("m", f"x{i:02}"): chance.normal(size=20_000) for i in range(d)}
        detector = create_detector("multivariate", {})
        state, _ = detector.step(detector.initial(), table_of(values))
        assert len(detector.dump(state)) / d < most


def test_state_of_another_number_of_metrics_is_an_error() -> None:
    detector = create_detector("multivariate", {})
    state, _ = detector.step(detector.initial(), table_of(_spindle(600)))
    version, saved = msgspec.msgpack.decode(detector.dump(state))
    saved[0][1] = saved[0][1][:1]
    with pytest.raises(StateError, match="damaged"):
        detector.load(msgspec.msgpack.encode((version, saved)))


def test_one_metric_alone_gets_no_score() -> None:
    found: Any = samples(create_detector("multivariate", {}), [table_of({RPM: np.arange(2000.0)})])
    assert np.isnan(found[RPM]).all()


def test_metrics_that_wander_together_for_hours_are_no_alarm() -> None:
    noise = np.random.default_rng(9).normal(size=(4, 30_000))
    walk = noise[0].cumsum()
    values = {
        Series("s", "a"): walk + 20 * noise[1],
        Series("s", "b"): 2 * walk + 20 * noise[2],
        Series("s", "c"): 20 * noise[3] - walk,
    }
    for score in samples(create_detector("multivariate", {}), [table_of(values)]).values():
        assert not (score >= 0.7).any()


def test_a_source_that_wanders_while_it_is_learnt_is_judged_later() -> None:
    noise = np.random.default_rng(4).normal(size=(2, 6000))
    warming = np.linspace(0, 60, 6000)
    values = {
        Series("s", "a"): warming + 0.2 * noise[0],
        Series("s", "b"): 3 * warming + 0.2 * noise[1],
    }
    for score in samples(create_detector("multivariate", {}), [table_of(values)]).values():
        assert np.isnan(score[:3900]).all()
        assert not np.isnan(score[4500:]).any()  # stretches are longer by then


def _with_switches(seed: int, rows: int = 12_000) -> dict[Series, Array]:
    """The spindle, and three flags that stay as they are for 100 to 3,000 rows."""
    chance = np.random.default_rng(seed)
    values = _spindle(rows, seed)
    for k in range(3):
        flips = np.cumsum(chance.integers(100, 3000, 100))
        state = np.searchsorted(flips, np.arange(rows)) % (k + 2)
        values[Series("m", f"on_{k}")] = state.astype(np.float64)
    return values


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_switches_are_left_alone_and_the_relations_beside_them_are_not(seed: int) -> None:
    values = _with_switches(seed)
    values[TORQUE][9000:9100] += 8
    found = samples(create_detector("multivariate", {}), [table_of(values)])
    for series, score in found.items():
        if series.metric_name.startswith("on_"):
            assert np.isnan(score).all()
        else:
            assert not (score[:9000] >= 0.7).any()
    assert (found[TORQUE][9040:9100] >= 0.7).all()


def test_a_source_of_switches_alone_gets_no_score_and_takes_few_bytes() -> None:
    values = {k: v for k, v in _with_switches(1).items() if k.metric_name.startswith("on_")}
    detector = create_detector("multivariate", {})
    state, scores = detector.step(detector.initial(), table_of(values))
    assert scores.sample is not None
    assert np.isnan(scores.sample).all()
    assert len(detector.dump(state)) < 500


@pytest.mark.parametrize("cut_at", [399, 400, 401, 2_999, 3_000, 3_001, 3_399, 3_400])
def test_a_metric_that_stood_still_at_first_is_related_once_it_moves(cut_at: int) -> None:
    values = _spindle(6000)
    late = Series("m", "current", "A")
    values[late] = np.where(np.arange(6000) < 3000, 5.0, values[TORQUE] / 4)
    values[late][5000:5100] += 3
    detector = create_detector("multivariate", {})
    whole = samples(detector, [table_of(values)])
    assert np.isnan(whole[late][:3404]).all()  # four values are few, the fifth is one too many
    assert (whole[late][5040:5100] >= 0.7).all()
    state = detector.initial()
    for table in cut(values, [cut_at]):
        state, _ = detector.step(detector.load(detector.dump(state)), table)
    at_once, _ = detector.step(detector.initial(), table_of(values))
    assert detector.dump(state) == detector.dump(at_once)
