"""Windows: equal to plain sliding windows, every sample in exactly one slice."""

from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.watermark import WATERMARK_NONE
from padit.transforms import arranging
from padit.transforms.windows import WindowOptions, close_windows
from tests.codecs.samples import steady
from tests.transforms import reference
from tests.transforms.reference import Sample, Window

SERIES = [("a", "x"), ("a", "y"), ("b", "x")]
SAMPLES = st.lists(
    st.tuples(
        st.sampled_from(SERIES),
        st.integers(1000, 1120),
        st.sampled_from([1.0, 2.0, -3.0]),
    ),
    max_size=60,
)
SHAPES = st.builds(
    lambda slots, interval, most: WindowOptions(slots * interval, interval, most),
    st.integers(1, 6),
    st.integers(1, 15),
    st.integers(1, 12),
)


class Run(NamedTuple):
    """What closing windows in several steps gave."""

    windows: list[Window]
    features: dict[tuple[int, tuple[str, str]], dict[str, float]]
    scored: int
    duplicates: int
    waiting: int


def rows_of(samples: list[Sample]) -> Rows:
    table = sorted({series for series, _, _ in samples}, reverse=True)  # any order is allowed
    return Rows(
        [Series(*series) for series in table],
        np.array([table.index(series) for series, _, _ in samples], np.int32),
        np.array([time for _, time, _ in samples], np.int64),
        np.array([value for _, _, value in samples], np.float64),
    )


def run(samples: list[Sample], watermarks: list[int], options: WindowOptions) -> Run:
    """Close windows up to each of the watermarks in turn; all samples are there from the start."""
    pieces = [rows_of(samples[::2]), rows_of(samples[1::2])]
    closed, scored, duplicates = WATERMARK_NONE, 0, 0
    found: list[Window] = []
    features = {}
    for watermark in watermarks:
        closing = options.slot_before(watermark)
        result = close_windows(pieces, closed, closing, options)
        pieces, closed = [result.kept], closing
        scored, duplicates = scored + result.scored, duplicates + result.duplicates
        table = result.table
        for row in range(len(table)):
            series = table.series[table.code[row]].key
            time, value = table.window(row)
            new = slice(int(table.offset[row]), int(table.offset[row + 1]))
            end = int(table.window_end[row])
            found.append(
                Window(
                    end,
                    series,
                    list(zip(time.tolist(), value.tolist(), strict=True)),
                    list(zip(table.time[new].tolist(), table.value[new].tolist(), strict=True)),
                )
            )
            features[end, series] = {name: float(c[row]) for name, c in table.features.items()}
    waiting = sum(int((piece.time >= closed * options.interval).sum()) for piece in pieces)
    return Run(found, features, scored, duplicates, waiting)


def _reference(samples: list[Sample], options: WindowOptions, until: int) -> list[Window]:
    return reference.windows(samples, options.size, options.interval, options.max_samples, until)


@steady
@given(SAMPLES, SHAPES, st.lists(st.integers(990, 1300), min_size=1, max_size=6))
def test_windows_equal_plain_sliding_windows(
    samples: list[Sample], options: WindowOptions, watermarks: list[int]
) -> None:
    found = run(samples, sorted(watermarks), options)
    until = max(watermarks) // options.interval * options.interval
    assert found.windows == _reference(samples, options, until)
    for window in found.windows:
        expected = reference.features([value for _, value in window.samples])
        assert found.features[window.end, window.series] == pytest.approx(expected, abs=1e-8)


@steady
@given(SAMPLES, SHAPES)
def test_every_sample_stands_in_one_slice_and_repeats_are_counted(
    samples: list[Sample], options: WindowOptions
) -> None:
    found = run(samples, [1050, 2000], options)
    seen = Counter((window.series, *sample) for window in found.windows for sample in window.new)
    assert seen == Counter(set(samples))
    assert found.scored == len(set(samples))
    assert found.duplicates == len(samples) - len(set(samples))
    assert found.waiting == 0


@steady
@given(SAMPLES, SHAPES, st.integers(1000, 1120))
def test_what_is_not_scored_waits(
    samples: list[Sample], options: WindowOptions, watermark: int
) -> None:
    found = run(samples, [watermark], options)
    assert found.scored + found.duplicates + found.waiting == len(samples)


@steady
@given(SAMPLES, SHAPES, st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing(
    samples: list[Sample], options: WindowOptions, chance: object
) -> None:
    shuffled = list(samples)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert run(shuffled, [1060, 2000], options) == run(samples, [1060, 2000], options)


def test_without_order_among_ties_the_order_of_arrival_would_show(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(arranging, "order", lambda *columns: None)
    plain = arranging.arranged.py_func  # type: ignore[attr-defined]
    monkeypatch.setattr(arranging, "arranged", plain)
    options = WindowOptions(10, 10, 5)
    ties: list[Sample] = [(("a", "x"), 1000, 1.0), (("a", "x"), 1000, 2.0)]
    assert run(ties, [2000], options) != run(ties[::-1], [2000], options)


def test_a_year_without_samples_costs_no_windows() -> None:
    options = WindowOptions(300, 60, 10)
    year = 365 * 86_400
    samples: list[Sample] = [(("a", "x"), 1000, 1.0), (("a", "x"), 1000 + year, 2.0)]
    found = run(samples, [2000, 2000 + 2 * year], options)
    assert len(found.windows) == 10


def test_closing_nothing_gives_an_empty_table() -> None:
    result = close_windows([], WATERMARK_NONE, 100, WindowOptions(10, 10, 5))
    assert (len(result.table), result.scored, result.newest_kept) == (0, 0, None)


@pytest.mark.parametrize("rows", [1, 5, 200])
def test_what_is_kept_is_bounded_by_max_samples(rows: int) -> None:
    options = WindowOptions(1000, 100, 5)
    samples: list[Sample] = [(("a", "x"), 1000 + i % 100, float(i)) for i in range(rows)]
    result = close_windows([rows_of(samples)], WATERMARK_NONE, 11, options)
    assert len(result.kept) == min(rows, 5)
