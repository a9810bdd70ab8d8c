"""Reports for people: what `sar`, `iostat`, `vmstat`, `rrdtool`, PRTG and LabVIEW print, as tables.

The files under cases/reports were printed by these programs, or have their layout to the letter.
"""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from padit.connectors.file_options import FileOptions
from padit.connectors.tables.report_lines import Days, Kind
from padit.connectors.tables.reports import Report, find_report, options_of
from padit.connectors.uris import source_from_uri
from padit.domain.errors import SourceError
from padit.domain.timestamps import format_utc
from tests.connectors.reading import letters, samples
from tests.connectors.test_tables import seen, write

CASES = Path(__file__).parent / "cases" / "reports"


def read(name: str) -> list[tuple[str, str, str, float]]:
    """Time, source, metric and value of all samples; nothing may be rejected."""
    reads, _ = seen(str(CASES / name))
    assert letters(reads) == []
    return [
        (format_utc(time)[:19], series.source_id, series.metric_name, value)
        for series, time, value in samples(reads)
    ]


@pytest.mark.parametrize(
    ("name", "count", "expected"),
    [
        ("sar_many.txt", 165, [
            ("2026-11-29T20:00:20", "vm/all", "%user", 26.73),
            ("2026-11-29T20:00:24", "vm/eth0", "%ifutil", 0.0),
            ("2026-11-29T20:00:20", "vm", "kbmemfree", 4620876.0)]),
        ("sar_pm.txt", 26, [
            ("2026-01-05T23:55:01", "web01", "tps", 12.5),
            ("2026-01-06T00:00:01", "web01/all", "%user", 2.44)]),
        ("sar_de.txt", 18, [("2026-01-05T00:40:01", "werk7/all", "%user", 9.8)]),
        ("iostat_xt.txt", 84, [
            ("2026-11-29T19:59:58", "vm", "%user", 69.47),
            ("2026-11-29T19:59:58", "vm/vda", "r/s", 117.19)]),
        ("iostat_iso.txt", 12, [("2026-01-05T09:00:10", "iostat_iso/sda", "%util", 3.5)]),
        ("iostat.txt?start=2026-01-05T08:00:00Z&step=2", 39, [
            ("2026-01-05T08:00:00", "vm/vda", "tps", 261.76),
            ("2026-01-05T08:00:02", "vm", "%user", 29.15)]),
        ("vmstat_t.txt", 68, [("2026-11-29T19:59:58", "vmstat_t", "free", 4948380.0)]),
        ("vmstat.txt?start=2026-01-05T08:00:00Z&step=1&source_id=n1", 68, [
            ("2026-01-05T08:00:03", "n1", "cs", 15631.0)]),
        ("mpstat.txt", 60, [("2026-11-29T20:00:00", "vm/CPU1", "%usr", 46.32)]),
        ("pidstat_h.txt", 77, [
            ("2026-11-29T19:59:59", "vm/UID0/PID1/systemd", "RSS", 17176.0)]),
        ("rrd_fetch.txt", 62, [("2026-01-05T00:01:00", "rrd_fetch", "out", 2.5)]),
        ("a.lvm", 10, [("2026-01-05T09:30:01", "a", "Voltage_1", 2.25)]),
        ("prtg.csv?timestamp=Date Time&time_format=%m/%d/%Y %I:%M:%S %p&metrics=Coverage", 4, [
            ("2026-01-05T03:00:00", "prtg", "Coverage", 100.0)]),
    ],
)  # fmt: skip
def test_what_programs_print_is_read(
    name: str, count: int, expected: list[tuple[str, str, str, float]]
) -> None:
    if name.startswith("prtg"):  # its sums and averages are rows without a time
        reads, _ = seen(str(CASES / name))
        assert [one.reason.partition(" is none")[0] for one in letters(reads)] == [
            "timestamp 'Sums (of 4 values)'", "timestamp 'Averages (of 4 values)'",
        ]  # fmt: skip
        found = [
            (format_utc(time)[:19], series.source_id, series.metric_name, value)
            for series, time, value in samples(reads)
        ]
    else:
        found = read(name)
    assert len(found) == count
    for one in expected:
        assert one in found


@pytest.mark.parametrize(
    ("time", "first"),
    [
        ("2026/01/05T12:00:0{}", "2026-01-05T12:00:00"),
        ("05/13/2026T12:00:0{}", "2026-05-13T12:00:00"),
        ("2026-01-05T12:00:0{}Z/2026-01-05T13:00:00Z", "2026-01-05T12:00:00"),
        ("20260105T12000{}Z/20260105T130000Z", "2026-01-05T12:00:00"),
    ],
)
def test_only_a_slash_behind_a_time_of_day_makes_a_range(
    tmp_path: Path, time: str, first: str
) -> None:
    rows = "".join(f"{time.format(at)},{at}\n" for at in range(3))
    reads, _ = seen(write(tmp_path / "a.csv", f"timestamp,v\n{rows}"))
    assert letters(reads) == []
    assert format_utc(samples(reads)[0][1])[:19] == first


def test_averages_and_other_lines_are_named_and_counted() -> None:
    _, findings = seen(str(CASES / "sar_de.txt"))
    assert [(one.what, one.amount, one.numeric) for one in findings.unwatched] == [
        ("lines of averages", 1, 0),
        ("other lines", 1, 0),
    ]
    assert "LINUX RESTART" in findings.unwatched[1].reason
    assert [one.option for one in findings.guesses] == [
        "", "time_format=%d.%m.%Y", "decimal=comma",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("vmstat.txt", "", "start=TIME"),
        ("iostat.txt", "", "-t"),
        ("iostat.txt", "?start=2026-01-05", "start needs step"),
    ],
)
def test_a_report_without_times_is_refused_with_what_helps(
    name: str, options: str, message: str
) -> None:
    with pytest.raises(Exception, match=message):
        seen(str(CASES / name) + options)


SAR = """Linux 5.1 (h) {date} _x86_64_ (2 CPU)

00:00:01        CPU     %user     %idle
00:10:01        all      1.00     99.00
00:20:01        all      2.00     98.00
"""


@pytest.mark.parametrize(
    ("date", "option", "expected"),
    [
        ("05/01/26", "", None),
        ("05/01/26", "time_format=%d/%m/%y", "2026-01-05T00:10:01"),
        ("05/01/26", "time_format=%m/%d/%y", "2026-05-01T00:10:01"),
        ("25/01/2026", "", "2026-01-25T00:10:01"),
        ("05/01/26", "time_format=%m/%d/%y&timezone=Europe/Berlin", "2026-04-30T22:10:01"),
    ],
)
def test_a_date_that_can_be_two_days_is_never_guessed(
    tmp_path: Path, date: str, option: str, expected: str | None
) -> None:
    path = write(tmp_path / "sar.txt", SAR.format(date=date))
    if expected is None:
        with pytest.raises(SourceError, match=r"time_format=%m/%d/%y or time_format=%d/%m/%y"):
            seen(path)
        return
    reads, _ = seen(f"{path}?{option}" if option else path)
    assert format_utc(samples(reads)[0][1])[:19] == expected


def test_times_of_day_without_a_date_need_a_day(tmp_path: Path) -> None:
    path = write(tmp_path / "cut.txt", "\n".join(SAR.splitlines()[2:]))
    with pytest.raises(SourceError, match="start=2026-01-05&timestamp=time"):
        seen(path)
    reads, _ = seen(f"{path}?start=2026-01-05&timestamp=time")
    assert format_utc(samples(reads)[0][1])[:19] == "2026-01-05T00:10:01"


def test_a_day_ends_for_each_table_by_itself() -> None:
    days = Days()
    one, two = Kind(("a",), ("a",), ()), Kind(("b",), ("b",), ())
    found = [
        days.of("2026-01-05", kind, seconds, "%Y-%m-%d")
        for kind, seconds in [(one, 86_390), (two, 86_390), (one, 0), (two, 0), (one, 10)]
    ]
    assert [text[8:] for text in found] == [
        "05 23:59:50", "05 23:59:50", "06 00:00:00", "06 00:00:00", "06 00:00:10",
    ]  # fmt: skip


def test_columns_of_one_name_in_two_tables_stay_two_series(tmp_path: Path) -> None:
    text = (
        SAR.format(date="2026-01-05") + "\n00:00:01     %user\n00:10:01    7.00\n00:20:01    8.00\n"
    )
    text += "\n00:00:01     %user   %x\n00:10:01    5.00   1.0\n00:20:01    6.00   2.0\n"
    reads, _ = seen(write(tmp_path / "two.txt", text))
    names = {(series.source_id, series.metric_name) for series, _, _ in samples(reads)}
    assert names == {
        ("h/all", "%user"), ("h/all", "%idle"), ("h", "%user"), ("h", "%user (2)"), ("h", "%x"),
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(one.name for one in CASES.glob("*.txt")))
def test_every_line_stays_a_line_however_the_text_is_cut(name: str) -> None:
    text = (CASES / name).read_bytes()
    lines = text.decode().split("\n")
    options = FileOptions(start=0, step=1.0) if name in ("vmstat.txt", "iostat.txt") else None
    found = find_report(name, lines, iter(lines), options or FileOptions())
    assert found is not None
    whole = found[0].start_turning()
    expected = whole.turned(text) + whole.end()
    assert expected.count(b"\n") == text.count(b"\n")
    for size in (1, 7, 64):
        turning = found[0].start_turning()
        parts = [turning.turned(text[at : at + size]) for at in range(0, len(text), size)]
        assert b"".join(parts) + turning.end() == expected


WORDS = st.sampled_from(
    ["CPU", "%user", "all", "1.0", "2", "Average:", "00:00:01", "PM", "2026-01-05", "(h)", "-io-",
     "eth0", "avg-cpu:", "99:99:99", "13/13/13", "1767571200:", "-nan", "x\x00y", "2026-01-05T1"]
)  # fmt: skip


@given(st.lists(st.lists(WORDS, max_size=5).map(" ".join), max_size=30))
@example(["Linux (h) 2026-01-05", "00:00:01 CPU %user", "99:99:99 all 1.0", "00:00:02 all 2"])
def test_any_lines_are_a_report_or_none_and_each_stays_a_line(lines: list[str]) -> None:
    try:
        found = find_report("x", lines, iter(lines), FileOptions())
    except SourceError:
        return
    if found is not None:
        turning = found[0].start_turning()
        text = turning.turned("".join(f"{one}\n" for one in lines).encode()) + turning.end()
        assert text.count(b"\n") == len(lines)
        assert {line.count(b"\t") for line in text.split(b"\n") if line} == {
            len(found[0].columns) + 1
        }


def test_a_plain_table_is_no_report(tmp_path: Path) -> None:
    text = "timestamp  cpu  mem\n" + "".join(f"2026-01-05T00:0{i}:00Z  {i}  2\n" for i in range(9))
    source = source_from_uri(write(tmp_path / "plain.txt", text))
    source.ranges()
    assert any("delimiter=blanks" in one.option for one in source.findings().guesses)


def test_the_options_of_the_table_are_without_those_of_the_report() -> None:
    options = FileOptions(start=0, step=1.0, source_id="x", metrics=("a",))
    left = options_of(options)
    assert (left.start, left.step, left.source_id, left.metrics) == (None, None, None, ("a",))
    assert Report((), (), "x", "").columns == []


LVM = """LabVIEW Measurement\t
Separator\t{sign}
Decimal_Separator\t{mark}
X_Columns\t{columns}
Time_Pref\t{pref}
Date\t2026/01/05
Time\t10:00:00
***End_of_Header***\t
{more}Channels\t1
Date\t2026/01/05
Time\t10:00:05{mark}5
***End_of_Header***
X_Value\tv\tComment
0\t1{mark}5
1\t2{mark}5
"""


def lvm(path: Path, **changes: str) -> str:
    usual = {"sign": "Tab", "mark": ".", "columns": "One", "pref": "Relative", "more": ""}
    return write(path / "m.lvm", LVM.format(**{**usual, **changes}))


@pytest.mark.parametrize("mark", [".", ","])
def test_a_measurement_of_labview_begins_where_its_head_says(tmp_path: Path, mark: str) -> None:
    reads, findings = seen(lvm(tmp_path, mark=mark))
    assert [(format_utc(time)[:21], value) for _, time, value in samples(reads)] == [
        ("2026-01-05T10:00:05.5", 1.5), ("2026-01-05T10:00:06.5", 2.5),
    ]  # fmt: skip
    assert any("LabVIEW" in one.what for one in findings.guesses)


def test_absolute_times_of_labview_count_from_1904(tmp_path: Path) -> None:
    text = LVM.format(sign="Tab", mark=".", columns="One", pref="Absolute", more="")
    text = text.replace("\n0\t", "\n3850416000\t").replace("\n1\t", "\n3850416001\t")
    reads, _ = seen(write(tmp_path / "m.lvm", text))
    assert format_utc(samples(reads)[0][1])[:19] == "2026-01-05T00:00:00"


def test_times_of_day_count_from_the_day_that_start_names(tmp_path: Path) -> None:
    rows = "".join(f"0{i}:30:0{i}.5,{i}\n" for i in range(5))
    path = write(tmp_path / "clock.csv", f"time,v\n{rows}")
    refused, _ = seen(f"{path}?timestamp=time")
    assert "with start=2026-01-05&timestamp=time it counts" in letters(refused)[0].reason
    reads, _ = seen(f"{path}?start=2026-01-05&timestamp=time")
    assert [format_utc(time)[:21] for _, time, _ in samples(reads)] == [
        f"2026-01-05T0{i}:30:0{i}.5" for i in range(5)
    ]
    assert letters(reads) == []


def test_a_ruler_and_a_header_behind_a_number_sign_are_those_of_a_report(tmp_path: Path) -> None:
    text = "#<----CPU[HYPER]-----><----Disks---->\n#Time     cpu  KBRead\n"
    text += "".join(f"00:00:0{i}   {i}   0\n" for i in range(5))
    reads, _ = seen(write(tmp_path / "c.txt", text) + "?start=2026-01-05&timestamp=time")
    assert [series.metric_name for series, _, _ in samples(reads)[:2]] == ["cpu", "KBRead"]


def test_rows_without_a_header_are_read_as_the_message_says(tmp_path: Path) -> None:
    rows = "".join(f"ups1 {1767571200 + i} 230.{i} [OL] {i}\n" for i in range(5))
    path = write(tmp_path / "ups.txt", rows)
    with pytest.raises(SourceError, match="is a row, name its columns with columns=NAME,NAME"):
        seen(path)
    reads, _ = seen(f"{path}?delimiter=blanks&columns=source_id,timestamp,volt,state,load")
    assert len(samples(reads)) == 10
    with pytest.raises(SourceError, match="delimiter=blanks"):
        seen(write(tmp_path / "mrtg.txt", "1767571800 1 2\n1767571500 1 2 3 4\n"))


def test_a_named_zone_is_told_how_it_is_read(tmp_path: Path) -> None:
    rows = "".join(f"2026-01-05 00:0{i}:00 CET,{i}\n" for i in range(5))
    path = write(tmp_path / "cet.csv", f"time,v\n{rows}")
    refused, _ = seen(f"{path}?timestamp=time")
    form = "time_format=%Y-%m-%d %H:%M:%S CET"
    assert form in letters(refused)[0].reason
    reads, _ = seen(f"{path}?timestamp=time&{form}&timezone=Europe/Berlin")
    assert format_utc(samples(reads)[0][1])[:19] == "2026-01-04T23:00:00"


@pytest.mark.parametrize(
    ("date", "remedies"),
    [("2026.01.05", ["%Y.%m.%d"]), ("05-13-26", ["%m-%d-%y"])],
)
def test_a_date_of_no_known_format_is_refused_with_those_that_fit(
    tmp_path: Path, date: str, remedies: list[str]
) -> None:
    text = (
        f"Linux 5.4 (web01) \t{date} \t_x86_64_\t(2 CPU)\n\n00:00:01  CPU  %user  %idle\n"
        "00:10:01  all  1.00  98.00\n00:20:01  all  2.00  97.00\n"
    )
    path = write(tmp_path / "sar.txt", text)
    with pytest.raises(SourceError, match=f"add time_format={' or time_format='.join(remedies)}$"):
        seen(path)
    reads, _ = seen(f"{path}?time_format={remedies[0]}")
    assert len(samples(reads)) == 4
