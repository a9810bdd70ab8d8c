"""Tables as people have them: exports of Grafana, Excel and InfluxDB, and what was found out."""

import gzip
import re
from pathlib import Path

import pyarrow as pa
import pytest

from padit.connectors.source import ReadBatch
from padit.connectors.uris import source_from_uri
from padit.domain.errors import SourceError
from padit.domain.findings import Findings
from padit.domain.timestamps import format_utc
from tests.connectors.reading import letters, reads_of, samples

MINUTES = [f"2026-01-05 00:{i:02}:00" for i in range(12)]
EPOCH = 1_767_571_200  # 2026-01-05


def seen(uri: str) -> tuple[list[ReadBatch], Findings]:
    source = source_from_uri(uri)
    return reads_of(source), source.findings()


def values(uri: str) -> dict[str, list[float]]:
    """Values by metric, with the unit behind the name; nothing may be rejected."""
    reads, _ = seen(uri)
    assert letters(reads) == []
    found: dict[str, list[float]] = {}
    for series, _, value in samples(reads):
        found.setdefault(f"{series.metric_name} {series.unit}".strip(), []).append(value)
    return found


def times(uri: str) -> list[str]:
    reads, _ = seen(uri)
    return [format_utc(time)[:19] for _, time, _ in samples(reads)]


def options(uri: str) -> list[str]:
    return [guess.option for guess in seen(uri)[1].guesses]


def write(path: Path, text: str, encoding: str = "utf-8") -> str:
    path.write_bytes(text.encode(encoding))
    return str(path)


# The cases of practitioners.


def test_the_line_that_excel_wants_above_the_header_is_skipped(tmp_path: Path) -> None:
    rows = "".join(f"errors;{t.replace(' ', 'T')}+00:00;{i % 3}\n" for i, t in enumerate(MINUTES))
    path = write(tmp_path / "sep.csv", f"sep=;\nSeries;Time;Value\n{rows}")
    query = "timestamp=Time&metric_column=Series&value_column=Value"
    assert values(f"{path}?delimiter=;&{query}") == {"errors": [float(i % 3) for i in range(12)]}
    assert values(f"{path}?{query}") == values(f"{path}?delimiter=;&{query}")


def test_another_line_for_excel_with_a_tab_and_quotation_marks(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", f'"sep=\t"\r\ntimestamp\ta b\r\n{MINUTES[0]}\t7\r\n')
    assert values(path) == {"a b": [7.0]}


def test_values_with_a_unit_are_a_series_in_that_unit(tmp_path: Path) -> None:
    cells = [20.5 + i % 3 for i in range(12)]
    rows = "".join(f'"{t}","{cells[i]} ms",{100 + i}\n' for i, t in enumerate(MINUTES))
    path = write(tmp_path / "formatted.csv", f'"Time","p95","requests"\n{rows}')
    uri = f"{path}?timestamp=Time"
    assert values(uri) == {"p95 ms": cells, "requests": [100.0 + i for i in range(12)]}
    assert options(uri) == ["units=p95:ms"]


def test_units_of_one_kind_in_a_column_are_converted_and_said(tmp_path: Path) -> None:
    cells = ["950 ms", "1.20 s", "2 mins", "0", "980 ms", "null"]
    rows = "".join(
        f"{t},{cell},{i} %\n" for i, (t, cell) in enumerate(zip(MINUTES, cells, strict=False))
    )
    path = write(tmp_path / "a.csv", f"timestamp,p99,load\n{rows}")
    assert values(path)["p99 ms"] == [950.0, 1200.0, 120_000.0, 0.0, 980.0]
    assert values(path)["load %"] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert values(f"{path}?units=p99:s")["p99 s"] == [0.95, 1.2, 120.0, 0.0, 0.98]
    (guess,) = [one for one in seen(path)[1].guesses if "p99" in one.what]
    assert guess.what == "column 'p99' is in ms, into which mins, s are converted"


def test_units_that_cannot_be_converted_are_never_mixed(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        f"timestamp,mixed,b\n{MINUTES[0]},5 ms,1\n{MINUTES[1]},7 MB,2\n{MINUTES[2]},8 ms,3\n",
    )
    assert values(path) == {"b": [1.0, 2.0, 3.0]}
    (column,) = seen(path)[1].unwatched
    assert column.what == "column 'mixed'"
    assert "cannot be converted: ms, MB" in column.reason
    assert (column.amount, column.numeric, column.unit) == (3, 3, "cells")


def test_sizes_that_grafana_shortens_are_numbers(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv", f"timestamp,n\n{MINUTES[0]},950\n{MINUTES[1]},1.5 K\n{MINUTES[2]},2 Mil"
    )
    assert values(path) == {"n": [950.0, 1500.0, 2_000_000.0]}


def test_a_column_that_begins_with_null_is_judged_by_the_whole_file(tmp_path: Path) -> None:
    rows = "".join(
        f"{(EPOCH + 60 * i) * 1000},{20 + i % 3},{'null' if i < 7 else 50 + i % 3}\n"
        for i in range(12)
    )
    path = write(tmp_path / "null.csv", f'"Time","a","b"\n{rows}')
    found = values(f"{path}?timestamp=Time")
    assert [len(found["a"]), len(found["b"])] == [12, 5]


def test_a_column_of_which_only_the_middle_of_a_long_file_is_filled_is_watched(
    tmp_path: Path,
) -> None:
    rows = "".join(
        f"{EPOCH + i},1,{i if 20_000 < i < 25_000 else 'NA'},{'word' if i < 30_000 else i}\n"
        for i in range(40_000)
    )
    reads, findings = seen(write(tmp_path / "a.csv", f"timestamp,a,b,c\n{rows}"))
    assert sum(one.metric_name == "b" for one, _, _ in samples(reads)) == 4999
    (column,) = findings.unwatched
    assert column.what == "column 'c'"
    assert "less than half of its cells are numbers" in column.reason
    assert column.remedy == "metrics=c"
    assert column.amount == 40_000
    assert 8_000 < column.numeric < 12_000


def test_a_decimal_comma_is_found_out_and_said(tmp_path: Path) -> None:
    rows = "".join(f"{t};2{i % 3},{i % 10};1,5;{i}\n" for i, t in enumerate(MINUTES))
    path = write(tmp_path / "iso.csv", f"\ufeffZeitstempel;Temperatur;Druck;Zaehler\n{rows}")
    uri = f"{path}?timestamp=Zeitstempel"
    assert values(uri)["Druck"] == [1.5] * 12
    assert values(uri)["Temperatur"][:3] == [20.0, 21.1, 22.2]
    assert set(options(uri)) == {"delimiter=semicolon", "decimal=comma"}
    assert options(f"{uri}&delimiter=;&decimal=comma") == []


def test_dates_with_the_day_first_are_read_in_their_zone(tmp_path: Path) -> None:
    rows = "".join(f"05.01.2026 00:{i:02}:00;20\n" for i in range(12))
    path = write(tmp_path / "messwerte.csv", f"\ufeffZeitstempel;Temperatur\n{rows}")
    uri = f"{path}?delimiter=;&timestamp=Zeitstempel"
    assert times(uri)[:2] == ["2026-01-05T00:00:00", "2026-01-05T00:01:00"]
    assert options(uri) == ["time_format=%d.%m.%Y %H:%M:%S"]
    berlin = f"{uri}&timezone=Europe/Berlin&time_format=%d.%m.%Y %H:%M:%S"
    assert times(berlin)[0] == "2026-01-04T23:00:00"
    assert options(berlin) == []


@pytest.mark.parametrize(
    ("cell", "value", "option"),
    [
        ("7,554.9", 7554.9, "thousands=comma"),
        ("7 554.9", 7554.9, "thousands=space"),
        ("7\u202f554.9", 7554.9, "thousands=space"),
        ("7'554.9", 7554.9, "thousands=apostrophe"),
        ("1,234,567", 1234567.0, "thousands=comma"),
    ],
)
def test_the_only_number_with_thousands_is_read(
    tmp_path: Path, cell: str, value: float, option: str
) -> None:
    rows = "".join(f'{t},"{cell if i == 9 else 900.5 + i}"\n' for i, t in enumerate(MINUTES))
    path = write(tmp_path / "thousands.csv", f"timestamp,bytes\n{rows}")
    assert values(path)["bytes"][9] == value
    assert options(path) == [option]


@pytest.mark.parametrize("cell", ["7.554,9", "7 554,9", "7'554,9", "7554,9"])
def test_german_french_and_swiss_thousands_with_a_decimal_comma(tmp_path: Path, cell: str) -> None:
    path = write(
        tmp_path / "a.csv", f"timestamp;a;b\n{MINUTES[0]};{cell};1,25\n{MINUTES[1]};12,5;1.250\n"
    )
    assert values(path) == {"a": [7554.9, 12.5], "b": [1.25, 1250.0]}


@pytest.mark.parametrize(("decimal", "cell"), [("comma", "0.125"), ("point", "-0,125")])
def test_no_group_of_thousands_is_a_nought(tmp_path: Path, decimal: str, cell: str) -> None:
    rows = "".join(f"{t}|{cell if i == 9 else 5 + i}\n" for i, t in enumerate(MINUTES))
    path = write(tmp_path / "a.csv", f"timestamp|a\n{rows}")
    (letter,) = letters(seen(f"{path}?decimal={decimal}")[0])
    assert f"'{cell}' is not a finite number" in letter.reason


def test_a_comma_that_could_be_either_is_not_guessed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", f"timestamp|a|b\n{MINUTES[0]}|1,234|5\n{MINUTES[1]}|2,345|6\n")
    (column,) = seen(path)[1].unwatched
    assert (column.remedy, column.numeric) == ("decimal=comma or decimal=point", 2)
    assert values(f"{path}?decimal=comma")["a"] == [1.234, 2.345]
    assert values(f"{path}?decimal=point")["a"] == [1234.0, 2345.0]


@pytest.mark.parametrize(
    ("unit", "per_second"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)]
)
def test_the_unit_of_times_is_found_out_by_their_size(
    tmp_path: Path, unit: str, per_second: int
) -> None:
    rows = "".join(f"{(EPOCH + 60 * i) * per_second},{20 + i % 3}\n" for i in range(12))
    path = write(tmp_path / "a.csv", f"timestamp,value\n{rows}")
    assert times(path)[:2] == ["2026-01-05T00:00:00", "2026-01-05T00:01:00"]
    assert options(path) == [f"time_format=epoch_{unit}"]
    assert options(f"{path}?time_format=epoch_{unit}") == []


def test_the_unit_is_that_of_the_column_and_not_of_the_cell(tmp_path: Path) -> None:
    rows = "".join(f"{(EPOCH + i) * 10**6},1\n" for i in range(12))
    reads, _ = seen(write(tmp_path / "a.csv", f"timestamp,value\n1700000000,1\n{rows}"))
    assert len(samples(reads)) == 13  # the sample shows both units, so each cell has its own
    path = f"{tmp_path / 'a.csv'}?time_format=epoch_us"
    (letter,) = letters(seen(path)[0])
    assert "1700000000 is not in 2000 to 2199" in letter.reason.replace("'", "")


# Text.


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-16", "utf-16-le"), ("utf-16-le", "utf-16-le"), ("utf-16-be", "utf-16-be"),
        ("cp1252", "cp1252"), ("latin-1", "cp1252"), ("utf-8-sig", None), ("utf-8", None),
    ],
)  # fmt: skip
def test_encodings_are_found_out_and_said(tmp_path: Path, encoding: str, name: str | None) -> None:
    rows = "".join(f"{t};{i};°C\r\n" for i, t in enumerate(MINUTES))
    path = write(tmp_path / "a.csv", f"timestamp;Wärme;unit\r\n{rows}", encoding)
    uri = f"{path}?delimiter=;"
    assert values(uri) == {"Wärme": [float(i) for i in range(12)]}
    assert options(uri) == ([f"encoding={name}"] if name else [])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_they_do(tmp_path: Path, end: str) -> None:
    path = write(tmp_path / "a.csv", end.join(["timestamp,a", f"{EPOCH},1", f"{EPOCH},2", ""]))
    assert values(path) == {"a": [1.0, 2.0]}
    assert ("line_end=cr" in options(path)) == (end == "\r")


def test_comments_titles_and_empty_lines_stand_above_the_header(tmp_path: Path) -> None:
    text = f'# device 7\n#\n\ntimestamp,a\n{EPOCH},1\n# pause, of 5" pipes\n{EPOCH},2\n'
    path = write(tmp_path / "a.csv", text)
    assert values(path) == {"a": [1.0, 2.0]}
    assert "comment=#" in options(path)
    titled = write(tmp_path / "b.csv", f"Report of line 7\nJanuary, cold\ntimestamp,a\n{EPOCH},1\n")
    assert values(f"{titled}?skip_lines=2") == {"a": [1.0]}


def test_a_header_within_a_comment_is_the_header(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", f"# from numpy\n# timestamp,a\n{EPOCH},1\n{EPOCH},2\n")
    assert values(path) == {"a": [1.0, 2.0]}


@pytest.mark.parametrize("header", ["timestamp,a,", "timestamp,a"])
def test_a_delimiter_at_the_end_of_each_line_is_no_column(tmp_path: Path, header: str) -> None:
    path = write(tmp_path / "a.csv", f"{header}\n{EPOCH},1,\n{EPOCH},2,\n")
    assert values(path) == {"a": [1.0, 2.0]}
    assert seen(path)[1].unwatched == []


def test_a_column_without_a_name_is_named_by_its_place(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", f",timestamp,a\n0,{EPOCH},5\n1,{EPOCH},6\n")
    (column,) = seen(path)[1].unwatched
    assert (column.what, column.remedy, column.numeric) == (
        "column 'column 1'",
        "metrics=column 1",
        0,
    )
    assert values(f"{path}?metrics=column 1") == {"column 1": [0.0, 1.0]}


def test_line_breaks_within_quoted_cells_and_names_stay_there(tmp_path: Path) -> None:
    text = (
        f'timestamp,"Temp\n(inside)",note\n{EPOCH},1,"two\nlines, and ""more"""\n'
        f'{EPOCH},2,"torn\n{EPOCH},3,x\n{EPOCH},4,y\n'
    )
    reads, _ = seen(write(tmp_path / "a.csv", text) + "?source_column=note")
    assert [(one.source_id, value) for one, _, value in samples(reads)] == [
        ('two\nlines, and "more"', 1.0),
        ("x", 3.0),
        ("y", 4.0),
    ]
    assert [(one.offset, one.original) for one in letters(reads)] == [
        (1, f'{EPOCH},2,"torn'.encode())
    ]


@pytest.mark.parametrize("sign", [";", "\t", "|", ","])
def test_the_delimiter_is_found_out_where_the_usual_one_does_not_fit(
    tmp_path: Path, sign: str
) -> None:
    rows = "".join(sign.join([t, str(i), "x"]) + "\n" for i, t in enumerate(MINUTES))
    path = write(tmp_path / "a.csv", sign.join(["timestamp", "a", "b"]) + "\n" + rows)
    assert values(path)["a"] == [float(i) for i in range(12)]


@pytest.mark.parametrize("suffix", [".csv.gz", ".csv.zst", ".tsv.gz"])
def test_packed_tables_are_unpacked_and_named_without_their_suffixes(
    tmp_path: Path, suffix: str
) -> None:
    sign = "\t" if "tsv" in suffix else ","
    text = f"timestamp{sign}a\n{EPOCH}{sign}1\n".encode()
    path = tmp_path / f"pump{suffix}"
    packed = (
        gzip.compress(text) if suffix.endswith("gz") else pa.compress(text, "zstd", asbytes=True)
    )
    path.write_bytes(packed)
    (found,) = samples(reads_of(source_from_uri(str(path))))
    assert (found[0].source_id, found[2]) == ("pump", 1.0)
    path.write_bytes(packed[:-3])
    with pytest.raises(SourceError, match="cannot be read"):
        reads_of(source_from_uri(str(path)))


# Cells.


def test_booleans_are_1_and_0_and_other_words_as_stated(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        f"timestamp,valve,door,state\n{EPOCH},true,on,OK\n{EPOCH},FALSE,off,WARN\n{EPOCH},,on,OK\n",
    )
    assert values(path) == {"valve": [1.0, 0.0], "door": [1.0, 0.0, 1.0]}
    (column,) = seen(path)[1].unwatched
    assert (column.remedy, column.numeric) == ("states=ok:0,warn:1", 0)
    assert values(f"{path}?states=ok:0,warn:1,true:1,false:0,on:1,off:0")["state"] == [0, 1, 0]


def test_numbers_as_text_are_numbers(tmp_path: Path) -> None:
    cells = ['"1"', '"=""2"""', "'3", " 4 ", "+5", "\u22126", "7."]
    rows = "".join(f"{EPOCH},{cell}\n" for cell in cells)
    path = write(tmp_path / "a.csv", f"timestamp,a\n{rows}")
    assert values(path) == {"a": [1.0, 2.0, 3.0, 4.0, 5.0, -6.0, 7.0]}


def test_a_narrow_table_takes_units_from_its_cells(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        f"timestamp,metric_name,value,note\n{EPOCH},p95,20 ms,x\n{EPOCH},p95,1.5 s,x\n"
        f"{EPOCH},load,5 %,x\n{EPOCH},n,7,x\n{EPOCH},p95,null,x\n",
    )
    assert values(path) == {"p95 ms": [20.0, 1500.0], "load %": [5.0], "n": [7.0]}
    (column,) = seen(path)[1].unwatched
    assert (column.what, column.amount, column.numeric) == ("column 'note'", 5, 0)


def test_a_number_that_a_narrow_table_leaves_out_is_counted_until_it_is_ignored(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "a.csv", f"timestamp,metric_name,value,quality\n{EPOCH},a,1,192\n")
    (column,) = seen(path)[1].unwatched
    assert column.numeric == 1
    assert "ignore=quality" in column.remedy
    (column,) = seen(f"{path}?ignore=quality")[1].unwatched
    assert (column.amount, column.numeric) == (1, 0)
    assert values(f"{path}?ignore=quality") == {"a": [1.0]}


@pytest.mark.parametrize(
    ("header", "option"),
    [
        ("Datum;Uhrzeit;Temperatur [°C]", "Datum+Uhrzeit"),
        ("Horodatage;Débit", "Horodatage"),
        ("value;Date/Time", "Date/Time"),
        ("cpu;Event Time (UTC)", "Event Time (UTC)"),
    ],
)
def test_the_column_of_the_time_is_proposed_where_its_name_is_another(
    tmp_path: Path, header: str, option: str
) -> None:
    path = write(tmp_path / "a.csv", f"{header}\n{header.count(chr(59)) * chr(59)}1\n")
    with pytest.raises(SourceError, match=re.escape(f"Perhaps you mean timestamp={option}. ")):
        seen(path)


def test_a_title_above_the_header_is_proposed_to_be_skipped(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "Station Nord\nDatum;Wert\n2026-01-05;1\n")
    with pytest.raises(SourceError, match="add skip_lines=1"):
        seen(path)


def test_a_table_without_a_metric_shows_what_its_cells_hold(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", f"timestamp,v\n{MINUTES[0]},<12.5>\n{MINUTES[1]},<13.5>\n")
    with pytest.raises(SourceError, match=r"'v': .*such as '<13.5>'"):
        seen(path)


def test_numbers_with_an_exponent_and_a_decimal_comma_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", f"timestamp;v\n{MINUTES[0]};1,00E+03\n{MINUTES[1]};-2,5E-1\n")
    assert values(path) == {"v": [1000.0, -0.25]}


def test_seconds_and_milliseconds_are_certain_and_finer_times_are_said(tmp_path: Path) -> None:
    for unit, certain in ((1, True), (1000, True), (10**6, False), (10**9, False)):
        path = write(tmp_path / f"{unit}.csv", f"timestamp,v\n{EPOCH * unit},1\n")
        (guess,) = seen(path)[1].guesses
        assert guess.certain == certain
