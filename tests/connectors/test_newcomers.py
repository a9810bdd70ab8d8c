"""What people first try: names that say nothing, times by any name, times from a beginning."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from padit.analysis.losses import remedies
from padit.cli.main import main
from padit.connectors.file_looks import MAGIC, looks_like
from padit.connectors.file_options import FileOptions
from padit.connectors.tables.dialect import find_dialect
from padit.connectors.tables.stream import _Blanks, squeeze
from padit.connectors.uris import source_from_uri
from padit.domain.errors import ConfigurationError
from padit.domain.losses import Loss
from padit.domain.rows import Rows, concatenate
from tests.connectors.reading import reads_of

START = 1_767_571_200


def read(uri: str) -> Rows:
    """All samples of a file."""
    return concatenate([one.rows for one in reads_of(source_from_uri(uri))])


def _text(names: str, *rows: str) -> str:
    return "\n".join([names, *rows]) + "\n"


@pytest.mark.parametrize(
    ("names", "row", "column"),
    [
        (
            "entity_id,state,last_changed",
            "sensor.t,{i}.5,2026-01-05T00:00:{i:02d}.123Z",
            "last_changed",
        ),
        ("t_stamp,Level", "Mon Jan 05 00:00:{i:02d} UTC 2026,{i}.5", "t_stamp"),
        ("frame.time_epoch,len", "17675712{i:02d}.5,{i}", "frame.time_epoch"),
        ("level,Messzeitpunkt", "{i}.5,05.01.2026 00:00:{i:02d}", "Messzeitpunkt"),
        (
            "VarValue;TimeString;Time_ms",
            "{i},5;05.01.2026 00:00:{i:02d};46027{i:02d}0000",
            "TimeString",
        ),
        ("bytes,what", "17675712{i:02d},2026-01-05 00:00:{i:02d}", "what"),
    ],
)
def test_the_column_of_times_is_proposed_by_its_cells(
    names: str, row: str, column: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(_text(names, *(row.format(i=i) for i in range(10, 40))))
    assert main(["look", str(path)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"the event time is in {column!r}" in shown
    assert "2026-01-05 00:00:10" in shown
    assert f"timestamp={column}" in shown


def test_numbers_that_could_be_times_are_no_proposal_without_a_name_that_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(_text("bytes,free", *(f"17675712{i},{i}" for i in range(10, 40))))
    assert main(["look", str(path)]) == 3
    assert "Perhaps you mean" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "scale"), [("", 1), ("&time_format=epoch_ms", 1000), ("&time_format=epoch_s", 1)]
)
def test_times_that_count_from_a_beginning_are_read_from_start(
    option: str, scale: int, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    stamps = [0, 0.5, 1, 2.25]
    path.write_text(_text("Time,v", *(f"{one * scale:g},{i}" for i, one in enumerate(stamps))))
    found = read(f"{path}?timestamp=Time&start=2026-01-05T00:00:00Z{option}")
    assert found.time.tolist() == [(START * 1_000_000) + round(one * 1e6) for one in stamps]
    assert found.value.tolist() == [0, 1, 2, 3]


def test_times_of_parquet_count_from_start_too(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"t": [0.0, 1.5], "v": [1.0, 2.0]}), path)
    found = read(f"{path}?timestamp=t&start=2026-01-05T00:00:00Z")
    assert found.time.tolist() == [START * 1_000_000, START * 1_000_000 + 1_500_000]


def test_small_times_have_start_as_the_remedy_and_large_ones_do_not() -> None:
    def remedy(stamp: str, place: str = "a.csv") -> str:
        reason = f"timestamp '{stamp}' is not in 2000 to 2199"
        return remedies.remedy_of(Loss("timestamp", 1, reason, place))

    assert "start=" in remedy("0.000000")
    assert "start=" in remedy("12.5")
    assert "start=" not in remedy("-1.5")
    assert "start=" not in remedy("400000000")
    assert "start=" not in remedy("0.5", "topic")


@pytest.mark.parametrize("name", ["run.dat", "cpu-user-2026-01-05", "results.jtl"])
def test_a_table_of_any_name_is_read_with_its_suffix_stated(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(_text("timestamp,v", f"{START},1", f"{START + 1},2"))
    with pytest.raises(ConfigurationError, match="suffix=csv") as caught:
        read(str(path))
    proposed = str(caught.value).split("as in '")[1].split("'")[0]
    assert read(proposed).value.tolist() == [1, 2]


def test_json_of_any_name_is_known_by_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "export.dump"
    path.write_text(f'[{{"timestamp": {START}, "source_id": "a", "metric_name": "m", "value": 1}}]')
    with pytest.raises(ConfigurationError, match="It holds JSON"):
        read(str(path))
    assert read(f"{path}?suffix=json").value.tolist() == [1]


@pytest.mark.parametrize(("magic", "what", "remedy"), MAGIC)
def test_what_is_no_text_is_named_with_what_helps(
    magic: bytes, what: str, remedy: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(magic + b"\x00" * 100)
    assert looks_like(str(path)) == f". It is {what}: {remedy}"


def test_of_other_bytes_and_of_nothing_no_table_is_proposed(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(range(32)) * 8)
    (tmp_path / "b.bin").write_bytes(b"")
    assert looks_like(str(tmp_path / "a.bin")) == ". It is no text: export it as CSV or JSON"
    assert looks_like(str(tmp_path / "b.bin")) == ". It is empty"
    assert looks_like(str(tmp_path / "none.bin")) == ""


ALIGNED = "# time(s) rate(Mbps)  delay\n" + "".join(
    f"{i * 0.5:6.1f}   {20 + i:8.3f}\t {i % 3:4d}  \n" for i in range(40)
)


def test_columns_aligned_with_blanks_are_found_out_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ns3.txt"
    path.write_text(ALIGNED)
    place = f"{path}?timestamp=time(s)&start=2026-01-05T00:00:00Z"
    assert main(["look", place]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "columns are aligned with blanks (the option: delimiter=blanks)" in shown
    assert "80 of 80 samples are usable, of 2 series" in shown
    stated = read(f"{place}&delimiter=blanks&comment=%23")
    found = read(place)
    assert found.value.tolist() == stated.value.tolist()
    assert found.time.tolist() == stated.time.tolist()
    assert sorted(found.value.tolist())[-1] == 59.0


def test_blanks_are_squeezed_however_the_text_is_cut() -> None:
    text = b"  a   b \r\n\n 1\t\t2  \n3 4"
    whole = squeeze(text.strip(b" \t"))
    assert whole == b"a\tb\r\n\n1\t2\n3\t4"
    for size in range(1, len(text)):
        blanks = _Blanks()
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        assert b"".join(map(blanks.squeezed, pieces)).replace(b"\r", b"") == whole.replace(
            b"\r", b""
        )


@pytest.mark.parametrize(
    "text",
    ["timestamp,note\n2026-01-05,a b c\n2026-01-06,d e f\n", "a\n1\n2\n", "x y\nfoo bar\n" * 9],
)
def test_text_with_blanks_in_it_is_no_aligned_table(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    dialect = find_dialect(str(path), FileOptions(), ".csv")
    assert not dialect.text.blanks
