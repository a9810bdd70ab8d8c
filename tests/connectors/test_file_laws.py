"""Law: any cut into blocks of rows, and any offset to begin at, gives the same rows."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.connectors import file_lines
from padit.connectors.file_options import FileOptions, file_options
from padit.connectors.file_source import FileSource
from padit.connectors.source import PartitionRange
from tests.connectors.reading import letters, reads_of, samples

_CELLS = st.sampled_from(
    ["1", "-2.5", " 3", "4 ", "", "NaN", "nan", "inf", "abc", "NA", "1e400", '"5"', '"6', "1_0"]
)
_TIMES = st.sampled_from(
    [
        "1700000000",
        " 1700000000",
        "1700000001.5",
        "1700000002000",
        "2023-11-14 22:13:20",
        "2023-11-14T22:13:20Z",
        "2023-11-14T22:13:20.1234567",
        "2023-11-15T00:13:20+02:00",
        "",
        "never",
    ]
)
_LINES = st.one_of(
    st.tuples(_TIMES, _CELLS, _CELLS).map(",".join),
    st.sampled_from(
        [
            "",
            " ",
            ",,",
            "1700000000,1",
            '1700000000,"a,b",1',
            "\x00",
            "x\r1,2,3",
            'a"b,"c,1',
            '1700000000,1,3"',
        ]
    ),
)
_ENDS = st.sampled_from(["\n", "\r\n"])


@contextmanager
def file(suffix: str, data: bytes) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "data" + suffix)
        path.write_bytes(data)
        yield str(path)


def check(path: str, options: FileOptions, block: int, offset: int) -> None:
    """Reading in blocks, and in two parts that meet at an offset, gives what one block gives."""
    whole = FileSource(path, options)
    (all_of_it,) = whole.ranges()
    assert all_of_it.stop is not None
    expected = reads_of(whole)
    cut = FileSource(path, options, block_rows=block)
    assert cut.ranges() == [all_of_it]
    offset = min(offset, all_of_it.stop)
    reads = [
        *reads_of(cut, [PartitionRange(0, 0, offset)]),
        *reads_of(cut, [PartitionRange(0, offset, all_of_it.stop)]),
    ]
    assert samples(reads) == samples(expected)
    assert letters(reads) == letters(expected)
    assert reads[-1].following == all_of_it.stop


@given(
    lines=st.lists(_LINES, min_size=1, max_size=30),
    end=_ENDS,
    last=st.booleans(),
    block=st.integers(1, 7),
    offset=st.integers(0, 60),
)
@settings(max_examples=150, deadline=None)
def test_csv(lines: list[str], end: str, last: bool, block: int, offset: int) -> None:
    text = end.join(["timestamp,a,b", *lines]) + (end if last else "")
    with file(".csv", text.encode()) as path:
        check(path, file_options(path, {"metrics": "a,b"}), block, offset)


@given(
    lines=st.lists(
        st.sampled_from(
            [
                '{"timestamp":1700000000,"source_id":"s","metric_name":"m","value":1}',
                '{"timestamp":"2023-11-14T22:13:20Z","source_id":"t","metric_name":"m","value":2}',
                '[{"timestamp":1700000000,"source_id":"s","metric_name":"m","value":3}, 4]',
                "",
                "   ",
                "{",
                '{"timestamp":1,"source_id":"s","metric_name":"m","value":1}',
            ]
        ),
        min_size=1,
        max_size=30,
    ),
    end=_ENDS,
    block=st.integers(1, 7),
    offset=st.integers(0, 60),
)
@settings(max_examples=100, deadline=None)
def test_json_lines(lines: list[str], end: str, block: int, offset: int) -> None:
    with file(".jsonl", end.join([*lines, "{}"]).encode()) as path:
        check(path, FileOptions(), block, offset)


@given(
    values=st.lists(st.one_of(st.none(), st.floats()), min_size=1, max_size=40),
    group=st.integers(1, 11),
    block=st.integers(1, 7),
    offset=st.integers(0, 80),
)
@settings(max_examples=50, deadline=None)
def test_parquet(values: list[float | None], group: int, block: int, offset: int) -> None:
    table = pa.table(
        {"timestamp": [1_700_000_000 + i for i in range(len(values))], "a": pa.array(values, "f8")}
    )
    with file(".parquet", b"") as path:
        pq.write_table(table, path, row_group_size=group)
        check(path, FileOptions(), block, offset)


@pytest.mark.parametrize("chunk", [1, 2, 5, 17, 64, 4096])
def test_the_size_of_what_is_read_from_disk_changes_nothing(
    chunk: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("timestamp,a\r\n" + "".join(f"{1700000000 + i},{i}\r\n" for i in range(50)))
    expected = samples(reads_of(FileSource(str(path))))
    monkeypatch.setattr(file_lines, "_CHUNK", chunk)
    source = FileSource(str(path), file_options("", {"metrics": "a"}), block_rows=7)
    assert samples(reads_of(source)) == expected
    assert len(expected) == 50


def test_a_csv_file_gives_the_values_that_its_json_lines_give(tmp_path: Path) -> None:
    numbers = [0.1, 1e-300, 123456789.123456789, 2.5e17, -7.0, 1 / 3]
    lines = [f"{1700000000 + i / 7!r},s,m,{value!r}" for i, value in enumerate(numbers)]
    (tmp_path / "a.csv").write_text("\n".join(["timestamp,source_id,metric_name,value", *lines]))
    records = [
        f'{{"timestamp":{t},"source_id":"{s}","metric_name":"{m}","value":{v}}}'
        for t, s, m, v in (line.split(",") for line in lines)
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(records))
    from_csv = samples(reads_of(FileSource(str(tmp_path / "a.csv"))))
    assert from_csv == samples(reads_of(FileSource(str(tmp_path / "a.jsonl"))))
