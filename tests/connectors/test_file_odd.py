"""Files that are none, are cut, or are written wrongly: read, counted, or refused in words."""

from __future__ import annotations

import cProfile
import os
import pstats
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from padit.connectors.uris import source_from_uri
from padit.domain.errors import SourceError
from tests.connectors.reading import letters, samples
from tests.connectors.test_table_refused import refusal
from tests.connectors.test_tables import seen, values, write

ROWS = "".join(f"2026-01-05T00:00:{i:02}Z,{i}\n" for i in range(20))
TABLE = f"timestamp,a\n{ROWS}"


def test_what_is_no_file_is_refused_with_what_it_is(tmp_path: Path) -> None:
    pipe, loop, folder = (tmp_path / name for name in ("pipe.csv", "loop.csv", "folder.csv"))
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    folder.mkdir()
    assert "is a pipe or a device" in refusal(pipe)
    assert "cannot be read: Too many levels" in refusal(loop)
    assert f"name the files in it, '{folder}/*.csv'" in refusal(folder)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json", ".parquet", ".prom", ".lp"])
def test_a_folder_is_refused_alike_in_every_format(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / f"folder{suffix}"
    folder.mkdir()
    assert "is a directory; name the files in it" in refusal(folder)


ELEMENT = '{"timestamp":%d,"source_id":"s","metric_name":"m","value":1}'
ARRAY = "[" + ",\n".join(ELEMENT % (1_767_225_600 + i) for i in range(9)) + "]"
WITHIN = [*range(1, 70), *range(len(ARRAY) - 70, len(ARRAY))]


def test_an_array_that_is_cut_off_anywhere_leaves_a_dead_letter(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for at in WITHIN:
        path.write_text(ARRAY[:at])
        reads, _ = seen(str(path))
        whole = ARRAY[:at].count("}")
        assert (len(samples(reads)), len(letters(reads))) == (whole, 1), ARRAY[:at]
    path.write_text(ARRAY)
    assert letters(seen(str(path))[0]) == []


def test_rows_that_end_with_two_carriage_returns_are_read_and_this_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", TABLE.replace("\n", "\r\r\n"))
    assert values(path) == values(write(tmp_path / "b.csv", TABLE))
    (guess,) = seen(path)[1].guesses
    assert guess.what.startswith("its lines end with two carriage returns")


@pytest.mark.parametrize("encoding", ["utf-32", "utf-16"])
def test_a_byte_order_mark_tells_the_encodings_apart(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "a.csv", TABLE, encoding)
    assert values(path) == values(write(tmp_path / "b.csv", TABLE))


def test_a_refusal_does_not_repeat_a_whole_file(tmp_path: Path) -> None:
    names = ",".join(f"{'x' * 500}{i}" for i in range(90))
    assert len(refusal(Path(write(tmp_path / "a.csv", f"{names}\n{names}\n")))) < 2000
    assert "and 70 more" in refusal(tmp_path / "a.csv")


def test_a_parquet_file_with_a_name_twice_gets_no_advice_for_text(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    times = pa.array([1_767_225_600])
    pq.write_table(pa.Table.from_arrays([times, times, times], ["timestamp", "a", "a"]), path)
    with pytest.raises(SourceError, match="rename one of them where the file is written"):
        source_from_uri(str(path)).ranges()


def _calls(path: str) -> int:
    """Calls, and steps of generators, until a file is understood."""
    profile = cProfile.Profile()
    profile.runcall(source_from_uri(path).ranges)
    return pstats.Stats(profile).total_calls  # type: ignore[attr-defined, no-any-return]


def test_to_understand_a_wide_table_costs_no_more_for_each_column(tmp_path: Path) -> None:
    def wide(columns: int) -> str:
        head = "timestamp," + ",".join(f"m{i}" for i in range(columns))
        rows = "".join(f"2026-01-05T00:00:0{i}Z{f',{i}' * columns}\n" for i in range(5))
        return write(tmp_path / f"{columns}.csv", f"{head}\n{rows}")

    few, many = wide(50), wide(400)
    _calls(few)  # what is imported and cached at first
    assert _calls(many) < 8 * _calls(few)
