"""Times in several columns, as counts, and without a date or a year; numbers for no value."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.analysis.losses.remedies import remedy_of
from padit.codecs.dead_letter import DeadRecord
from padit.connectors.file_plan import NoTimeError, likely_time
from padit.connectors.losses import dead_losses
from padit.connectors.tables import time_formats
from padit.connectors.tables.roles import of_the_day
from padit.connectors.tables.time_formats import parse_format, possible_without_year
from padit.connectors.uris import source_from_uri
from padit.domain.errors import ConfigurationError, SourceError
from padit.domain.timestamps import format_utc
from tests.connectors.reading import letters, reads_of, samples
from tests.connectors.test_tables import seen, write


def times(uri: str) -> list[str]:
    """Times of the first metric; no row may be a dead letter."""
    reads, _ = seen(uri)
    assert letters(reads) == []
    found = samples(reads)
    return [format_utc(time)[:19] for series, time, _ in found if series == found[0][0]]


def likely(path: str) -> str:
    """What is proposed as the column of times."""
    with pytest.raises(NoTimeError) as caught:
        seen(path)
    return caught.value.likely


@pytest.mark.parametrize(
    ("header", "rows", "option", "expected"),
    [
        ("YEAR,DOY,HHMM,a", ["2026,5,930,1", "2026,5,2400,2"], "YEAR+DOY+HHMM",
         ["2026-01-05T09:30:00", "2026-01-06T00:00:00"]),
        ("year,doy,a", ["2026,59,1", "2026,60.25,2"], "year+doy",
         ["2026-02-28T00:00:00", "2026-03-01T06:00:00"]),
        ("st,YY,MM,DD,hh,mm,a", ["x,2026,01,05,08,50,1", "x,2026,01,05,09,00,2"],
         "YY+MM+DD+hh+mm", ["2026-01-05T08:50:00", "2026-01-05T09:00:00"]),
        ("DATE,HHMMSS,a", ["20260105,5959,1", "20260105,80000,2"], "DATE+HHMMSS",
         ["2026-01-05T00:59:59", "2026-01-05T08:00:00"]),
        ("Date,Hour,MW", ["2026-01-05,23,1", "2026-01-05,24,2"], "Date+Hour",
         ["2026-01-05T23:00:00", "2026-01-06T00:00:00"]),
        ("year,month,sales", ["2025,12,1", "2026,1,2"], "year+month",
         ["2025-12-01T00:00:00", "2026-01-01T00:00:00"]),
        ("Datum,von,bis,kWh", [f"05.01.2026,0{i}:00,0{i + 1}:00,{i}" for i in range(4)],
         "Datum+von", [f"2026-01-05T0{i}:00:00" for i in range(4)]),
    ],
)  # fmt: skip
def test_times_of_several_columns_are_proposed_and_read(
    tmp_path: Path, header: str, rows: list[str], option: str, expected: list[str]
) -> None:
    path = write(tmp_path / "a.csv", "\n".join([header, *rows, ""]))
    assert likely(path) == option
    assert times(f"{path}?timestamp={option}") == expected


def test_a_column_that_holds_the_time_goes_before_the_parts_of_it() -> None:
    assert likely_time(["timestamp", "year", "month", "day", "v"]) == "timestamp"
    assert likely_time(["Station", "year", "sales"]) == ""


@given(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_a_time_of_day_without_its_zeros_is_the_one_with_them(
    hour: int, minute: int, second: int
) -> None:

    cell = str(int(f"{hour:02}{minute:02}{second:02}"))
    [micros] = parse_format(pa.array([cell]), "%-H%M%S", 1970).micros.tolist()
    assert micros == ((hour * 60 + minute) * 60 + second) * 1_000_000


@pytest.mark.parametrize(
    ("cells", "name"),
    [
        (["46027", "46027.5"], "excel"),
        (["46027,00000", "46027,50000"], "excel"),
        (["739987", "739987.5"], "matlab"),
        (["2461045.5", "2461046.0"], "julian"),
        (["134120448000000000", "134120880000000000"], "filetime"),
        (["639031680000000000", "639032112000000000"], "ticks"),
    ],
)
def test_times_that_count_days_or_ticks_are_recognised_and_said(
    tmp_path: Path, cells: list[str], name: str
) -> None:
    rows = "".join(f"{cell};{i}\n" for i, cell in enumerate(cells))
    path = write(tmp_path / "a.csv", f"time;v\n{rows}")
    expected = ["2026-01-05T00:00:00", "2026-01-05T12:00:00"]
    assert times(f"{path}?timestamp=time") == expected
    assert times(f"{path}?timestamp=time&time_format={name}") == expected
    [guess] = [one for one in seen(f"{path}?timestamp=time")[1].guesses if "times" in one.what]
    assert guess.option == f"time_format={name}"


def test_seconds_of_a_recording_are_no_days_of_excel(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "time,v\n" + "".join(f"{i * 900},{i}\n" for i in range(100)))
    assert samples(seen(f"{path}?timestamp=time")[0]) == []


def test_a_fraction_of_a_day_is_the_second_that_its_digits_mean(tmp_path: Path) -> None:
    rows = "".join(f"{46027 + i / 1440:.6f},{i}\n" for i in range(60))
    path = write(tmp_path / "a.csv", f"time,v\n{rows}")
    assert times(f"{path}?timestamp=time") == [f"2026-01-05T00:{i:02}:00" for i in range(60)]


def test_times_of_day_alone_are_refused_with_the_options_that_read_them(tmp_path: Path) -> None:
    path = write(tmp_path / "press_20260201.csv", "HHMMSS,v\n235959,1\n000000,2\n000001,3\n")
    options = "timestamp=HHMMSS&start=2026-02-01&time_format=%-H%M%S"
    with pytest.raises(SourceError, match=f"such as {options}"):
        seen(f"{path}?timestamp=HHMMSS")
    expected = ["2026-02-01T23:59:59", "2026-02-02T00:00:00", "2026-02-02T00:00:01"]
    assert times(f"{path}?{options}") == expected


def test_hours_and_minutes_alone_are_read_with_the_options_of_their_letter(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "time,v\n23:45,1\n00:00,2\n")
    options = "start=2026-01-05&timestamp=time&time_format=%H:%M"
    assert options in letters(seen(f"{path}?timestamp=time")[0])[0].reason
    assert times(f"{path}?{options}") == ["2026-01-05T23:45:00", "2026-01-06T00:00:00"]


def test_dates_without_a_year_are_refused_with_the_options_that_read_them(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "at,v\nDec 31 23:59:00,1\nJan  1 00:00:00,2\n")
    options = "timestamp=at&start=2026-12-31&time_format=%b %d %H:%M:%S"
    with pytest.raises(SourceError, match=f"have no year; .* such as {options}"):
        seen(f"{path}?timestamp=at")
    assert times(f"{path}?{options}") == ["2026-12-31T23:59:00", "2027-01-01T00:00:00"]
    with pytest.raises(ConfigurationError, match="has no year: add start="):
        source_from_uri(f"{path}?timestamp=at&time_format=%b %d %H:%M:%S")


def test_a_midnight_is_found_wherever_reading_begins(tmp_path: Path) -> None:
    rows = "".join(
        f"{i // 3600 % 24:02}:{i // 60 % 60:02}:00,{i}\n" for i in range(0, 300_000, 600)
    )
    path = write(tmp_path / "a.csv", f"Time,v\n{rows}")
    uri = f"{path}?timestamp=Time&start=2026-01-05"
    whole = samples(reads_of(source_from_uri(uri)))
    assert format_utc(whole[-1][1])[:16] == "2026-01-08T11:10"
    for block in (7, 144):
        source = source_from_uri(uri)
        source.block_rows = block  # type: ignore[attr-defined]
        assert samples(reads_of(source)) == whole
    [guess] = [one for one in seen(uri)[1].guesses if "go back" in one.what]
    assert "3 times" in guess.what


@pytest.mark.parametrize(
    ("number", "others"), [("-999.25", (80, 120)), ("-9999", (0, 20)), ("9999.9", (-5, 30)),
                           ("65535", (100, 900)), ("1.0E+30", (0, 5))],
)  # fmt: skip
def test_a_number_for_no_value_is_said_with_the_option_that_leaves_it_out(
    tmp_path: Path, number: str, others: tuple[int, int]
) -> None:
    low, high = others
    cells = [number if i % 5 == 0 else str(low + (high - low) * (i % 4) / 4) for i in range(40)]
    rows = "".join(f"{1_767_571_200 + i},{cell}\n" for i, cell in enumerate(cells))
    path = write(tmp_path / "a.csv", f"timestamp,v\n{rows}")
    reads, findings = seen(path)
    assert len(samples(reads)) == 40
    [guess] = [one for one in findings.guesses if "no value" in one.what]
    assert guess.option == f"missing={number}"
    reads, findings = seen(f"{path}?{guess.option}")
    assert (len(samples(reads)), letters(reads)) == (32, [])
    assert not [one for one in findings.guesses if "no value" in one.what]


def test_usual_values_are_no_numbers_for_no_value(tmp_path: Path) -> None:
    rows = "".join(f"{1_767_571_200 + i},{990 + i},{i % 100}\n" for i in range(200))
    _, findings = seen(write(tmp_path / "a.csv", f"timestamp,a,b\n{rows}"))
    assert [one for one in findings.guesses if "no value" in one.what] == []


def test_a_word_for_no_value_is_a_dead_letter_whose_remedy_works(tmp_path: Path) -> None:
    rows = "".join(f"{1_767_571_200 + i},{'No Data' if i % 7 == 3 else i}\n" for i in range(30))
    path = write(tmp_path / "a.csv", f"timestamp,v\n{rows}")
    reads, _ = seen(path)
    [loss] = dead_losses(letters_of(path))
    assert remedy_of(loss) == "missing=No Data, if it stands for no value"
    reads, _ = seen(f"{path}?missing=No Data")
    assert (len(samples(reads)), letters(reads)) == (26, [])


def letters_of(uri: str) -> list[DeadRecord]:
    return [one for read in reads_of(source_from_uri(uri)) for one in read.dead]


def test_a_doubled_name_is_refused_with_names_that_work(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "timestamp,a,a\n1767571200,1,2\n1767571201,3,4\n")
    options = "skip_lines=1&columns=timestamp,a,a 2"
    with pytest.raises(SourceError, match=f"such as {options}"):
        seen(path)
    assert len(samples(seen(f"{path}?{options}")[0])) == 4


def test_columns_that_are_times_of_the_day_are_said(tmp_path: Path) -> None:
    names = [f"{hour:02}:00" for hour in range(24)]
    text = f"timestamp,{','.join(names)}\n2026-01-05T00:00:00Z,{','.join(['1.5'] * 24)}\n"
    _, findings = seen(write(tmp_path / "a.csv", text))
    assert any("are times of the day" in one.what for one in findings.guesses)
    assert of_the_day(["a", "00:00"]) == ""


@pytest.mark.parametrize("cell", ["-0.5", "+5", "99999999999999999999", "-116444736000000000"])
def test_numbers_that_are_no_times_are_no_crash(tmp_path: Path, cell: str) -> None:
    path = write(tmp_path / "a.csv", f"Time,a\n{cell},1\n{cell},2\n")
    reads, _ = seen(f"{path}?timestamp=Time")
    assert len(letters(reads)) == 2


@pytest.mark.parametrize(("name", "days"), [("Time", 0), ("Date", 30)])
def test_whole_numbers_are_days_only_where_the_name_speaks_of_a_date(
    tmp_path: Path, name: str, days: int
) -> None:
    rows = "".join(f"{40_000 + at},{at}\n" for at in range(30))  # or seconds of a day
    path = write(tmp_path / "a.csv", f"{name},a\n{rows}")
    reads, _ = seen(f"{path}?timestamp={name}")
    assert len(samples(reads)) == days


def test_the_remedy_for_times_without_a_year_is_a_day_that_there_is(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "t,a\n29-02 08:00:00,1\n01-03 08:00:00,2\n")
    with pytest.raises(SourceError, match="have no year") as caught:
        seen(f"{path}?timestamp=t")
    options = str(caught.value).partition("such as timestamp")[2]
    found = times(f"{path}?timestamp{options}")
    assert [one[4:] for one in found] == ["-02-29T08:00:00", "-03-01T08:00:00"]


def test_whether_a_cell_has_a_format_without_a_year_is_not_tried_format_by_format(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Columns of text are looked through for times: half a second for each of a wide table."""
    tried: list[str] = []

    def parsed(cells: pa.Array, text: str) -> time_formats.Parsed:
        tried.append(text)
        return parse_format(cells, text)

    monkeypatch.setattr(time_formats, "parse_format", parsed)
    assert possible_without_year("pump 7") == []
    assert possible_without_year("21.5") == []
    assert tried == []
    assert possible_without_year("25-01 08:00") == ["%d-%m %H:%M"]
    assert len(tried) <= 2


def test_seconds_beside_hours_and_minutes_are_read_and_hours_twice_are_no_crash(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "a.csv", "Date,HHMM,Sec,a\n20260105,0930,15,1\n20260105,0931,0,2\n")
    expected = ["2026-01-05T09:30:15", "2026-01-05T09:31:00"]
    assert times(f"{path}?timestamp=Date+HHMM+Sec") == expected
    path = write(tmp_path / "b.csv", "Date,hour,HHMM,a\n20260105,9,0930,1\n")
    reads, _ = seen(f"{path}?timestamp=Date+hour+HHMM")
    assert len(letters(reads)) == 1
