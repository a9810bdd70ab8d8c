"""State of series as columns: kept for the retention, begun anew after it, and let go at last."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.domain.metric import Series
from padit.transforms.detectors import create_detector
from padit.transforms.detectors.columns import (
    Columns,
    Field,
    bounded,
    locate,
    row_argmax,
    samples_of,
)
from tests.codecs.samples import steady
from tests.detectors.tables import SECOND, cut, table_of

FIELDS = {"count": Field((), "<i8", 7.0), "pair": Field((2,), "<f8", np.inf)}
KEYS = [Series("s", name) for name in "abcd"]
RETENTION = 100 * SECOND


def step(state: Columns, start: int, *keys: Series) -> tuple[Columns, list[int]]:
    """A table with one sample of each series at second `start`; their counts before it."""
    table = table_of({key: np.ones(1) for key in keys}, dict.fromkeys(keys, start))
    state, rows = locate(state, FIELDS, table, RETENTION)
    counts = state.data["count"][rows].tolist()
    state.data["count"][rows] = np.array(counts) + 1
    state.data["pair"][rows] = start
    return state, counts


@pytest.mark.parametrize(("gap", "count"), [(1, 8), (99, 8), (100, 8), (101, 7), (1000, 7)])
def test_a_series_that_was_away_longer_than_the_retention_begins_anew(gap: int, count: int) -> None:
    state, counts = step(Columns.empty(FIELDS), 10, *KEYS[:2])
    assert counts == [7, 7]
    assert state.data["pair"].tolist() == [[10, 10], [10, 10]]
    state, counts = step(state, 10 + gap, KEYS[0])
    assert counts == [count]


def test_series_are_let_go_when_more_than_a_quarter_is_away_for_longer_than_the_retention() -> None:
    state, _ = step(Columns.empty(FIELDS), 0, *KEYS)
    state, _ = step(state, 100, *KEYS[1:])
    state, _ = step(state, 101, *KEYS[1:])
    assert list(state.row) == KEYS  # one of four: copying is not worth it yet
    state, _ = step(state, 150, *KEYS[2:])
    state, _ = step(state, 250, *KEYS[2:])
    assert list(state.row) == KEYS[2:]
    assert state.seen.tolist() == [251 * SECOND] * 2
    assert state.data["count"].tolist() == [12, 12]
    assert state.data["pair"].tolist() == [[250, 250]] * 2
    state, counts = step(state, 260, *KEYS)
    assert counts == [7, 7, 12, 12]


def test_samples_of_several_windows_lie_together_and_stay_finite() -> None:
    values = {KEYS[0]: np.array([1.0, np.nan, 1e200]), KEYS[1]: np.array([-np.inf, 2.0, 3.0])}
    found = samples_of(table_of(values))
    assert found.value.tolist() == [1.0, 0.0, 1e150, -1e150, 2.0, 3.0]
    assert (found.start.tolist(), found.count.tolist()) == ([0, 3], [3, 3])


def test_the_highest_score_of_a_window_is_its_first_one_among_equals() -> None:
    sample = np.array([0.1, 0.5, 0.5, np.nan, np.nan, 0.2, np.nan])
    score, best = row_argmax(sample, np.array([0, 3, 3, 5, 7]))
    np.testing.assert_array_equal(score, [0.5, np.nan, np.nan, 0.2])
    assert (int(best[0]), int(best[3])) == (1, 5)


@pytest.mark.parametrize(("shift", "way"), [(8.0, "up"), (-8.0, "down")])
def test_a_change_of_level_says_which_way_it_went(shift: float, way: str) -> None:
    value = np.random.default_rng(5).normal(size=900)
    value[700:] += shift
    detector = create_detector("changepoint", {})
    state, texts = detector.initial(), []
    for table in cut({KEYS[0]: value}, range(50, 900, 50)):
        state, scores = detector.step(state, table)
        if scores.score[0] >= 0.5:
            found = detector.explain(table, scores, 0)
            texts.append(found["text"])
            assert np.sign(found["shift_sd"]) == np.sign(shift)
    assert texts
    assert texts[0].startswith(f"level moved {way} by ")


def test_a_bounded_number_has_a_finite_square_and_small_ones_keep_every_bit() -> None:
    value = np.array([np.nan, np.inf, -np.inf, 1e308, -1e308, 1e150, -0.0, 0.0, 5e-324, 3.5])
    expected = np.clip(np.nan_to_num(value), -1e150, 1e150)
    found = np.array([bounded(one) for one in value.tolist()])
    assert found.tobytes() == expected.tobytes()
    assert np.isfinite(found * found).all()


@steady
@given(
    st.permutations(range(9)).flatmap(lambda order: st.integers(0, 9).map(lambda n: order[:n])),
    st.lists(st.sampled_from([(), (3,), (40,), (2, 9000)]), max_size=18),
    st.integers(0, 300),
)
def test_the_bytes_of_a_state_are_one_message_of_its_names_and_columns(
    order: list[int], shapes: list[tuple[int, ...]], version: int
) -> None:
    series = [Series(f"host-{one}", "load" * one) for one in order]
    fields = {f"f{number}": Field(shape, "<f8") for number, shape in enumerate(shapes)}
    chance = np.random.default_rng(len(order))
    rows = len(series)
    state = Columns(
        {one: at for at, one in enumerate(series)},
        chance.integers(0, 1 << 40, rows),
        {name: chance.normal(size=(rows, *field.shape)) for name, field in fields.items()},
    )
    ranked = np.argsort(np.array(order, np.int64))
    columns = {name: state.data[name][ranked].tobytes() for name in sorted(fields)}
    message = [version, sorted(series), state.seen[ranked].tobytes(), columns]
    assert state.dump(version) == msgspec.msgpack.encode(message)
    assert state.dump(version + 1) == msgspec.msgpack.encode([version + 1, *message[1:]])
    again = Columns.load(state.dump(version), version, fields)
    assert again.dump(version) == state.dump(version)
