"""The order of a file's rows has no meaning: any order gives what the sorted file gives."""

import dataclasses
import gzip
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.cli.main import main
from padit.connectors.cursor import advance, first_cursors
from padit.connectors.file_options import file_options
from padit.connectors.file_source import FileSource
from padit.connectors.source import PartitionRange, ReadBatch
from padit.connectors.spill import Sorter, SpillFile
from padit.connectors.uris import Bounds, source_from_uri
from padit.domain.errors import SourceError
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.watermark import WATERMARK_NONE, Vote, find_late
from tests.connectors.reading import letters, reads_of, samples
from tests.pipelines.seed import RULE

CASES = Path(__file__).with_name("cases")
T0 = 1_700_000_000


def read_in_parts(path: str, block: int, most_bytes: int, cuts: Sequence[int]) -> list[ReadBatch]:
    """Read with a restore at each of some offsets, each time from nothing."""
    source = FileSource(path, block_rows=block, sort_bytes=most_bytes)
    (whole,) = source.ranges()
    assert whole.stop is not None
    ends = sorted({min(cut, whole.stop) for cut in cuts} | {whole.stop})
    reads: list[ReadBatch] = []
    start = 0
    for end in ends:
        reads += reads_of(source, [PartitionRange(0, start, end)])
        start = end
    return reads


_ROWS = st.lists(
    st.tuples(st.integers(0, 20), st.sampled_from("ab"), st.integers(0, 3), st.booleans()),
    min_size=1,
    max_size=40,
)


@given(
    rows=_ROWS,
    order=st.randoms(use_true_random=False),
    suffix=st.sampled_from([".csv", ".jsonl", ".json", ".jsonl.gz", ".parquet"]),
    block=st.integers(3, 9),
    most_bytes=st.sampled_from([1, 100, 2000, 1 << 20]),
    cuts=st.lists(st.integers(0, 90), max_size=3),
)
@settings(max_examples=30, deadline=None)
def test_any_order_of_the_rows_gives_the_same_samples_and_dead_letters(
    rows: list[tuple[int, str, int, bool]],
    order: Random,
    suffix: str,
    block: int,
    most_bytes: int,
    cuts: list[int],
) -> None:
    shuffled = [*rows]
    order.shuffle(shuffled)
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory, "s" + suffix))
        write(path, sorted(rows, key=lambda row: row[0]))
        expected = reads_of(FileSource(path))
        write(path, shuffled)
        found = read_in_parts(path, block, most_bytes, cuts)
        again = read_in_parts(path, 7, 1 << 20, [])
    assert whole_seconds(found) == whole_seconds(expected)
    assert len({(one, time) for one, time, _ in samples(found)}) == len(samples(found))
    if len({row[:2] for row in rows}) == len(rows):  # each time of a series once
        assert sorted(samples(found)) == sorted(samples(expected))
    assert samples(found) == samples(again)
    times = [time for _, time, _ in samples(found)]
    assert times == sorted(times)
    originals = [sorted(b"".join(one.original.split()) for one in letters(reads))
                 for reads in (found, expected)]  # fmt: skip
    assert originals[0] == originals[1]
    bad = [number for number, row in enumerate(shuffled) if row[3]]
    assert [one.offset for one in letters(found)] == bad
    assert not any(lost(found))


def whole_seconds(reads: list[ReadBatch]) -> list[tuple[Series, int, float]]:
    """Samples of one series and time stay in the order of the file, which was shuffled."""
    return sorted((one, time // 1_000_000, value) for one, time, value in samples(reads))


def write(path: str, rows: list[tuple[int, str, int, bool]]) -> None:
    """Rows of (second, series, value, whether it is bad) as a file of any format."""
    if path.endswith(".csv"):
        lines = [f"{T0 + t},{s},m,{'x' if bad else v}" for t, s, v, bad in rows]
        Path(path).write_text("\n".join(["timestamp,source_id,metric_name,value", *lines, ""]))
    elif path.endswith(".parquet"):
        table = {
            "timestamp": [T0 + t for t, *_ in rows],
            "source_id": [s for _, s, *_ in rows],
            "metric_name": ["m"] * len(rows),
            "value": [np.inf if bad else float(v) for *_, v, bad in rows],
        }
        pq.write_table(pa.table(table), path, row_group_size=7)
    else:
        records = [
            {"timestamp": T0 + t, "source_id": s, "metric_name": "m", "value": "x" if bad else v}
            for t, s, v, bad in rows
        ]
        lines = [json.dumps(one) for one in records]
        text = json.dumps(records, indent=1) if path.endswith(".json") else "\n".join(lines)
        data = text.encode()
        Path(path).write_bytes(gzip.compress(data) if path.endswith(".gz") else data)


def lost(reads: list[ReadBatch]) -> tuple[int, int]:
    """How many of the samples are late, or too far ahead, when the job takes them."""
    (cursor,) = first_cursors([PartitionRange(0, 0, 1 << 40)], 1)
    for read in reads:
        cursor = advance(cursor, [dataclasses.replace(read, ended=False)], 0).cursor
    at = cursor.at[0]
    return at.late, at.dead_lettered - sum(read.lost for read in reads)


@given(
    steps=st.lists(
        st.tuples(st.sampled_from([0, 1, 60, 301, 7200, 86_401, 900_000]), st.integers(0, 4)),
        min_size=1,
        max_size=80,
    ),
    cut=st.integers(0, 80),
    allowed=st.sampled_from([0, 10, 3600]),
)
@settings(max_examples=80, deadline=None)
def test_in_the_order_of_time_no_row_is_late_or_too_far_ahead_whatever_the_gaps(
    steps: list[tuple[int, int]], cut: int, allowed: int
) -> None:
    names = [Series(f"m{i}", "x") for i in range(5)]
    time = (T0 + np.cumsum([step for step, _ in steps])) * 1_000_000
    code = np.array([one for _, one in steps], np.int32)
    rows = Rows(names, code, time, np.zeros(len(steps)))
    watermark, vote = WATERMARK_NONE, Vote()
    for part in (slice(0, cut), slice(cut, None)):
        chosen = Rows(names, code[part], time[part], rows.value[part])
        found = find_late(chosen, watermark, allowed * 1_000_000, vote)
        assert (found.late, found.far) == (None, None)
        watermark, vote = found.watermark, found.vote


@given(
    times=st.lists(st.integers(0, 30), max_size=200),
    most_bytes=st.sampled_from([1, 300, 3000, 1 << 20]),
    keep=st.booleans(),
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=5),
)
@settings(max_examples=80, deadline=None)
def test_a_sort_in_little_memory_is_the_stable_sort(
    times: list[int], most_bytes: int, keep: bool, sizes: list[int]
) -> None:
    spill = SpillFile()
    sorter = Sorter(spill, most_bytes, keep=keep)
    number = np.arange(len(times), dtype=np.float64)
    first, turn = 0, 0
    while first < len(times):
        size = sizes[turn % len(sizes)]
        part = slice(first, first + size)
        one = Series("s", f"m{turn % 3}")
        count = len(times[part])
        sorter.add(
            Rows([one], np.zeros(count, np.int32), np.array(times[part], np.int64), number[part])
        )
        first, turn = first + size, turn + 1
    sorter.finish()
    order = np.argsort(np.array(times, np.int64), kind="stable")
    parts = [sorter.take(sizes[i % len(sizes)]) for i in range(len(times))]
    found = [value for part in parts for value in part.value.tolist()]
    assert found == number[order].tolist()
    assert len(sorter.take(1)) == 0
    spill.close()


def test_a_full_disk_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def seek(self, _: int) -> None: ...

        def write(self, _: bytes) -> int:
            raise OSError(28, "No space left on device")

        def close(self) -> None: ...

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Full())
    spill = SpillFile()
    with pytest.raises(SourceError, match=r"No space left on device.*TMPDIR"):
        spill.write(b"x")


def test_nothing_is_left_of_a_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    spill = SpillFile()
    place = spill.write(b"abc")
    assert [*tmp_path.iterdir()] == []
    assert spill.read(place) == b"abc"
    spill.close()


def test_many_files_are_sorted_one_after_the_other(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        rows = [(9 - i, "s", i, i == 4) for i in range(10)]
        write(str(tmp_path / f"{name}.csv"), rows)
    source = FileSource(str(tmp_path / "*.csv"), block_rows=3, sort_bytes=64)
    reads = reads_of(source)
    assert len(samples(reads)) == 27
    assert [one.offset for one in letters(reads)] == [4, 4, 4]
    for number in range(3):
        times = [
            time for read in reads if read.partition == number for time in read.rows.time.tolist()
        ]
        assert times == sorted(times)


def test_a_file_in_order_is_read_as_it_stands(tmp_path: Path) -> None:
    path = str(tmp_path / "a.csv")
    write(path, [(i // 2, "ab"[i % 2], i, False) for i in range(10)])
    source = FileSource(path)
    assert source.ranges() == [PartitionRange(0, 0, 10)]
    assert [one.option for one in source.findings().guesses] == ["time_format=epoch_s"]


def test_sorting_is_said_with_the_option_that_changes_it(tmp_path: Path) -> None:
    path = str(tmp_path / "a.csv")
    write(path, [(1, "s", 1, False), (0, "s", 2, False)])
    source = FileSource(path)
    source.ranges()
    (guess,) = (one for one in source.findings().guesses if one.option == "order=arrival")
    assert guess.place == path
    assert "sorted" in guess.what


def test_a_recording_of_a_stream_keeps_its_order_where_that_is_asked_for(tmp_path: Path) -> None:
    path = str(tmp_path / "a.csv")
    write(path, [(1, "s", 1, False), (0, "s", 2, False)])
    found = samples(reads_of(FileSource(path, file_options(path, {"order": "arrival"}))))
    assert [value for _, _, value in found] == [1.0, 2.0]


def test_bounds_by_number_choose_rows_of_the_file(tmp_path: Path) -> None:
    path = str(tmp_path / "a.csv")
    write(path, [(9 - i, "s", i, i == 3) for i in range(10)])
    source = source_from_uri(path, Bounds(start="2", stop=6))
    assert source.ranges() == [PartitionRange(0, 2, 10)]
    reads = reads_of(source)
    assert [value for _, _, value in samples(reads)] == [5.0, 4.0, 2.0]
    assert [one.offset for one in letters(reads)] == [3]


def test_an_array_of_many_times_in_one_line_is_sorted_with_the_other_lines(tmp_path: Path) -> None:
    def sample(second: int, name: str) -> dict[str, object]:
        return {"timestamp": T0 + second, "source_id": name, "metric_name": "m", "value": second}

    lines = [[sample(i, name) for i in range(50)] for name in "abc"]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    found = samples(read_in_parts(str(path), 1, 500, [1, 3, 4, 5]))
    assert [time for _, time, _ in found] == sorted(time for _, time, _ in found)
    assert len(found) == 150


def run(path: Path, out: Path) -> None:
    """A whole job."""
    out.mkdir()
    outputs = [f"--{name}={out / name}.jsonl" for name in ("output", "features")]
    assert main(["run", f"--input={path}?source_id=s", *outputs, "--key_groups=1", RULE]) == 0


def test_case_09_newest_first_is_scored_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(CASES / "newest-first.csv", tmp_path / "out")
    summary = json.loads(capsys.readouterr().out)
    assert summary["scored"] == summary["read"] == 12


def test_case_09_melted_gives_to_the_byte_what_the_sorted_file_gives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header, *rows = (CASES / "melt.csv").read_text().splitlines()
    ordered = tmp_path / "sorted.csv"
    ordered.write_text("\n".join([header, *sorted(rows), ""]))
    found = []
    for number, path in enumerate((CASES / "melt.csv", ordered)):
        out = tmp_path / str(number)
        run(path, out)
        summary = json.loads(capsys.readouterr().out)
        assert summary["scored"] == summary["read"] == 36
        found.append([(out / f"{one}.jsonl").read_bytes() for one in ("output", "features")])
    assert found[0] == found[1]
    assert found[0][1]


def _influx() -> list[tuple[int, str, int, bool]]:
    """Series after series; the second begins two days later, the third stops early."""
    day = 86_400
    return [
        *((60 * i, "pump", i, False) for i in range(200)),
        *((2 * day + 60 * i, "fan", i, False) for i in range(50)),
        *((600 * i, "valve", i, False) for i in range(5)),
    ]


def _grafana() -> list[tuple[int, str, int, bool]]:
    """Newest first, with gaps of days."""
    return [(at, "panel", at % 7, False) for at in (*range(900_000, 899_000, -10), 86_400, 30, 0)]


def _several_exports() -> list[tuple[int, str, int, bool]]:
    """Three exports one after the other, which overlap."""
    return [(100 * part + i, "host", 3, False) for part in (2, 0, 1) for i in range(150)]


@pytest.mark.parametrize("rows", [_influx(), _grafana(), _several_exports()])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl.gz", ".parquet"])
def test_an_export_in_any_order_loses_nothing(
    rows: list[tuple[int, str, int, bool]], suffix: str, tmp_path: Path
) -> None:
    path = str(tmp_path / f"s{suffix}")
    write(path, rows)
    reads = read_in_parts(path, 64, 3000, [100, 300])
    assert not any(lost(reads))
    assert len(samples(reads)) == len(rows)
    times = [time for _, time, _ in samples(reads)]
    assert times == sorted(times)
