"""Files that are no tables are refused with what they are; only states are proposed as states."""

import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from padit.connectors.uris import source_from_uri
from padit.domain.errors import SourceError
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
    assert left.remedy == proposed
