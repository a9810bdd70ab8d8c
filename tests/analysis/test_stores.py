"""Series keep their extremes however they are thinned; logs are found by their words."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from padit.analysis.log_store import LogRecord, LogStore, template_of
from padit.analysis.series_store import SeriesStore
from padit.domain.metric import Series
from padit.domain.rows import Rows


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeriesStore]:
    one = SeriesStore(tmp_path_factory.mktemp("series"))
    yield one
    one.close()


def _rows(name: str, times: list[int], values: list[float]) -> Rows:
    return Rows(
        [Series("s", name, "V")], np.zeros(len(times), np.int32), np.array(times, np.int64),
        np.array(values, np.float64),
    )  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    values=st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=300),
    points=st.integers(10, 60),
    number=st.integers(0, 10**9),
)
def test_thinning_keeps_extremes_order_and_count(
    store: SeriesStore, values: list[float], points: int, number: int
) -> None:
    name = f"m{number}-{store.count}"
    times = [1_767_592_800_000_000 + at * 1_000_000 for at in range(len(values))]
    store.add_rows(_rows(name, times, values))
    info = store.info("s", name)
    assert info is not None
    line = store.line(info, times[0], times[-1], points)
    assert line.total == len(values)
    assert line.exact == (len(values) <= points)
    assert len(line.time) <= max(points, 2)
    assert (line.value.min(), line.value.max()) == (min(values), max(values))
    assert (np.diff(line.time) >= 0).all()
    if line.exact:
        assert line.value.tolist() == values


def test_what_moved_most_comes_first_in_units_of_its_usual_spread(store: SeriesStore) -> None:
    times = [1_800_000_000_000_000 + at * 1_000_000 for at in range(500)]
    quiet = [float(at % 5) for at in range(500)]
    store.add_rows(_rows("quiet", times, quiet))
    store.add_rows(
        _rows("moved", times, [v + (40 if n >= 400 else 0) for n, v in enumerate(quiet)])
    )
    found = store.moved(times[400], times[-1], 2)
    assert [one.metric_name for one in found] == ["moved", "quiet"]
    assert found[0].shift > 10
    assert abs(found[1].shift) < 1


def test_logs_are_found_by_words_and_the_oldest_go_first(tmp_path: Path) -> None:
    logs = LogStore(tmp_path / "logs.sqlite", most=100)
    records = [LogRecord(at, "shop", "info", f"order {at} shipped") for at in range(1, 151)]
    assert logs.add(records[:120]) == list(range(1, 121))
    logs.add(records[120:])
    assert logs.search("order 5") == []
    assert [one["time"] for one in logs.search("order 150")] == [150]
    assert len(logs.search("SHIPPED", most=500)) == 100
    assert logs.statistics()["templates"] == [{"template": "order <*> shipped", "count": 100}]
    logs.close()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("id 550e8400-e29b-41d4-a716-446655440000 gone", "id <*> gone"),
        ("took 3.2s at 0x1f", "took <*> at <*>"),
        ("plain words", "plain words"),
        ("node7 is up", "node7 is up"),
    ],
)
def test_a_template_leaves_out_what_varies(text: str, wanted: str) -> None:
    assert template_of(text) == wanted
