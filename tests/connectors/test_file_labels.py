"""Labels and metric types of tables: columns of the names that the configuration gives."""

import json
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.codecs.validate import Validate
from padit.connectors.file_options import file_options
from padit.connectors.file_source import FileSource
from padit.connectors.side_outputs import LabelLog
from padit.connectors.source import PartitionRange, Source
from padit.connectors.units import with_labels
from padit.connectors.uris import source_from_uri
from padit.domain.attributes import LONGEST_LABEL, UNSTATED, Attributes
from padit.domain.rows import Rows, concatenate
from tests.codecs.samples import attributes, plain

T = 1_767_225_600
NAMES = ("cluster", "site")
LONG = "x" * (LONGEST_LABEL + 1)
both = pytest.mark.parametrize("suffix", [".csv", ".parquet"])


def write(path: Path, columns: dict[str, Any]) -> str:
    """A table as CSV or Parquet."""
    table = pa.table(columns)
    if path.suffix == ".csv":
        pa.csv.write_csv(table, path)
    else:
        pq.write_table(table, path, row_group_size=7)
    return str(path)


def read(
    source: Source, names: tuple[str, ...] = NAMES, cuts: Sequence[int] = ()
) -> tuple[Rows, LabelLog]:
    """All rows, with a restore at each of some offsets; and what counts labels left out."""
    (whole,) = source.ranges()
    assert whole.stop is not None
    log = LabelLog(Validate(1 << 20, 1 << 60, names), source.name)
    parts: list[Rows] = []
    start = 0
    for end in sorted({min(cut, whole.stop) for cut in cuts} | {whole.stop}):
        reader = source.open([PartitionRange(0, start, end)], log)
        reads = reader.read(0)
        while not reads[-1].ended:
            reads += reader.read(0)
        reader.close()
        parts += [one.rows for one in reads]
        start = end
    return concatenate(parts), log


def labelled(rows: Rows) -> list[tuple[Any, Attributes]]:
    """Each sample with its attributes."""
    return list(zip(plain(rows), attributes(rows), strict=True))


def named(**labels: str) -> Attributes:
    """Labels alone."""
    return Attributes("custom", tuple(sorted(labels.items())))


NARROW = {
    "timestamp": [T, T + 1, T + 2, T + 3, T + 4],
    "source_id": ["a", "b", "a", "b", "a"],
    "metric_name": ["m"] * 5,
    "value": [1.0, 2.0, 3.0, None, 5.0],
    "metric_type": ["latency", "", "meter", "latency", None],
    "site": ["north", "south", None, "south", ""],
    "cluster": [7, 8, None, 8, 7],
    "other": ["p", "q", "r", "s", "t"],
}


@both
def test_columns_of_a_narrow_table_become_labels_and_families(tmp_path: Path, suffix: str) -> None:
    source = with_labels(source_from_uri(write(tmp_path / f"n{suffix}", NARROW)), NAMES)
    rows, log = read(source)
    assert attributes(rows) == [
        Attributes("latency", (("cluster", "7"), ("site", "north"))),
        named(cluster="8", site="south"), UNSTATED, named(cluster="7"),
    ]  # fmt: skip
    assert log.news() == 0
    assert [one.what for one in source.findings().unwatched] == ["column 'other'"]


@both
def test_an_unknown_family_costs_no_row(tmp_path: Path, suffix: str) -> None:
    table = {**NARROW, "metric_type": ["latency", "meter", "Latency", "x" * 600, "7"]}
    rows, _ = read(source_from_uri(write(tmp_path / f"n{suffix}", table)), ())
    assert len(rows) == 4
    assert [one.metric_type for one in attributes(rows)] == ["latency", *["custom"] * 3]


WIDE = {
    "timestamp": [T, T + 1, T + 2],
    "site": ["north", None, "south"],
    "temp": [1.0, 2.0, None],
    "line": [1, 2, 3],
    "rpm": [10, 20, 30],
    "note": ["x", "y", "z"],
}


@both
def test_columns_of_a_wide_table_become_labels_of_all_samples_of_a_row(
    tmp_path: Path, suffix: str
) -> None:
    path = write(tmp_path / f"w{suffix}", WIDE)
    source = with_labels(source_from_uri(f"{path}?ignore=line"), ("line", "site"))
    rows, _ = read(source, ("line", "site"))
    found = {(series[1], value): one for (series, _, value), one in labelled(rows)}
    assert found == {
        ("temp", 1.0): named(line="1", site="north"), ("rpm", 10.0): named(line="1", site="north"),
        ("temp", 2.0): named(line="2"), ("rpm", 20.0): named(line="2"),
        ("rpm", 30.0): named(line="3", site="south"),
    }  # fmt: skip
    assert [one.what for one in source.findings().unwatched] == ["column 'note'"]


@both
def test_numbers_of_a_wide_table_stay_a_metric_and_that_is_said(
    tmp_path: Path, suffix: str
) -> None:
    source = with_labels(source_from_uri(write(tmp_path / f"w{suffix}", WIDE)), ("line", "site"))
    rows, _ = read(source, ("line", "site"))
    assert {series.metric_name for series in rows.series} == {"temp", "line", "rpm"}
    assert {one.labels for one in attributes(rows)} == {
        (("site", "north"),), (), (("site", "south"),),
    }  # fmt: skip
    guesses = [(one.what, one.option) for one in source.findings().guesses]
    assert (
        "column 'line' holds numbers: it is a metric, and no label", "ignore=line",
    ) in guesses  # fmt: skip


@both
@pytest.mark.parametrize("table", [NARROW, WIDE])
def test_labels_change_no_sample(tmp_path: Path, suffix: str, table: dict[str, Any]) -> None:
    path = write(tmp_path / f"t{suffix}", table)
    bare, _ = read(source_from_uri(path), ())
    rows, _ = read(source_from_uri(path))
    assert plain(rows) == plain(bare)
    assert {one.labels for one in attributes(bare)} == {()}


@both
def test_a_label_that_is_too_long_costs_no_sample_and_is_counted(
    tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    table = {**NARROW, "site": ["north", LONG, LONG, LONG, "south"]}
    with caplog.at_level(logging.WARNING):
        rows, log = read(source_from_uri(write(tmp_path / f"n{suffix}", table)))
    assert len(rows) == 4
    assert [dict(one.labels).get("site") for one in attributes(rows)] == [
        "north", None, None, "south",
    ]  # fmt: skip
    assert log.news() == 2  # the third has no value: it is no sample
    assert f"label site has {LONGEST_LABEL + 1} characters" in caplog.text


def test_a_wide_row_counts_each_of_its_samples_without_a_label(tmp_path: Path) -> None:
    path = write(tmp_path / "w.csv", {**WIDE, "site": ["n", LONG, LONG]})
    _, log = read(source_from_uri(path))
    assert log.news() == 5  # temp, line, rpm; the last row has no temp


@both
def test_labels_stand_in_json_of_a_column_of_metadata_too(tmp_path: Path, suffix: str) -> None:
    texts = [json.dumps(one) for one in ({"site": "s"}, {"x": 1}, {"site": [1]}, {}, {"site": 4})]
    table = {**{name: NARROW[name] for name in NARROW if name != "site"}, "metadata": texts}
    rows, log = read(source_from_uri(write(tmp_path / f"n{suffix}", table)))
    assert [one.labels for one in attributes(rows)] == [
        (("cluster", "7"), ("site", "s")), (("cluster", "8"),), (),
        (("cluster", "7"), ("site", "4")),
    ]  # fmt: skip
    assert log.news() == 1


def test_parquet_has_labels_of_any_plain_type_and_in_structs(tmp_path: Path) -> None:
    n = 2
    columns = {
        "timestamp": [T, T + 1], "temp": [1.0, 2.0],
        "metadata": pa.array([{"rack": "r1", "n": 1}, None], pa.struct(
            [("rack", pa.string()), ("n", pa.int8())])),
        "site": pa.array(["n", "s"]).dictionary_encode(),
        "raw": pa.array([b"ab", b"\xff"]), "view": pa.array(["v", None], pa.string_view()),
        "tags": pa.array([["a"], ["b"]]), "when": pa.array([0, 1], pa.timestamp("us")),
        "none": pa.nulls(n),
    }  # fmt: skip
    path = write(tmp_path / "w.parquet", columns)
    names = ("metadata.n", "none", "rack", "raw", "site", "tags", "view", "when")
    source = with_labels(source_from_uri(f"{path}?ignore=metadata.n"), names)
    rows, _ = read(source, names)
    assert [dict(one.labels) for one in attributes(rows)] == [
        {"metadata.n": "1", "rack": "r1", "raw": "ab", "site": "n", "view": "v"}, {"site": "s"},
    ]  # fmt: skip
    left = {one.what for one in source.findings().unwatched}
    assert left == {"column 'tags'", "column 'when'", "column 'none'"}


def test_the_source_may_be_a_label_too(tmp_path: Path) -> None:
    path = write(tmp_path / "n.csv", NARROW)
    rows, _ = read(source_from_uri(path), ("source_id", "value"))
    assert [one.labels for one in attributes(rows)] == [
        (("source_id", name),) for name in ("a", "b", "a", "a")
    ]


def test_tags_of_annotated_csv_become_labels(tmp_path: Path) -> None:
    path = tmp_path / "i.csv"
    path.write_text(
        "#group,false,false,false,false,true,true,true\n"
        "#datatype,string,long,dateTime:RFC3339,double,string,string,string\n"
        "#default,_result,,,,,,\n"
        ",result,table,_time,_value,_field,_measurement,site\n"
        ",,0,2026-01-01T00:00:00Z,1.5,load,cpu,north\n"
        f",,0,2026-01-01T00:00:01Z,2.5,load,cpu,{LONG}\n"
    )
    rows, log = read(source_from_uri(str(path)))
    assert attributes(rows) == [named(site="north"), UNSTATED]
    assert log.news() == 1
    assert rows.series[0].metric_name == 'cpu_load{site="north"}'


_ROWS = st.lists(
    st.tuples(
        st.integers(0, 40),
        st.sampled_from("ab"),
        st.sampled_from(["north", "south", "", LONG]),
        st.sampled_from(["latency", "custom", "gauge", ""]),
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
    unique_by=lambda row: row[:2],
)


@given(
    rows=_ROWS,
    order=st.randoms(use_true_random=False),
    suffix=st.sampled_from([".csv", ".parquet"]),
    wide=st.booleans(),
    block=st.integers(3, 9),
    most_bytes=st.sampled_from([1, 100, 2000, 1 << 20]),
    cuts=st.lists(st.integers(0, 90), max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_a_permutation_of_a_files_rows_keeps_the_labels(
    rows: list[tuple[int, str, str, str, bool]],
    order: Random,
    suffix: str,
    wide: bool,
    block: int,
    most_bytes: int,
    cuts: list[int],
) -> None:
    expected = sorted(
        (
            (("a" if wide else source, "m", ""), (T + second) * 1_000_000, float(number)),
            Attributes(
                "custom" if wide or kind in ("meter", "") else kind,
                (("site", site),) if site not in ("", LONG) else (),
            ),
        )
        for number, (second, source, site, kind, bad) in enumerate(rows)
        if not bad
    )
    shuffled = list(enumerate(rows))
    order.shuffle(shuffled)
    values = ["inf" if row[4] else f"{number}" for number, row in shuffled]
    columns: dict[str, Any] = {
        "timestamp": [T + row[0] for _, row in shuffled],
        "site": [row[2] for _, row in shuffled],
        ("m" if wide else "value"): values if suffix == ".csv" else [*map(float, values)],
    }
    if not wide:
        columns["source_id"] = [row[1] for _, row in shuffled]
        columns["metric_name"] = ["m"] * len(rows)
        columns["metric_type"] = [row[3] for _, row in shuffled]
    options = file_options("law", {"source_id": "a", "repeats": "drop"} if wide else {})
    with tempfile.TemporaryDirectory() as directory:
        path = write(Path(directory, f"s{suffix}"), columns)
        if all(row[4] for row in rows):
            return  # no number at all is no metric
        source = FileSource(path, options, block_rows=block, sort_bytes=most_bytes)
        found, log = read(source, ("site",), cuts)
        again, alone = read(FileSource(path, options), ("site",))
    assert sorted(labelled(found)) == expected
    assert labelled(found) == labelled(again)
    assert alone.news() == sum(row[2] == LONG and not row[4] for row in rows)
    assert log.news() >= 0


def test_labels_that_are_new_in_every_row_are_sorted_in_little_memory(tmp_path: Path) -> None:
    n = 3000
    columns = {
        "timestamp": [T + n - i for i in range(n)], "temp": [float(i) for i in range(n)],
        "trace": [f"t{i}" for i in range(n)],
    }  # fmt: skip
    path = write(tmp_path / "w.parquet", columns)
    little, _ = read(FileSource(path, sort_bytes=1 << 14), ("trace",))
    much, _ = read(FileSource(path), ("trace",))
    assert labelled(little) == labelled(much)
    assert [one.labels[0][1] for one in attributes(little)] == [f"t{i}" for i in reversed(range(n))]
