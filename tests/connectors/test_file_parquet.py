"""Parquet as pandas, Spark and DuckDB write it: every type, nested columns, times, and damage."""

import datetime
import decimal
import json
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.connectors import file_parquet
from padit.connectors.file_source import FileSource
from padit.connectors.uris import source_from_uri
from padit.domain.errors import SourceError
from padit.domain.findings import Findings, Unwatched
from tests.connectors.reading import letters, reads_of, samples

T0 = 1_700_000_000
WHEN = pa.array([T0, T0 + 1, T0 + 2], pa.int64())


def table_file(tmp_path: Path, columns: dict[str, Any], **options: Any) -> str:
    """A file of some columns, with three times if they have none."""
    path = str(tmp_path / "t.parquet")
    columns = columns if "timestamp" in columns else {"timestamp": WHEN, **columns}
    pq.write_table(pa.table(columns), path, **options)
    return path


def values_of(path: str) -> dict[str, list[float]]:
    """Values by metric."""
    found: dict[str, list[float]] = {}
    for one, _, value in samples(reads_of(source_from_uri(path))):
        found.setdefault(one.metric_name, []).append(value)
    return found


def findings_of(path: str) -> Findings:
    source = source_from_uri(path)
    source.ranges()
    return source.findings()


D = decimal.Decimal


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1, None, -3], pa.int8()), [1, -3]),
        (pa.array([2**63 + 2048, None, 3], pa.uint64()), [2.0**63 + 2048, 3]),
        (pa.array(np.array([1.5, np.nan, 2], np.float16)), [1.5, 2]),
        (pa.array([1.5, None, 2], pa.float32()), [1.5, 2]),
        (pa.array([D("1.25"), None, D("-2")], pa.decimal128(20, 3)), [1.25, -2]),
        (pa.array([D("1.25"), None, D("-2")], pa.decimal256(60, 3)), [1.25, -2]),
        (pa.array([True, None, False]), [1, 0]),
        (pa.array([1500, None, 2000], pa.duration("ms")), [1.5, 2]),
        (pa.array([1500, None, 2000], pa.duration("ns")), [1.5e-6, 2e-6]),
        (pa.array([1.5, None, 1.5]).dictionary_encode(), [1.5, 1.5]),
        (pa.array(["1.5", None, " 2 "]), [1.5, 2]),
        (pa.array(["1.5", None, "2"], pa.large_string()), [1.5, 2]),
        (pa.array(["1.5", None, "1.5"]).dictionary_encode(), [1.5, 1.5]),
        (pa.array([b"1.5", None, b"2"], pa.binary()), [1.5, 2]),
    ],
    ids=str,
)
def test_every_type_that_holds_numbers_is_watched(
    tmp_path: Path, column: pa.Array, expected: list[float]
) -> None:
    path = table_file(tmp_path, {"x": column, "y": [1.0, 2.0, 3.0]})
    found = values_of(path)
    assert found["x"] == expected
    assert found["y"] == [1.0, 2.0, 3.0]
    assert [one for one in findings_of(path).unwatched if "'x'" in one.what] == []


@pytest.mark.parametrize(
    ("column", "reason", "remedy", "amount"),
    [
        (pa.array(["on", None, "off"]), "text, such as 'on'", "", 2),
        (pa.array(["on", None, "on"]).dictionary_encode(), "text, such as 'on'", "", 2),
        (pa.array([[1.0], None, [2.0, 3.0]]), "lists", "", 3),
        (pa.array([[1.0, 2.0]] * 3, pa.list_(pa.float64(), 2)), "lists", "", 3),
        (pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int64())), "maps", "", 3),
        (pa.array([b"\xff\x00", None, b"\x80"]), "text", "", 2),
        (pa.array([b"ab", None, b"cd"], pa.binary(2)), "fixed_size_binary[2] values", "", 2),
        (pa.nulls(3), "nothing (it has no type)", "", 0),
        (pa.array([1, None, 2], pa.time32("ms")), "times", "metrics=x", 2),
        (pa.array([1, None, 2], pa.time64("us")), "times", "metrics=x", 2),
        (pa.array([1, None, 2], pa.date32()), "times", "metrics=x", 2),
        (pa.array([1, None, 2], pa.timestamp("us", "UTC")), "times", "metrics=x", 2),
    ],
    ids=str,
)
def test_every_other_type_is_named_with_reason_remedy_and_amount(
    tmp_path: Path, column: pa.Array, reason: str, remedy: str, amount: int
) -> None:
    path = table_file(tmp_path, {"x": column, "y": [1.0, 2.0, 3.0]})
    assert values_of(path) == {"y": [1.0, 2.0, 3.0]}
    assert findings_of(path).unwatched == [
        Unwatched(path, "column 'x'", f"it holds {reason}", remedy, amount, "cells")
    ]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1500, None, 2000], pa.time32("ms")), [1.5, 2.0]),
        (pa.array([1, None, 2], pa.date32()), [86400.0, 172800.0]),
        (pa.array([1500, None, 2000], pa.timestamp("ms", "UTC")), [1.5, 2.0]),
    ],
    ids=str,
)
def test_times_are_metrics_in_seconds_where_they_are_asked_for(
    tmp_path: Path, column: pa.Array, expected: list[float]
) -> None:
    assert values_of(table_file(tmp_path, {"x": column}) + "?metrics=x") == {"x": expected}


def test_a_list_that_is_asked_for_as_a_metric_is_refused(tmp_path: Path) -> None:
    path = table_file(tmp_path, {"x": [[1.0]] * 3})
    with pytest.raises(SourceError, match="'x' holds lists, which cannot be a metric"):
        source_from_uri(path + "?metrics=x").ranges()


def test_a_struct_is_read_as_its_parts(tmp_path: Path) -> None:
    inner = [{"a": 1.0, "b": {"c": 2, "d": "x"}}, None, {"a": None, "b": {"c": 3, "d": "y"}}]
    path = table_file(tmp_path, {"s": inner, "y": [1, 2, 3]})
    assert values_of(path) == {"s.a": [1.0], "s.b.c": [2.0, 3.0], "y": [1.0, 2.0, 3.0]}
    assert [one.what for one in findings_of(path).unwatched] == ["column 's.b.d'"]
    assert values_of(path + "?metrics=s.b.c&rename=s.b.c:c") == {"c": [2.0, 3.0]}


MICROS = T0 * 1_000_000 + 123_456


@pytest.mark.parametrize(
    "column",
    [
        pa.array([MICROS // 1000 * 1000], pa.timestamp("us")),
        pa.array([MICROS * 1000 + 789], pa.timestamp("ns")),
        pa.array([MICROS // 1000], pa.timestamp("ms", "Europe/Berlin")),
        pa.array([T0], pa.timestamp("s")),
        pa.array([T0], pa.int64()),
        pa.array([T0], pa.uint32()),
        pa.array([T0 * 1000 + 123], pa.int64()),
        pa.array([MICROS], pa.int64()),
        pa.array([MICROS * 1000 + 789], pa.int64()),
        pa.array([MICROS / 1e6], pa.float64()),
        pa.array(["2023-11-14T22:13:20.123456Z"]),
        pa.array(["2023-11-14 22:13:20"]).dictionary_encode(),
        pa.array([datetime.date(2023, 11, 14)], pa.date32()),
        pa.array([D(T0)], pa.decimal128(20, 0)),
    ],
    ids=str,
)
def test_event_times_of_every_unit_and_zone_are_read(tmp_path: Path, column: pa.Array) -> None:
    path = table_file(tmp_path, {"timestamp": column, "y": [1.0]})
    ((_, micros, _),) = samples(reads_of(source_from_uri(path)))
    step = 86_400_000_000 if pa.types.is_date(column.type) else 1_000_000
    assert micros // step == MICROS // step
    exact = pa.types.is_integer(column.type) and column[0].as_py() > 1e14
    assert not exact or micros == MICROS


def test_int96_of_spark_is_read_beyond_the_range_of_nanoseconds(tmp_path: Path) -> None:
    when = [datetime.datetime(2023, 11, 14, 22, 13, 20), datetime.datetime(2190, 1, 1)]  # noqa: DTZ001
    column = pa.array(when, pa.timestamp("us"))
    path = table_file(tmp_path, {"timestamp": column, "y": [1.0, 2.0]},
                      use_deprecated_int96_timestamps=True)  # fmt: skip
    assert [time for _, time, _ in samples(reads_of(source_from_uri(path)))] == [
        T0 * 1_000_000, column.cast(pa.int64())[1].as_py(),
    ]  # fmt: skip


def test_a_second_count_far_out_of_range_does_not_wrap_into_it(tmp_path: Path) -> None:
    times = pa.array([2**63 // 1_000_000 + T0, T0], pa.timestamp("s"))
    path = table_file(tmp_path, {"timestamp": times, "y": [1.0, 2.0]})
    reads = reads_of(source_from_uri(path))
    assert [value for _, _, value in samples(reads)] == [2.0]
    assert "is not in 2000 to 2199" in letters(reads)[0].reason


def test_the_index_of_pandas_is_the_time_and_that_is_said(tmp_path: Path) -> None:
    meta = {b"pandas": json.dumps({"index_columns": ["__index_level_0__"]}).encode()}
    when = pa.array([T0, T0 + 1, T0 + 2], pa.timestamp("s")).cast(pa.timestamp("ns", "UTC"))
    table = pa.table({"a": [1.0, 2.0, 3.0], "other": when, "__index_level_0__": when})
    path = str(tmp_path / "p.parquet")
    pq.write_table(table.replace_schema_metadata(meta), path)
    assert values_of(path) == {"a": [1.0, 2.0, 3.0]}
    (guess,) = findings_of(path).guesses
    assert "__index_level_0__" in guess.what
    assert guess.option == "timestamp=__index_level_0__"


def test_an_index_of_pandas_that_is_a_number_is_no_metric(tmp_path: Path) -> None:
    meta = {b"pandas": json.dumps({"index_columns": ["__index_level_0__"]}).encode()}
    table = pa.table({"timestamp": WHEN, "a": [1.0] * 3, "__index_level_0__": [5, 6, 7]})
    pq.write_table(table.replace_schema_metadata(meta), tmp_path / "t.parquet")
    path = str(tmp_path / "t.parquet")
    assert values_of(path) == {"a": [1.0] * 3}
    (left,) = findings_of(path).unwatched
    assert (left.reason, left.amount, left.numeric) == ("it is the index of pandas", 3, 0)


def test_the_only_column_with_times_is_the_time_and_two_are_an_error(tmp_path: Path) -> None:
    when = pa.array([T0, T0 + 1], pa.timestamp("s"))
    (tmp_path / "x").mkdir()
    path = str(tmp_path / "one.parquet")
    pq.write_table(pa.table({"ts": when, "y": [1.0, 2.0]}), path)
    assert values_of(path) == {"y": [1.0, 2.0]}
    assert findings_of(path).guesses[0].option == "timestamp=ts"
    pq.write_table(pa.table({"ts": when, "until": when, "y": [1.0, 2.0]}), path)
    with pytest.raises(SourceError, match=r"no column 'timestamp'.*ts, until, y"):
        source_from_uri(path).ranges()


def test_what_is_guessed_about_columns_is_said(tmp_path: Path) -> None:
    columns = {
        "timestamp": pa.array([MICROS] * 3),
        "text": ["1", "2", "x"],
        "lag": pa.array([1, 2, 3], pa.duration("s")),
        "up": [True, False, True],
    }
    said = [one.what for one in findings_of(table_file(tmp_path, columns)).guesses]
    assert said == [
        "'text' holds numbers written as text",
        "'lag' holds durations, read as seconds",
        "'up' holds booleans, read as 0 and 1",
        "the times in 'timestamp' are microseconds since 1970",
    ]


def test_a_time_of_no_possible_type_is_refused(tmp_path: Path) -> None:
    path = table_file(tmp_path, {"timestamp": [True, False], "y": [1.0, 2.0]})
    with pytest.raises(SourceError, match="bool, which is no event time"):
        source_from_uri(path).ranges()


def test_a_dead_letter_shows_a_value_that_python_has_no_form_for(tmp_path: Path) -> None:
    when = pa.array([T0 * 10**9, 2**63 - 1], pa.timestamp("ns"))
    lag = pa.array([1, 7], pa.duration("ns"))
    path = table_file(tmp_path, {"timestamp": when, "lag": lag})
    (letter,) = letters(reads_of(source_from_uri(path)))
    assert "9223372036854775807 (timestamp[ns])" in letter.original.decode()


def test_a_column_that_unpacks_beyond_measure_is_refused_with_the_sizes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_parquet, "_MOST_PAGE", 1 << 20)
    zeros = {"timestamp": np.full(400_000, T0), "y": np.zeros(400_000)}
    path = table_file(tmp_path, zeros, compression="zstd", use_dictionary=False)
    with pytest.raises(SourceError, match=r"bytes of the column .* unpack into 3\d{6}"):
        source_from_uri(path).ranges()


def test_many_rows_in_a_small_file_are_read_in_bounded_pieces(tmp_path: Path) -> None:
    rows, width = 300_000, 40
    columns: dict[str, Any] = {f"m{i}": np.zeros(rows) for i in range(width)}
    names = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), ["n" * 100_000])
    path = table_file(tmp_path, {"timestamp": np.full(rows, T0), **columns, "note": names},
                      row_group_size=rows)  # fmt: skip
    assert Path(path).stat().st_size < 1 << 20
    source = source_from_uri(path)
    reader = source.open(source.ranges(), lambda *_: pytest.fail("no JSON"))
    before = pa.total_allocated_bytes()
    (read,) = reader.read(0)
    assert len(read.rows) == 32_768 * width
    assert pa.total_allocated_bytes() - before < 64 << 20
    reader.close()


@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from([T0, T0 + 1, None, -5]),
            st.sampled_from([1.0, None, float("nan"), float("inf")]),
            st.sampled_from(["1", "2.5", "x", None, ""]),
            st.sampled_from(["on", None]),
        ),
        min_size=1,
        max_size=30,
    )
)
@settings(max_examples=40, deadline=None)
def test_every_cell_is_read_unwatched_or_rejected(rows: list[tuple[Any, ...]]) -> None:
    names = ("timestamp", "a", "b", "state")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    columns["a"] = pa.array(columns["a"], pa.float64())
    columns["b"] = pa.array(columns["b"], pa.string())
    columns["timestamp"] = pa.array(columns["timestamp"], pa.int64())
    columns["state"] = pa.array(columns["state"], pa.string())
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory, "t.parquet"))
        pq.write_table(pa.table(columns), path)
        source = source_from_uri(path)
        reads = reads_of(source)
        left = source.findings().unwatched
    unwatched = sum(one.amount for one in left)
    watched_b = not any("'b'" in one.what for one in left)
    present = 0
    for when, a, b, state in rows:
        filled = (a is not None and a == a) + (b is not None and watched_b and b != "")
        present += filled if when in (T0, T0 + 1) else max(1, filled)  # the time is a cell, too
        present += (b is not None and not watched_b) + (state is not None)
    assert present == len(samples(reads)) + unwatched + sum(read.lost for read in reads)


def whole_file() -> bytes:
    """A small file with a little of everything."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "t.parquet")
        columns = {
            "timestamp": pa.array([T0, T0 + 1, T0 + 2] * 20),
            "a": [1.0, None, 3.0] * 20,
            "text": ["1", "x", None] * 20,
            "s": [{"b": 1}, None, {"b": None}] * 20,
            "list": [[1], [], None] * 20,
        }
        pq.write_table(pa.table(columns), path, row_group_size=17)
        return path.read_bytes()


WHOLE = whole_file()


@pytest.mark.parametrize("seed", range(4))
def test_damaged_bytes_are_a_source_error_and_nothing_else(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    path = tmp_path / "t.parquet"
    for _ in range(60):
        data = bytearray(WHOLE)
        for _ in range(chance.choice([1, 3, 20])):
            data[chance.randrange(len(data))] = chance.randrange(256)
        if chance.random() < 0.2:
            del data[chance.randrange(len(data)) :]
        path.write_bytes(bytes(data))
        source = FileSource(str(path))
        try:
            reads = reads_of(source)
            source.findings()
        except SourceError:
            continue
        assert len(samples(reads)) <= 200
