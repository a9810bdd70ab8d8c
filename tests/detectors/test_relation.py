"""What `relation` reports, what it keeps quiet about, and its kernel against plain Python."""

import os
import subprocess
import sys
from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from padit.domain.config import Levels
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms.detectors import relation_kernel
from padit.transforms.detectors.relation import RelationDetector, RelationParameters
from tests.limits import allowed

Array = NDArray[np.float64]
SECOND = 1_000_000
MINUTE = 60 * SECOND
START = 1_772_409_600 * SECOND


def _table(metrics: Mapping[str, Array], first: int = 0) -> FeatureTable:
    """One sample a minute and window of each metric, in the order of time."""
    names = sorted(metrics)
    size = len(next(iter(metrics.values())))
    end = START + (first + np.arange(size) + 1) * MINUTE
    n = size * len(names)
    return FeatureTable(
        tuple(Series("a", name, "") for name in names), np.repeat(end, len(names)),
        np.tile(np.arange(len(names), dtype=np.int32), size), {}, np.arange(n + 1),
        np.repeat(end - SECOND, len(names)), np.array([metrics[one] for one in names]).T.ravel(),
        int(end[-1]),
    )  # fmt: skip


def _judged(
    metrics: Mapping[str, Array], levels: Levels | None = None
) -> Mapping[str, NDArray[np.int64]]:
    """Minutes at which each metric opens an alert."""
    detector = RelationDetector(RelationParameters.model_validate({}), levels)
    _, scores = detector.step(detector.initial(), _table(metrics))
    opened = scores.score.reshape(-1, len(metrics)) >= 0.7
    return {name: np.flatnonzero(opened[:, k]) for k, name in enumerate(sorted(metrics))}


def _walk(seed: int, size: int = 900) -> Array:
    chance = np.random.default_rng(seed)
    found = np.zeros(size)
    for i in range(1, size):
        found[i] = 0.8 * found[i - 1] + chance.normal()
    return found


def _pair(noise: float = 0.2) -> dict[str, Array]:
    flow = 30 + _walk(1)
    return {"flow": flow, "power": 2 * flow + 5 + noise * _walk(2), "humidity": 50 + _walk(3)}


def test_a_metric_that_goes_its_own_way_within_its_range_is_told_and_nothing_else() -> None:
    metrics = _pair()
    metrics["power"][600:640] = 65 + 2 * _walk(4)[600:640]
    found = _judged(metrics)
    assert found["humidity"].size == 0
    for name in ("flow", "power"):
        assert len(found[name]) == 1
        assert 600 <= found[name][0] < 610


def test_metrics_that_follow_each_other_and_those_that_do_not_are_quiet() -> None:
    assert not any(found.size for found in _judged(_pair()).values())
    assert not any(found.size for found in _judged({"a": _walk(5), "b": _walk(6)}).values())


def test_switches_are_left_alone() -> None:
    switch = (np.arange(900) // 37 % 2).astype(float)
    metrics = {"on": switch, "load": 10 * switch + 0.1 * _walk(7)}
    metrics["load"][600:640] = 5
    assert _judged(metrics)["on"].size == 0


def test_of_three_that_belong_together_only_the_one_that_leaves_is_named() -> None:
    flow = 30 + _walk(1)
    metrics = {f"m{k}": (k + 1) * flow + 0.2 * _walk(8 + k) for k in range(4)}
    metrics["m3"][600:640] += 30
    found = _judged(metrics)
    assert [name for name, at in found.items() if at.size] == ["m3"]


def test_a_new_relation_is_accepted_and_learnt() -> None:
    metrics = _pair()
    metrics["power"][500:] += 20
    detector = RelationDetector(
        RelationParameters.model_validate({}), Levels(accept_after=60 * MINUTE)
    )
    _, scores = detector.step(detector.initial(), _table(metrics))
    assert scores.accepted is not None
    at = np.flatnonzero(scores.accepted.reshape(-1, 3)[:, 2])
    assert len(at) == 1
    assert 560 <= at[0] < 570


def test_an_alert_names_the_partner_and_the_range_it_expected() -> None:
    metrics = _pair()
    metrics["power"][600:640] += 20
    detector = RelationDetector(RelationParameters.model_validate({}))
    table = _table(metrics)
    _, scores = detector.step(detector.initial(), table)
    row = int(np.flatnonzero(scores.score >= 0.7)[0])
    found = detector.explain(table, scores, row)
    assert "does not follow" in found["text"]
    assert found["expected_low"] < found["expected_high"]
    assert found["explained"] > 0.7


@pytest.mark.parametrize("cut", [1, 450, 601, 899])
def test_the_same_bytes_however_the_input_is_cut(cut: int) -> None:
    metrics = _pair()
    metrics["power"][600:640] += 20
    detector = RelationDetector(RelationParameters.model_validate({}))
    whole, scores = detector.step(detector.initial(), _table(metrics))
    state = detector.initial()
    state, first = detector.step(state, _table({n: v[:cut] for n, v in metrics.items()}))
    state = detector.load(detector.dump(state))
    state, second = detector.step(state, _table({n: v[cut:] for n, v in metrics.items()}, cut))
    assert detector.dump(state) == detector.dump(whole)
    assert np.r_[first.score, second.score].tobytes() == scores.score.tobytes()


@pytest.mark.parametrize("bad", [1e308, -1e308, 5e-324, -0.0, 0.0])
def test_bad_values_give_finite_scores_or_none(bad: float) -> None:
    metrics = _pair()
    metrics["power"][100:900:7] = bad
    metrics["flow"][300:320] = bad
    detector = RelationDetector(RelationParameters.model_validate({}))
    state, scores = detector.step(detector.initial(), _table(metrics))
    known = scores.score[~np.isnan(scores.score)]
    assert ((known >= 0) & (known <= 1)).all()
    assert scores.level is not None
    assert np.isfinite(scores.level).all()
    assert np.isfinite(np.asarray(state.data["pairs"], float)).all()


def test_a_source_of_many_metrics_has_partners_in_fixed_number() -> None:
    metrics = {f"m{k:03}": _walk(k, 40) for k in range(120)}
    detector = RelationDetector(RelationParameters.model_validate({}))
    state, _ = detector.step(detector.initial(), _table(metrics))
    assert len(detector.dump(state)) < 120 * 1_300
    assert state.data["partner"].shape[1] == relation_kernel.PARTNERS


_TWIN = """
import hashlib, sys
import numpy as np
from tests.detectors import test_lasting, test_relation, test_usual
from padit.transforms.detectors.relation import RelationDetector, RelationParameters
metrics = {name: values[:200] for name, values in test_relation._pair().items()}
metrics["power"][150:170] += 20
detector = RelationDetector(RelationParameters.model_validate({}))
state, scores = detector.step(detector.initial(), test_relation._table(metrics))
value = test_usual._noise(1, 400)
value[300:340] += 9
value[350:380] = 1.0
news, ends, level = test_usual._judged(np.round(value, 1), 60.0)
found = hashlib.sha256(detector.dump(state) + scores.score.tobytes())
work = np.concatenate([test_lasting._jobs(0, 300), test_lasting._wear([60, 61, 80])])
work[250:290] = 56
detector = test_lasting._detector()
state, scores = detector.step(detector.initial(), test_lasting._table(work))
found.update(detector.dump(state) + scores.score.tobytes() + scores.level.tobytes())
found.update(news.tobytes() + level.tobytes())
print(found.hexdigest(), len(news))
"""


def test_compiled_code_gives_the_bits_of_plain_python() -> None:
    """`relation`, `lasting` and `usual` over a few hundred samples, compiled and not."""
    found = []
    for plain in ("0", "1"):
        environment = {**os.environ, "NUMBA_DISABLE_JIT": plain}
        done = subprocess.run(
            [sys.executable, "-c", _TWIN], env=environment, capture_output=True, text=True,
            check=True, timeout=allowed(120),
        )  # fmt: skip
        found.append(done.stdout)
    assert found[0] == found[1]
    assert found[0].split()[1] != "0"
