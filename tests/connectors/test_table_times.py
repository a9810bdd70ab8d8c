"""Times of tables: forms, two columns, zones and the hour that comes twice."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from padit.connectors.source import PartitionRange
from padit.connectors.uris import source_from_uri
from padit.domain.errors import ConfigurationError, SourceError
from tests.connectors.reading import letters, reads_of, samples
from tests.connectors.test_tables import options, seen, times, write


def table(path: Path, cells: list[str], sign: str = ";") -> str:
    return write(path, f"timestamp{sign}a\n" + "".join(f"{cell}{sign}1\n" for cell in cells))


@pytest.mark.parametrize(
    ("cells", "form", "first"),
    [
        (["13/01/2026 10:00", "05/01/2026 10:00"], "%d/%m/%Y %H:%M", "2026-01-13T10:00:00"),
        (["1/13/2026 1:05 PM", "1/5/2026 2:05 AM"], "%m/%d/%Y %I:%M %p", "2026-01-13T13:05:00"),
        (["2026/01/05 10:00:00"] * 2, "%Y/%m/%d %H:%M:%S", "2026-01-05T10:00:00"),
        (["20260105100000"] * 2, "%Y%m%d%H%M%S", "2026-01-05T10:00:00"),
        (["05-Jan-2026 10:00:00"] * 2, "%d-%b-%Y %H:%M:%S", "2026-01-05T10:00:00"),
        (["05/Jan/2026:10:00:00 +0100"] * 2, "%d/%b/%Y:%H:%M:%S %z", "2026-01-05T09:00:00"),
        (["2026-01-05 10:00:00 UTC"] * 2, "%Y-%m-%d %H:%M:%S %Z", "2026-01-05T10:00:00"),
        (["5. Dez 2026"] * 2, "%d. %b %Y", "2026-12-05T00:00:00"),
        (["Mon Jan  5 10:00:00 2026"] * 2, "%a %b %d %H:%M:%S %Y", "2026-01-05T10:00:00"),
        (["Mon Jan 05 10:00:00 UTC 2026"] * 2, "%a %b %d %H:%M:%S %Z %Y", "2026-01-05T10:00:00"),
        (["Jan 5 10:00:00 +0100 2026"] * 2, "%b %d %H:%M:%S %z %Y", "2026-01-05T09:00:00"),
    ],
)
def test_a_form_of_time_is_found_out_and_said(
    tmp_path: Path, cells: list[str], form: str, first: str
) -> None:
    path = table(tmp_path / "a.csv", cells)
    assert times(f"{path}?order=arrival")[0] == first
    assert f"time_format={form}" in options(path)
    assert times(f"{path}?time_format={form}&order=arrival")[0] == first


@pytest.mark.parametrize(
    "cells",
    [["05/01/2026 10:00", "06/01/2026 10:00"], ["13/01/2026 10:00", "01/13/2026 10:00"]],
)
def test_day_and_month_that_cannot_be_told_apart_are_refused(
    tmp_path: Path, cells: list[str]
) -> None:
    path = table(tmp_path / "a.csv", cells)
    with pytest.raises(SourceError, match=r"day or the month comes first; add time_format=%"):
        source_from_uri(path).ranges()
    assert times(f"{path}?time_format=%m/%d/%Y %H:%M")[-1][:7] in ("2026-06", "2026-01")


def test_a_cell_of_another_form_is_a_dead_letter_that_names_the_form(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv",
        ["13.01.2026 10:00", "31.02.2026 10:00", "soon", *["14.01.2026 10:00"] * 3],
    )
    reads, _ = seen(path)
    assert [one.offset for one in letters(reads)] == [1, 2]
    assert "it is not %d.%m.%Y %H:%M" in letters(reads)[0].reason


def test_date_and_time_of_two_columns_are_one_time(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "day,clock,a\n05.01.2026,10:00:00,1\n14.01.2026,,2\n")
    reads, _ = seen(f"{path}?timestamp=day%2Bclock")
    assert times(f"{path}?timestamp=day+clock") == ["2026-01-05T10:00:00"]
    assert [one.offset for one in letters(reads)] == [1]


def local(hours: list[str]) -> list[str]:
    return [f"2026-10-25 {hour}:00" for hour in hours]


ASCENDING = ["01:30", "02:00", "02:30", "02:00", "02:30", "03:00"]
UTC = ["23:30", "00:00", "00:30", "01:00", "01:30", "02:00"]


@pytest.mark.parametrize(("hours", "utc"), [(ASCENDING, UTC), (ASCENDING[::-1], UTC[::-1])])
def test_the_repeated_hour_is_told_apart_by_the_order_of_rows_wherever_reading_begins(
    tmp_path: Path, hours: list[str], utc: list[str]
) -> None:
    path = table(tmp_path / "a.csv", local(hours))
    uri = f"{path}?timezone=Europe/Berlin&order=arrival"
    assert [time[11:16] for time in times(uri)] == utc
    assert "repeated_hour=first" in options(uri)
    source = source_from_uri(uri)
    for row in range(6):
        (read,) = reads_of(source, [PartitionRange(0, row, row + 1)])
        assert (
            read.rows.time.tolist()
            == [sample for one in reads_of(source) for sample in one.rows.time.tolist()][
                row : row + 1
            ]
        )


def test_a_repeated_hour_that_the_order_leaves_open_is_refused_until_it_is_stated(
    tmp_path: Path,
) -> None:
    path = table(tmp_path / "a.csv", local(["01:30", "02:30", "03:30"]))
    reads, _ = seen(f"{path}?timezone=Europe/Berlin")
    (letter,) = letters(reads)
    assert "repeated_hour=first" in letter.reason
    for choice, hour in (("first", "00:30"), ("second", "01:30")):
        chosen = times(f"{path}?timezone=Europe/Berlin&repeated_hour={choice}")
        assert chosen[1][11:16] == hour
    reads, _ = seen(
        table(tmp_path / "b.csv", local(ASCENDING)) + "?timezone=Europe/Berlin&repeated_hour=refuse"
    )
    assert len(letters(reads)) == 4


def test_an_hour_that_never_was_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", ["2026-03-29 01:30:00", "2026-03-29 02:30:00"])
    (letter,) = letters(seen(f"{path}?timezone=Europe/Berlin")[0])
    assert "does not exist in Europe/Berlin" in letter.reason
    assert "timezone=Etc/GMT-1" in letter.reason


def test_times_with_an_offset_and_numbers_have_no_need_of_a_zone(tmp_path: Path) -> None:
    cells = ["2026-07-01T10:00:00Z", "2026-07-01T12:00:00+02:00", "2026-07-01T12:00:00"]
    path = table(tmp_path / "a.csv", cells)
    assert set(times(f"{path}?timezone=Europe/Berlin")) == {"2026-07-01T10:00:00"}


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ("timezone=Mars/Base", "no time zone"),
        ("time_format=%d.%m.", "no year"),
        ("time_format=%Y-%m-%d %Q", "%Q"),
        ("encoding=utf-99", "no encoding"),
        ("decimal=dot", "decimal"),
        ("decimal=comma&thousands=comma", "same mark"),
        ("states=ok:good", "states"),
        ("repeated_hour=third", "repeated_hour"),
        ("skip_lines=-1", "skip_lines"),
    ],
)
def test_options_that_are_wrong_are_named(query: str, part: str) -> None:
    with pytest.raises(ConfigurationError, match=part):
        source_from_uri(f"x.csv?{query}")


def test_options_of_text_are_refused_for_parquet() -> None:
    with pytest.raises(ConfigurationError, match="no time_format"):
        source_from_uri("x.parquet?time_format=iso")


def parquet(path: Path, hours: list[str], kind: pa.DataType) -> str:
    column = pa.array(local(hours))
    if not pa.types.is_string(kind):
        column = column.cast(pa.timestamp("us")).cast(kind)
    pq.write_table(pa.table({"timestamp": column, "a": range(len(hours))}), path)
    return str(path)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns", "text"])
@pytest.mark.parametrize(("hours", "utc"), [(ASCENDING, UTC), (ASCENDING[::-1], UTC[::-1])])
def test_times_without_a_zone_in_parquet_are_local_times_of_the_stated_one(
    tmp_path: Path, unit: str, hours: list[str], utc: list[str]
) -> None:
    kind = pa.string() if unit == "text" else pa.timestamp(unit)
    uri = f"{parquet(tmp_path / 'a.parquet', hours, kind)}?timezone=Europe/Berlin&order=arrival"
    assert [time[11:16] for time in times(uri)] == utc
    assert "repeated_hour=first" in options(uri)
    plain = uri.partition("?")[0]
    assert sorted(time[11:16] for time in times(f"{plain}?repeats=drop")) == sorted(hours)


def test_times_with_a_zone_in_parquet_stay_what_they_are(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", ["10:00", "11:00"], pa.timestamp("us", "UTC"))
    assert times(f"{path}?timezone=Europe/Berlin") == times(path)


def test_a_time_in_parquet_that_never_was_or_was_twice_is_refused_with_the_option(
    tmp_path: Path,
) -> None:
    path = parquet(tmp_path / "a.parquet", ["01:30", "02:30", "03:30"], pa.timestamp("ms"))
    (letter,) = letters(seen(f"{path}?timezone=Europe/Berlin")[0])
    assert "repeated_hour=first" in letter.reason
    assert len(times(f"{path}?timezone=Europe/Berlin&repeated_hour=second")) == 3
    days = pa.array(["2026-03-29 02:30:00"]).cast(pa.timestamp("us"))
    pq.write_table(pa.table({"timestamp": days, "a": [1]}), path)
    (letter,) = letters(seen(f"{path}?timezone=Europe/Berlin")[0])
    assert "clocks were set forward" in letter.reason


def test_seconds_since_1970_may_have_a_decimal_comma(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "timestamp;a\n1767600000,25;1,5\n1767600001,5;2,5\n")
    found = [time for _, time, _ in samples(seen(path)[0])]
    assert found == [1_767_600_000_250_000, 1_767_600_001_500_000]
    assert "time_format=epoch_s" in options(path)


def test_no_group_of_thousands_is_a_nought(tmp_path: Path) -> None:
    cells = ["0.125" if i == 9 else f"{5 + i}" for i in range(20)]
    rows = "".join(f"2026-01-05T08:{i:02}:00Z|{one}\n" for i, one in enumerate(cells))
    path = write(tmp_path / "a.csv", f"timestamp|a\n{rows}")
    (letter,) = letters(seen(f"{path}?thousands=point&decimal=comma")[0])
    assert "'0.125' is not a finite number" in letter.reason
