"""Tables below a head that says what they are: dstat, TOA5, LAS, performance counters, LabVIEW."""

from pathlib import Path

import pytest

from padit.connectors.uris import source_from_uri
from padit.domain.errors import SourceError
from padit.domain.timestamps import format_utc
from tests.connectors.reading import letters, samples
from tests.connectors.test_tables import seen, write

DSTAT = """"{name} CSV output"
"Author:","Dag Wieers <dag@wieers.com>",,,,"URL:","http://dag.wieers.com/home-made/dstat/"
"Host:","web01",,,,"User:","root"
"Cmdline:","dstat -tcd --output a.csv",,,,"Date:","{date}"

{groups}
{names}
"""
TOA5 = """"TOA5","North","CR1000","1234","CR1000.Std.32","CPU:a.CR1","5678","T1"
"TIMESTAMP","RECORD","AirTC","RH"
"TS","RN","Deg C","%"
"","","Avg","Smp"
"2026-01-05 08:00:00",0,20.5,50
"2026-01-05 08:01:00",1,"NAN",51
"""
LAS = """~Version
 VERS. 2.0 : CWLS
 WRAP.  NO : one line
~Well
 NULL. -999.25 : nothing
~Curve
 {index} : index
 GR .GAPI : gamma
~ASCII
0.0 80.5
1.0 -999.25
2.0 81.5
"""
LVM = """LabVIEW Measurement\t
Separator\tTab
Decimal_Separator\t.
Multi_Headings\tYes
X_Columns\t{kind}
Time_Pref\tRelative
Date\t2026/01/05
Time\t08:00:00
***End_of_Header***\t
"""


def read(uri: str) -> list[tuple[str, str, str, float]]:
    """Samples as (time, source, metric, value); no row may be a dead letter."""
    reads, _ = seen(uri)
    assert letters(reads) == []
    return [
        (format_utc(time)[:21], series.source_id, series.metric_name, value)
        for series, time, value in samples(reads)
    ]


def dstat(path: Path, names: str, groups: str, rows: str, **changes: str) -> str:
    usual = {"name": "Dstat 0.7.3", "date": "05 Jan 2026 23:59:59 UTC"} | changes
    return write(path / "a.csv", DSTAT.format(names=names, groups=groups, **usual) + rows)


@pytest.mark.parametrize("name", ["Dstat 0.7.3", "pcp-dstat 5.3.6", "Dool 1.3.2"])
@pytest.mark.parametrize(
    ("first", "second"),
    [("05-01 23:59:59", "06-01 00:00:00"), ("Jan-05 23:59:59", "Jan-06 00:00:00")],
)
def test_a_recording_of_dstat_has_the_year_of_its_head_and_the_groups_of_its_columns(
    tmp_path: Path, name: str, first: str, second: str
) -> None:
    path = dstat(
        tmp_path, '"time","usr","read","read"', '"system","cpu","dsk/sda","dsk/sdb"',
        f'"{first}",1.5,2,3\n"{second}",2.5,4,5\n', name=name,
    )  # fmt: skip
    assert read(path) == [
        ("2026-01-05T23:59:59.0", "web01", "cpu usr", 1.5),
        ("2026-01-05T23:59:59.0", "web01", "dsk/sda read", 2.0),
        ("2026-01-05T23:59:59.0", "web01", "dsk/sdb read", 3.0),
        ("2026-01-06T00:00:00.0", "web01", "cpu usr", 2.5),
        ("2026-01-06T00:00:00.0", "web01", "dsk/sda read", 4.0),
        ("2026-01-06T00:00:00.0", "web01", "dsk/sdb read", 5.0),
    ]


def test_a_recording_over_new_year_goes_on_in_the_next_one(tmp_path: Path) -> None:
    rows = '"31-12 23:59:59",1\n"01-01 00:00:00",2\n'
    path = dstat(tmp_path, '"time","usr"', '"system","cpu"', rows, date="31 Dec 2025 23:59:59 CET")
    times = [one[0] for one in read(path)]
    assert times == ["2025-12-31T23:59:59.0", "2026-01-01T00:00:00.0"]


def test_a_recording_with_epoch_needs_no_year_and_one_without_a_date_says_what_to_add(
    tmp_path: Path,
) -> None:
    path = dstat(tmp_path, '"epoch","usr"', '"epoch","cpu"', "1767600000.5,1\n1767600001.5,2\n")
    assert [one[0] for one in read(path)] == ["2026-01-05T08:00:00.5", "2026-01-05T08:00:01.5"]
    path = dstat(tmp_path, '"time","usr"', '"system","cpu"', '"05-01 08:00:00",1\n', date="")
    with pytest.raises(SourceError, match="add the day of the first row, such as start="):
        seen(path)


def test_a_table_of_campbell_has_the_names_units_and_station_of_its_head(tmp_path: Path) -> None:
    reads, findings = seen(write(tmp_path / "a.csv", TOA5))
    series = {tuple(one) for one, _, _ in samples(reads)}
    assert series == {("North", "AirTC", "Deg C"), ("North", "RH", "%")}
    assert [one.what for one in findings.unwatched] == ["column 'RECORD'"]
    assert len(samples(reads)) == 3


def test_a_well_log_by_time_leaves_out_the_number_of_its_head(tmp_path: Path) -> None:
    path = write(tmp_path / "a.las", LAS.format(index="TIME.S"))
    with pytest.raises(SourceError, match=r"start=2026-01-05T00:00:00Z&timestamp=TIME"):
        seen(f"{path}?suffix=csv")
    found = read(f"{path}?suffix=csv&start=2026-01-05T00:00:00Z&timestamp=TIME")
    assert [(one[0][11:19], one[3]) for one in found] == [("00:00:00", 80.5), ("00:00:02", 81.5)]


def test_a_well_log_by_depth_is_refused_with_options_that_read_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.las", LAS.format(index="DEPT.M"))
    with pytest.raises(SourceError, match=r"no time.*add start=2026-01-05&step=1"):
        seen(f"{path}?suffix=csv")
    found = read(f"{path}?suffix=csv&start=2026-01-05&step=1")
    assert [one[3] for one in found if one[2] == "GR"] == [80.5, 81.5]


def test_performance_counters_of_windows_have_the_zone_of_their_head(tmp_path: Path) -> None:
    text = (
        '"(PDH-CSV 4.0) (W. Europe Standard Time)(-60)","\\\\SRV\\Memory\\Free"\n'
        '"01/05/2026 08:00:00.500","1024"\n"01/05/2026 08:00:15.500","1025"\n'
    )
    found = read(write(tmp_path / "a.csv", text))
    assert [(one[0], one[3]) for one in found] == [
        ("2026-01-05T07:00:00.5", 1024.0), ("2026-01-05T07:00:15.5", 1025.0),
    ]  # fmt: skip


def segment(clock: str, *rows: str, names: str = "X_Value\tv\tw\tComment") -> str:
    head = f"Channels\t2\nSamples\t2\t2\nDate\t2026/01/05\t2026/01/05\nTime\t{clock}\t{clock}\n"
    head += "X0\t0\t0\nDelta_X\t0.5\t0.5\n***End_of_Header***\n"
    return "\t\n" + head + names + "\n" + "".join(f"{row}\n" for row in rows)


def test_each_segment_of_labview_counts_from_its_own_head(tmp_path: Path) -> None:
    text = LVM.format(kind="One") + segment("08:00:00", "0\t1\t10", "0.5\t2\t20")
    text += segment("09:00:00.25", "0\t3\t30", "0.5\t4\t")
    found = read(write(tmp_path / "m.lvm", text))
    assert [(one[0], one[3]) for one in found if one[2] == "v"] == [
        ("2026-01-05T08:00:00.0", 1.0), ("2026-01-05T08:00:00.5", 2.0),
        ("2026-01-05T09:00:00.2", 3.0), ("2026-01-05T09:00:00.7", 4.0),
    ]  # fmt: skip
    assert [one[3] for one in found if one[2] == "w"] == [10.0, 20.0, 30.0]


def test_a_segment_behind_any_number_of_rows_is_found(tmp_path: Path) -> None:
    rows = [f"{i}\t{i}.5\t1" for i in range(20_000)]
    text = LVM.format(kind="One") + segment("08:00:00", *rows) + segment("23:00:00", "0\t7.5\t1")
    found = read(f"{write(tmp_path / 'm.lvm', text)}?ignore=w")
    assert len(found) == 20_001
    assert found[-1] == ("2026-01-05T23:00:00.0", "m", "v", 7.5)


def test_channels_with_times_of_their_own_are_read_one_at_a_time(tmp_path: Path) -> None:
    rows = ("0\t1\t0\t10", "0.1\t2\t0.5\t20")
    text = LVM.format(kind="Multi") + segment("08:00:00", *rows, names="X_Value\tv\tX_Value\tw")
    path = write(tmp_path / "m.lvm", text)
    with pytest.raises(SourceError, match="with metrics=v or metrics=w"):
        seen(path)
    assert [one[0][17:] for one in read(f"{path}?metrics=v")] == ["00.0", "00.1"]
    assert [(one[0][17:], one[3]) for one in read(f"{path}?metrics=w")] == [
        ("00.0", 10.0), ("00.5", 20.0),
    ]  # fmt: skip


def test_no_x_column_gives_times_by_the_steps_of_the_head(tmp_path: Path) -> None:
    text = LVM.format(kind="No") + segment(
        "08:00:00", "\t1\t10", "\t2\t20", names="\tv\tw\tComment"
    )
    found = read(write(tmp_path / "m.lvm", text))
    assert [(one[0][17:], one[3]) for one in found if one[2] == "v"] == [
        ("00.0", 1.0),
        ("00.5", 2.0),
    ]


def test_segments_with_other_channels_are_refused(tmp_path: Path) -> None:
    text = LVM.format(kind="One") + segment("08:00:00", "0\t1\t2")
    text += segment("09:00:00", "0\t1\t2", names="X_Value\tv\tz\tComment")
    with pytest.raises(SourceError, match="segment 2 has other channels"):
        source_from_uri(write(tmp_path / "m.lvm", text)).ranges()


@pytest.mark.parametrize(
    ("groups", "rows", "expected"),
    [
        ('"system","cpu"', "", "leaves none"),  # it has just begun
        ('"clock","cpu"', '"05-01 23:59:59",1\n', ""),
        ('"clock","cpu"', '\n"05-01 23:59:59",1\n', ""),
    ],
)
def test_a_recording_of_dstat_without_rows_or_with_another_group_of_its_time_is_no_crash(
    tmp_path: Path, groups: str, rows: str, expected: str
) -> None:
    path = dstat(tmp_path, '"time","usr"', groups, rows)
    if expected:
        with pytest.raises(SourceError, match=expected):
            read(path)
        return
    assert read(path) == [("2026-01-05T23:59:59.0", "web01", "cpu usr", 1.0)]


def test_a_zone_of_performance_counters_that_has_no_name_is_said(tmp_path: Path) -> None:
    head = '"(PDH-CSV 4.0) (India Standard Time)(-330)","cpu"\n'
    path = write(tmp_path / "a.csv", head + '"01/05/2026 08:00:00.000","1.5"\n')
    [guess] = seen(path)[1].guesses
    assert "+330 minutes from UTC" in guess.what
    assert "timezone=" in guess.what
    [stated] = seen(f"{path}?timezone=Asia/Kolkata")[1].guesses
    assert "minutes" not in stated.what


SEGMENT = """Channels\t1
Date\t{date}
Time\t09:00:00
***End_of_Header***\t
X_Value\tA\tComment
"""


@pytest.mark.parametrize("x", ["abc", "NaN", "inf", "-inf", "1e300"])
def test_an_x_of_labview_that_is_no_number_of_seconds_is_a_dead_letter(
    tmp_path: Path, x: str
) -> None:
    heads = [SEGMENT.format(date=f"2026/01/0{day}") for day in (5, 6)]
    text = f"{LVM.format(kind='One')}{heads[0]}0\t1\n\n{heads[1]}1.5\t2\n{x}\t3\n"
    reads, _ = seen(write(tmp_path / "a.lvm", text))
    assert [value for _, _, value in samples(reads)] == [1.0, 2.0]
    assert len(letters(reads)) == (0 if x == "abc" else 1)  # a word begins the next head


def test_a_segment_of_labview_whose_date_cannot_be_read_has_not_the_times_of_the_one_before(
    tmp_path: Path,
) -> None:
    heads = [SEGMENT.format(date=date) for date in ("2026/01/05", "06.01.2026")]
    text = f"{LVM.format(kind='One')}{heads[0]}0\t1\n\n{heads[1]}0\t2\n"
    reads, _ = seen(write(tmp_path / "a.lvm", text))
    assert [value for _, _, value in samples(reads)] == [1.0]
    assert len(letters(reads)) == 1
