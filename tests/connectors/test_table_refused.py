"""Files that are no tables are refused with what they are; only states are proposed as states."""

import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from padit.connectors.uris import source_from_uri
from padit.domain.errors import SourceError
from tests.connectors.reading import letters, samples
from tests.connectors.test_tables import seen, values, write


def refusal(path: Path) -> str:
    with pytest.raises(SourceError) as caught:
        source_from_uri(str(path)).ranges()
    return str(caught.value)


def test_a_workbook_a_parquet_file_and_other_binaries_are_named(tmp_path: Path) -> None:
    book = tmp_path / "book.csv"
    with zipfile.ZipFile(book, "w") as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
    assert "zip archive, as Excel's .xlsx are; save it as CSV" in refusal(book)
    table = tmp_path / "table.csv"
    pq.write_table(pa.table({"timestamp": [1]}), table)
    assert "it is Parquet; name it with the suffix .parquet" in refusal(table)
    other = tmp_path / "other.csv"
    other.write_bytes(bytes(range(256)) * 20)
    assert "control characters; export it as CSV" in refusal(other)


def test_text_with_a_stray_control_character_is_read(tmp_path: Path) -> None:
    rows = "".join(f"2026-01-05T00:00:{i:02}Z,{i}\n" for i in range(20))
    path = tmp_path / "a.csv"
    path.write_bytes(b"timestamp,a\n" + rows.encode() + b"\x1a")
    assert len(seen(str(path))[0]) > 0
    wide = write(tmp_path / "b.csv", f"timestamp,a\n{rows}", "utf-16-le")
    assert len(values(wide)["a"]) == 20


@pytest.mark.parametrize(
    ("words", "proposed"),
    [
        (["ok", "warn", "error"], "states=error:0,ok:1,warn:2"),
        (["Running", "Stopped", "rinsing"], "states=rinsing:0,running:1,stopped:2"),
        (["host-a", "host-b"], ""),
        (["press", "lathe", "ok"], ""),
        (["red"], ""),
    ],
)
def test_states_are_proposed_for_words_that_are_states(
    tmp_path: Path, words: list[str], proposed: str
) -> None:
    rows = "".join(f"2026-01-05T00:00:{i:02}Z,{i},{words[i % len(words)]}\n" for i in range(12))
    path = write(tmp_path / "a.csv", f"timestamp,a,b\n{rows}")
    (left,) = seen(path)[1].unwatched
    other = "source_column=b if it tells series apart" if len(words) > 1 else ""
    assert left.remedy == (proposed or other)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("2026-01-05 08:00:00,50.24,7\n2026-01-05 08:00:10,51,8\n", "timestamp,value_1,value_2"),
        ("50.4;1767600000\n51.5;1767600010\n", "value_0,timestamp"),
        ("12%\t05.01.2026 08:00\n13%\t05.01.2026 08:01\n", "value_0,timestamp"),
    ],
)
def test_a_table_without_a_header_is_given_the_names_that_read_it(
    tmp_path: Path, text: str, columns: str
) -> None:
    path = write(tmp_path / "a.csv", text)
    assert refusal(tmp_path / "a.csv").endswith(f"name the columns with columns={columns}")
    found = values(f"{path}?columns={columns}")
    assert [len(one) for one in found.values()] == [2] * columns.count(",")


def test_names_that_are_numbers_are_names(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "timestamp,1,2\n2026-01-05T08:00:00Z,3,4\n")
    assert values(path) == {"1": [3.0], "2": [4.0]}


@pytest.mark.parametrize("between", ["", "\n", "Shift;early\n\n"])
def test_title_lines_of_several_cells_are_proposed_to_be_skipped(
    tmp_path: Path, between: str
) -> None:
    body = "timestamp;A;B\n" + "".join(f"2026-01-05 08:00:0{i};{i},5;{i}\n" for i in range(9))
    path = write(tmp_path / "a.csv", f"Report;Line 4\nFrom;2026-01-05\n{between}{body}")
    option = f"skip_lines={2 + between.count(chr(10))}"
    assert f"add {option}," in refusal(tmp_path / "a.csv")
    assert values(f"{path}?{option}")["A"] == [i + 0.5 for i in range(9)]


def test_a_row_that_is_too_long_here_and_there_is_a_bad_row_of_its_own(tmp_path: Path) -> None:
    rows = "".join(f"2026-01-05T08:00:0{i}Z,{i}{',9' * (i % 3 == 0)}\n" for i in range(9))
    path = write(tmp_path / "a.csv", f"timestamp,a\n{rows}")
    reads, _ = seen(path)
    assert [value for _, _, value in samples(reads)] == [1.0, 2.0, 4.0, 5.0, 7.0, 8.0]
    assert len(letters(reads)) == 3


def test_a_column_of_names_that_come_again_may_tell_series_apart(tmp_path: Path) -> None:
    rows = "".join(f"2026-01-05T08:00:0{i}Z,h{i % 3},{i},note {i}\n" for i in range(9))
    path = write(tmp_path / "a.csv", f"timestamp,host,a,note\n{rows}")
    host, note = seen(path)[1].unwatched
    assert host.remedy == "source_column=host if it tells series apart"
    assert note.remedy == ""
    reads, findings = seen(f"{path}?source_column=host")
    assert {series.source_id for series, _, _ in samples(reads)} == {"h0", "h1", "h2"}
    assert [one.what for one in findings.unwatched] == ["column 'note'"]


@pytest.mark.parametrize("cell", ["", "null", "NaN", "-"])
def test_a_column_without_any_value_is_named(tmp_path: Path, cell: str) -> None:
    rows = "".join(f"2026-01-05T08:00:0{i}Z,{i},{cell}\n" for i in range(9))
    path = write(tmp_path / "a.csv", f"timestamp,a,b\n{rows}")
    (one,) = seen(path)[1].unwatched
    assert (one.what, one.reason, one.amount) == ("column 'b'", "no cell holds a value", 0)
