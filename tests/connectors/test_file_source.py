"""Files read right: mappings, bad rows, bounds, offsets; and the real data."""

import json
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from padit.connectors.file_options import file_options
from padit.connectors.file_source import FileSource
from padit.connectors.source import PartitionRange
from padit.connectors.uris import Bounds, source_from_uri
from padit.domain.errors import ConfigurationError, SourceError
from padit.domain.metric import Series
from padit.domain.timestamps import parse_timestamp
from tests.connectors.reading import decoder, letters, reads_of, samples, shared

T0 = 1_700_000_000_000_000


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_narrow_csv_gives_the_samples_of_its_rows(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        "timestamp,source_id,metric_name,value,unit\n"
        "1700000000,m1,temp,1.5,K\n"
        "1700000001000,m2,temp,-2e3,\n",
    )
    assert samples(reads_of(source_from_uri(path))) == [
        (Series("m1", "temp", "K"), T0, 1.5),
        (Series("m2", "temp", ""), T0 + 1_000_000, -2000.0),
    ]


def test_two_columns_are_a_metric_named_value_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "pump.csv", "timestamp,value\n2023-11-14 22:13:20,7\n")
    assert samples(reads_of(source_from_uri(path))) == [(Series("pump", "value"), T0, 7.0)]


def test_wide_csv_gives_one_metric_per_numeric_column(tmp_path: Path) -> None:
    path = write(
        tmp_path / "w.csv",
        "\ufeffdatetime;a;b [K];label;note\r\n"
        "2023-11-14T22:13:20Z;1;;0;x\r\n"
        "2023-11-14T23:13:21.5+01:00;NaN;2;1;y\r\n",
    )
    uri = path + "?delimiter=;&timestamp=datetime&source_id=v&ignore=label&rename=b [K]:b&units=b:K"
    assert samples(reads_of(source_from_uri(uri))) == [
        (Series("v", "a"), T0, 1.0),
        (Series("v", "b", "K"), T0 + 1_500_000, 2.0),
    ]


def test_wide_csv_takes_the_source_from_a_column(tmp_path: Path) -> None:
    path = write(tmp_path / "w.csv", "timestamp,host,cpu,ram\n1700000000,h1,1,2\n1700000001,,3,4\n")
    reads = reads_of(source_from_uri(path + "?source_column=host"))
    assert samples(reads) == [(Series("h1", "cpu"), T0, 1.0), (Series("h1", "ram"), T0, 2.0)]
    assert [(one.offset, one.reason) for one in letters(reads)] == [(1, "source_id is empty")]


def test_given_times_follow_the_row_number_from_any_offset(tmp_path: Path) -> None:
    path = write(tmp_path / "w.csv", "a\tb\n1\tx\n\n3\tx\n")
    source = source_from_uri(path + "?delimiter=tab&start=2023-11-14T22:13:20Z&step=0.5&metrics=a")
    later = samples(reads_of(source, [PartitionRange(0, 2, 3)]))
    assert later == samples(reads_of(source))[-1:] == [(Series("w", "a"), T0 + 1_000_000, 3.0)]


def test_header_less_csv_takes_names_from_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "1700000000,1\n1700000001,2")
    source = source_from_uri(path + "?columns=timestamp,value")
    assert [value for _, _, value in samples(reads_of(source))] == [1.0, 2.0]


def test_a_yaml_mapping_says_the_same_as_a_query(tmp_path: Path) -> None:
    path = write(tmp_path / "w.csv", "when|a|b\n1700000000|1|2\n")
    by_query = source_from_uri(path + "?delimiter=pipe&timestamp=when&ignore=b&units=a:K")
    mapping = {"delimiter": "|", "timestamp": "when", "ignore": ["b"], "units": {"a": "K"}}
    assert samples(reads_of(source_from_uri(path, mapping=mapping))) == samples(reads_of(by_query))


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1700000000", T0),
        ("1700000000123", T0 + 123_000),
        ("1700000000.25", T0 + 250_000),
        ("2023-11-14 22:13:20", T0),
        ("2023-11-14T22:13:20.123456789Z", T0 + 123_456),
        ("2023-11-15T00:13:20+02:00", T0),
        ("2023-11-14T22:13:20,5Z", T0 + 500_000),
        ("20231114T221320Z", T0),
    ],
)
def test_every_form_of_timestamp_is_read_alike_among_others(
    tmp_path: Path, text: str, micros: int
) -> None:
    path = write(tmp_path / "t.csv", f'timestamp,value\n"{text}",1\n1700000009,2\n"{text}",3\n')
    times = [time for _, time, _ in samples(reads_of(source_from_uri(path)))]
    second = micros + (micros % 1000 == 0)  # two samples at a time that may be rounded
    assert times == [micros, second, 1_700_000_009_000_000]
    assert micros == parse_timestamp(float(text) if text.replace(".", "").isdigit() else text)


def test_what_cannot_be_read_is_a_dead_letter_with_its_line(tmp_path: Path) -> None:
    lines = [
        b"timestamp,source_id,metric_name,value,metric_type",
        b"1700000000,m,ok,1,latency",
        b"1700000000,m,text,abc,",
        b"1700000000,m,infinite,inf,",
        b"1700000000,m,empty,,",
        b"yesterday,m,time,1,",
        b"1.0,m,old,1,",
        b"1700000000,,nobody,1,",
        b"1700000000,m," + b"n" * 513 + b",1,",
        b"1700000000,m,kind,1,speed",
        b"1700000000,m,short",
        b"1700000000,m,\xff\xfe,1,",
        b'1700000000,m,"torn,1,',
        b"",
        b"1700000001,m,ok,2,",
    ]
    path = tmp_path / "bad.csv"
    path.write_bytes(b"\n".join(lines) + b"\n")
    reads = reads_of(source_from_uri(str(path)))
    kept = [("ok", 1), ("kind", 1), ("ok", 2)]  # an unknown type is custom
    assert [(one.metric_name, value) for one, _, value in samples(reads)] == kept
    dead = letters(reads)
    assert [one.offset for one in dead] == [
        1,
        2,
        4,
        5,
        6,
        7,
        9,
        10,
        11,
    ]  # 3 has no value: no sample
    assert [one.original for one in dead] == [*lines[2:4], *lines[5:9], *lines[10:13]]
    assert {one.topic for one in dead} == {str(path)}
    for letter, part in zip(dead, ["abc", "inf", "yesterday", "2000"], strict=False):
        assert part in letter.reason


def test_a_bad_cell_of_a_wide_row_costs_only_its_own_sample(tmp_path: Path) -> None:
    path = write(tmp_path / "w.csv", "timestamp,a,b\n1700000000,oops,2\n1700000001,3,4\nno,5,6\n")
    reads = reads_of(source_from_uri(path))
    assert [value for _, _, value in samples(reads)] == [2.0, 3.0, 4.0]
    assert [(one.offset, one.original) for one in letters(reads)] == [
        (0, b"1700000000,oops,2"),
        (2, b"no,5,6"),
    ]


def test_json_lines_go_through_the_decoder(tmp_path: Path) -> None:
    good = {"timestamp": 1700000000, "source_id": "s", "metric_name": "m", "value": 1}
    lines = [json.dumps(good), "", json.dumps([good, good]), "{broken", json.dumps(good)]
    path = write(tmp_path / "a.jsonl", "\r\n".join(lines))
    reads = reads_of(source_from_uri(path))
    assert samples(reads) == [(Series("s", "m"), T0 + i, 1.0) for i in range(4)]
    assert [(one.offset, one.original) for one in letters(reads)] == [(3, b"{broken")]


def test_parquet_is_read_narrow_and_wide_with_typed_columns(tmp_path: Path) -> None:
    when = pa.array([T0, T0 + 1, None], pa.timestamp("us"))
    names = pa.array(["x", "x", "y"]).dictionary_encode()
    narrow = pa.table(
        {"timestamp": when, "source_id": names, "metric_name": names, "value": [1, 2, 3]}
    )
    pq.write_table(narrow, tmp_path / "n.parquet")
    reads = reads_of(source_from_uri(str(tmp_path / "n.parquet")))
    assert samples(reads) == [(Series("x", "x"), T0, 1.0), (Series("x", "x"), T0 + 1, 2.0)]
    assert json.loads(letters(reads)[0].original)["source_id"] == "y"
    wide = pa.table({"timestamp": when[:2], "a": [1.0, None], "b": [3, 4], "c": ["p", "q"]})
    pq.write_table(wide, tmp_path / "w.parquet")
    reads = reads_of(source_from_uri(str(tmp_path / "w.parquet")))
    assert [(one.metric_name, value) for one, _, value in samples(reads)] == [
        ("a", 1.0),
        ("b", 3.0),
        ("b", 4.0),
    ]


def test_files_of_a_pattern_are_partitions_in_sorted_order(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        write(tmp_path / f"{name}.csv", "timestamp,value\n1700000000,1\n")
    source = source_from_uri(str(tmp_path / "*.csv"))
    assert [one.partition for one in source.ranges()] == [0, 1, 2]
    assert [one.source_id for one, _, _ in samples(reads_of(source))] == ["a", "b", "c"]


def test_a_worker_elsewhere_finds_the_files_of_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    write(tmp_path / "in/b.csv", "timestamp,value\n1700000000,1\nbad,1\n")
    monkeypatch.chdir(tmp_path)
    source = source_from_uri("in/*.csv")
    ranges = source.ranges()
    write(tmp_path / "in/a.csv", "timestamp,value\n1700000000,2\n")
    monkeypatch.chdir("/")
    reader = pickle.loads(pickle.dumps(source)).open(ranges, decoder)  # noqa: S301
    (read,) = reader.read(0)
    reader.close()
    assert read.rows.value.tolist() == [1.0]
    assert [letter.topic for letter in read.dead] == ["in/b.csv"]


def test_bounds_choose_rows_by_number_and_by_event_time(tmp_path: Path) -> None:
    rows = "".join(f"{1700000000 + i},{i}\n" for i in range(10))
    path = write(tmp_path / "a.csv", "timestamp,value\n" + rows)
    bounds = Bounds(start="2", stop=8, start_time=T0 + 4_000_000, stop_time=T0 + 7_000_000)
    source = source_from_uri(path, bounds)
    assert source.ranges() == [PartitionRange(0, 2, 8)]
    assert [value for _, _, value in samples(reads_of(source))] == [4.0, 5.0, 6.0]


def test_a_paused_file_is_not_read(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / f"{name}.csv", "timestamp,value\n1700000000,1\n")
    source = source_from_uri(str(tmp_path / "*.csv"))
    reader = source.open(source.ranges(), lambda values, times: pytest.fail("not JSON"))
    reader.pause(frozenset({0}))
    assert [read.partition for read in reader.read(0)] == [1]
    assert reader.lag() == {0: 1}
    reader.pause(frozenset())
    assert [read.partition for read in reader.read(0)] == [0]


@pytest.mark.parametrize(
    ("content", "query", "parts"),
    [
        (None, "", ["does not exist", "relative paths start at"]),
        ("", "", ["is empty"]),
        ("a\tb\n1\t2\n", "", ["no column 'timestamp'", "a, b"]),
        ("a title\na,b,c\n1,2,3\n2,3,4\n", "", ["line 1 has 1 columns", "skip_lines=1"]),
        ("when,a\n1,2\n", "", ["no column 'timestamp'", "when, a", "timestamp=COLUMN", "step="]),
        ("timestamp,a\n1,2\n", "?metrics=b", ["no column 'b'", "timestamp, a"]),
        ("timestamp,a\n1,x\n", "", ["no numeric column", "metrics="]),
        ("timestamp,a,a\n1,2,3\n", "", ["'a' twice"]),
    ],
)
def test_a_file_that_does_not_fit_is_an_error_with_its_remedy(
    tmp_path: Path, content: str | None, query: str, parts: list[str]
) -> None:
    path = tmp_path / "x.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SourceError) as caught:
        source_from_uri(f"{path}{query}").ranges()
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "part"),
    [
        ("x.csv?delimeter=;", "allowed are: delimiter"),
        ("x.csv?delimiter=ab", "delimiter"),
        ("x.csv?start=2020-01-01", "start needs step"),
        ("x.csv?step=1", "step needs start"),
        ("x.csv?start=1&timestamp=t&time_format=iso", "have a unit as time_format"),
        ("x.csv?start=1&step=-1", "step"),
        ("x.csv?start=soon&step=1", "start"),
        ("x.csv?start=1&step=1&timestamp=t", "contradict"),
        ("x.csv?source_id=a&source_column=b", "contradict"),
        ("x.csv?metrics=a&ignore=b", "contradict"),
        ("x.csv?rename=a", "NAME:VALUE"),
        ("x.csv?ignore=a&ignore=b", "given twice"),
        ("x.jsonl?timestamp=t", "take no options"),
        ("x.parquet?delimiter=;", "no delimiter"),
    ],
)
def test_options_that_are_wrong_name_what_is_allowed(uri: str, part: str) -> None:
    with pytest.raises(ConfigurationError, match=part):
        source_from_uri(uri)


def test_a_file_that_was_cut_while_it_was_read_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "timestamp,value\n1700000000,1\n1700000001,2\n")
    source = source_from_uri(path)
    reader = source.open(source.ranges(), decoder)
    write(tmp_path / "a.csv", "timestamp,value\n1700000000,1\n")
    with pytest.raises(SourceError, match="must not change"):
        [reader.read(0) for _ in range(2)]
    reader.close()
    with pytest.raises(SourceError, match="has been cut"):
        reads_of(source, [PartitionRange(0, 5, 6)])


def test_an_endless_line_is_one_dead_letter_and_costs_no_memory(tmp_path: Path) -> None:
    good = b'{"timestamp":1700000000,"source_id":"s","metric_name":"m","value":1}'
    path = tmp_path / "a.jsonl"
    path.write_bytes(good + b"\n" + b"x" * (40 << 20) + b"\n" + good + b"\n")
    reads = reads_of(source_from_uri(str(path)))
    assert len(samples(reads)) == 2
    (letter,) = letters(reads)
    assert letter.offset == 1
    assert letter.size < 25 << 20


def test_nab_machine_temperature(tmp_path: Path) -> None:
    path = shared("nab/data/realKnownCause/machine_temperature_system_failure.csv")
    found = samples(reads_of(source_from_uri(path)))
    series = Series("machine_temperature_system_failure", "value")
    assert len(found) == 22_695
    assert found[0] == (series, parse_timestamp("2013-12-02 21:15:00"), 73.96732207)
    assert found[-1] == (series, parse_timestamp("2014-02-19 15:25:00"), 96.90386085)


def test_ai4i_with_given_times_and_five_sensors() -> None:
    path = shared("ai4i/ai4i2020.csv")
    options = file_options(
        path,
        {
            "delimiter": "tab",
            "start": "2026-01-01T00:00:00Z",
            "step": 60,
            "source_id": "line-1",
            "ignore": "UDI,Machine failure,TWF,HDF,PWF,OSF,RNF",
        },
    )
    reads = reads_of(FileSource(path, options))
    rows = samples(reads)
    assert len(rows) == 50_000
    assert letters(reads) == []
    torque = [(time, value) for one, time, value in rows if one.metric_name == "Torque [Nm]"]
    start = parse_timestamp("2026-01-01T00:00:00Z")
    assert torque[:2] == [(start, 42.8), (start + 60_000_000, 46.3)]
    assert np.mean([value for _, value in torque]) == pytest.approx(39.98691)


def test_skab_valve_with_eight_sensors() -> None:
    path = shared("skab/data/valve1/1.csv")
    uri = f"{path}?delimiter=;&timestamp=datetime&source_id=valve1&ignore=anomaly,changepoint"
    reads = reads_of(source_from_uri(uri))
    (rows,) = [read.rows for read in reads if len(read.rows)]
    assert len({one.metric_name for one in rows.series}) == 8
    assert len(rows) == 8 * source_from_uri(uri).ranges()[0].stop  # type: ignore[operator]
    assert letters(reads) == []
