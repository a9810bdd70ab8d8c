"""Names of series: pages and searches hold what a plain list would; who is silent is by its own."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.analysis.series_extent import Extents, Silence
from padit.analysis.series_store import SeriesStore
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.timestamps import MICROS

_NOW = 1_800_000_000 * MICROS
_HOUR = 3600 * MICROS
_TEXT = st.text(st.sampled_from("aAbéß%_'\\ \u202e🔥\x00"), max_size=4)


def _rows(keys: Sequence[tuple[str, str]]) -> Rows:
    count = len(keys)
    names = [Series(source, metric, "") for source, metric in keys]
    return Rows(names, np.arange(count, dtype=np.int32), np.full(count, _NOW), np.zeros(count))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(_TEXT, _TEXT), max_size=40, unique=True), _TEXT, st.integers(1, 9))
def test_pages_of_a_search_hold_together_what_a_plain_list_holds(
    keys: list[tuple[str, str]], text: str, size: int
) -> None:
    with TemporaryDirectory() as folder:
        store = SeriesStore(Path(folder))
        for at in range(0, len(keys), 7):
            store.add_rows(_rows(keys[at : at + 7]))
        wanted = sorted(one for one in keys if text.lower() in f"{one[0]} {one[1]}".lower())
        found: list[tuple[str, str]] = []
        while True:
            page, count = store.find(text, found[-1] if found else None, size)
            assert count == len(wanted)
            found += page
            if len(page) < size:
                break
        assert found == wanted
        sources: list[str] = []
        while page_ := store.sources(sources[-1] if sources else None, size)[0]:
            sources += page_
        assert sources == sorted({source for source, _ in keys})
        for source in sources:
            assert store.extent(source) == (sum(one == source for one, _ in keys), _NOW)
        store.close()


def _heard(times: dict[str, list[int]]) -> Extents:
    extents = Extents()
    for place, name in enumerate(times):
        extents.add(place, "")
        at = np.array(times[name], np.int64)
        extents.note(np.full(len(at), place, np.int32), at, "readings")
    return extents


@pytest.mark.parametrize(
    ("times", "silent"),
    [
        ([_NOW - _HOUR * at for at in range(1, 25)], False),  # by the hour, an hour ago
        ([_NOW - _HOUR * at for at in range(4, 28)], True),  # by the hour, four hours ago
        ([_NOW - 400 * MICROS - at * MICROS for at in range(100)], True),  # by the second
        ([_NOW - 200 * MICROS - at * MICROS for at in range(100)], False),
        ([_NOW - 2 * _HOUR], False),  # once: how often it comes is not known yet
        ([_NOW - 3 * _HOUR], True),
    ],
)
def test_a_source_is_silent_by_its_own_interval(times: list[int], silent: bool) -> None:
    extents = _heard({"other": [_NOW - at * MICROS for at in range(100)], "it": times})
    wanted = Silence(1, 2, ("it",)) if silent else Silence(0, 2, ())
    assert extents.silence(_NOW, ["other", "it"]) == wanted


def test_a_source_with_one_series_that_is_heard_is_not_silent_and_one_gone_for_a_week_is_not_counted() -> (  # noqa: E501
    None
):
    old = [_NOW - 8 * 24 * _HOUR - at * MICROS for at in range(10)]
    extents = _heard({"gone": old})
    assert extents.silence(_NOW, ["gone"]) == Silence(0, 0, ())
    extents.add(0, "")
    extents.note(np.array([1, 1, 1], np.int32), np.array([_NOW - 2, _NOW - 1, _NOW]), "windows")
    assert extents.silence(_NOW, ["gone"]) == Silence(0, 1, ())
    assert (extents.latest, extents.totals) == (_NOW, {"readings": 10, "windows": 3})


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 50)), max_size=30),
                max_size=5))  # fmt: skip
def test_extents_are_those_of_all_that_was_noted(batches: list[list[tuple[int, int]]]) -> None:
    extents = Extents()
    for number in range(1501):
        extents.add(number, "")
    seen: dict[int, list[int]] = {}
    for batch in batches:
        series, time = (np.array([one[at] for one in batch], np.int64) for at in (0, 1))
        extents.note(series.astype(np.int32), time, "readings")
        for number, at in batch:
            seen.setdefault(number, []).append(at)
    for number, times in seen.items():
        one = extents.info(number, ("s", "m"))
        assert (one.first, one.last, one.readings) == (min(times), max(times), len(times))


def test_lanes_are_those_that_are_wanted_and_then_the_worst(tmp_path: Path) -> None:
    store = SeriesStore(tmp_path)
    store.add_windows(
        f'{{"source_id":"s{at:02}","metric_name":"m","window_end":1800000000,"score":{at / 100}}}'
        .encode() for at in range(50)
    )  # fmt: skip
    found = store.lanes(_NOW - _HOUR, _NOW, 10, ["s03", "nowhere"], 4)
    assert (sorted(found.scores), found.total) == (["s03", "s47", "s48", "s49"], 50)
    assert found.scores["s49"][0][1] == 0.49
    store.close()


def _filled(folder: Path, count: int) -> SeriesStore:
    store = SeriesStore(folder)
    store.add_rows(_rows([(f"m-{at // 20:05}", f"metric-{at % 20:02}") for at in range(count)]))
    store.add_windows(
        b'{"source_id":"m-%05d","metric_name":"metric-%02d","window_end":1800000000,"score":0.1}'
        % (at // 20, at % 20) for at in range(count)
    )  # fmt: skip
    return store


def _cost(store: SeriesStore, what: str) -> float:
    """The least seconds of CPU of all threads, of seven tries."""
    place = ("m-00100", "metric-07")
    asks: dict[str, Callable[[], object]] = {
        "page": lambda: store.find("", place, 101),
        "search": lambda: store.find("-0042", None, 101),
        "sources": lambda: store.sources("m-00100", 101), "extent": lambda: store.extent("m-00100"),
        "status": lambda: store.status("m-00100"), "totals": store.totals,
        "silence": lambda: store.silence(_NOW), "info": lambda: store.info(*place),
        "lanes": lambda: store.lanes(_NOW - _HOUR, _NOW + 1, 200, [], 300),
    }  # fmt: skip
    ask = asks[what]
    found = []
    for _ in range(7):
        began = time.process_time()
        ask()
        found.append(time.process_time() - began)
    return min(found)


def test_a_page_costs_hardly_more_of_forty_times_as_many_series(tmp_path: Path) -> None:
    few, many = _filled(tmp_path / "few", 5_000), _filled(tmp_path / "many", 200_000)
    assert (few.count, many.count) == (5_000, 200_000)
    for what in ("page", "search", "sources", "extent", "status", "totals", "silence", "info"):
        assert _cost(many, what) < 8 * _cost(few, what) + 0.015, what
    assert len(many.lanes(_NOW - _HOUR, _NOW + 1, 200, [], 300).scores) == 300
    assert _cost(many, "lanes") < 0.5
    few.close()
    many.close()
