"""Files of what senders of metrics write: line protocol, Graphite, OpenTSDB, collectd, Nagios."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.codecs.text_points import KINDS, kind_of_lines, read_points
from padit.connectors.file_looks import looks_like
from padit.connectors.uris import source_from_uri
from padit.domain.errors import SourceError, WireFormatError
from tests.connectors.reading import letters, samples
from tests.connectors.test_tables import seen, write

T = 1_767_571_200
FILES: dict[str, tuple[str, list[tuple[str, str, int, float]]]] = {
    "lp": (
        f"# DML\nweather,host=a,place=x t=21.5,wet=f,text=\"hi\" {T}000000000\n\n"
        f"disk free=3i {T + 1}000000\n",
        [("a", 'weather_t{place="x"}', 0, 21.5), ("a", 'weather_wet{place="x"}', 0, 0.0),
         ("f", "disk_free", 1, 3.0)],
    ),
    "graphite": (
        f"web.cpu 0.5 {T}\nweb.cpu;host=a;cpu=0 1e3 {T}.0\n",
        [("a", 'web.cpu{cpu="0"}', 0, 1000.0), ("f", "web.cpu", 0, 0.5)],
    ),
    "opentsdb": (
        f"put sys.cpu {T} 42.5 host=web01 cpu=0\nsys.cpu {T + 1}000 7 host=web02\n",
        [("web01", 'sys.cpu{cpu="0"}', 0, 42.5), ("web02", "sys.cpu", 1, 7.0)],
    ),
    "collectd": (
        f'PUTVAL "db7/cpu-0/cpu-user" interval=10 {T}:0.5\nPUTVAL db7/load/load {T}.000:1:2:U\n',
        [("db7", "cpu-0/cpu-user", 0, 0.5), ("db7", "load/load.0", 0, 1.0),
         ("db7", "load/load.1", 0, 2.0)],
    ),
    "perfdata": (
        f"[SERVICEPERFDATA]\t{T}\tweb01\tLoad\t0.1\t0.2\tload1=0.5;5;10;0 'of all'=20%;;\n"
        f"DATATYPE::HOSTPERFDATA\tTIMET::{T}\tHOSTNAME::db7\tHOSTPERFDATA::rta=1.5ms;3;5;0 pl=U\n",
        [("db7", "host.rta", 0, 1.5), ("web01", "Load.load1", 0, 0.5),
         ("web01", "Load.of all", 0, 20.0)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_lines_of_each_kind_are_read_and_named_where_the_file_is_not(
    tmp_path: Path, kind: str
) -> None:
    text, expected = FILES[kind]
    reads, _ = seen(write(tmp_path / f"f.{kind}", text))
    assert letters(reads) == []
    found = [(*series[:2], time // 1_000_000 - T, value) for series, time, value in samples(reads)]
    assert sorted(found) == expected
    other = write(tmp_path / "g.txt", text)
    with pytest.raises(SourceError, match=rf"add suffix={kind}, as in '.*g\.txt\?suffix={kind}'"):
        seen(other)
    assert len(samples(seen(f"{other}?suffix={kind}")[0])) == len(expected)
    assert f"suffix={kind}" in looks_like(write(tmp_path / "g.out", text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# TYPE up gauge\nup{job=\"x\"} 1\nload 0.5\n", "padit adapters try prometheus-scrape"),
        ("load{cpu=\"0\"} 0.5\nload{cpu=\"1\"} NaN\n", "padit adapters try prometheus-scrape"),
        ("a.b:1|c\nc:320|ms|@0.1\nd:3|g|#env:x\n", "inputs.statsd"),
        (f"# TYPE t gauge\nt 20.5 {T}\n", "suffix=prom"),
    ],
)  # fmt: skip
def test_what_holds_no_times_is_refused_with_what_takes_it(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        source_from_uri(write(tmp_path / "a.txt", text)).ranges()


def test_a_line_without_a_time_is_a_dead_letter_and_text_is_counted(tmp_path: Path) -> None:
    text = f'a v=1\nb v=2,s="x" {T}000000000\nc v=inf {T}000000000\nd v=1 17\n'
    reads, _ = seen(write(tmp_path / "a.lp", text))
    assert [one.offset for one in letters(reads)] == [0, 2, 3]
    assert "send it to the adapter `influx`" in letters(reads)[0].reason
    assert len(samples(reads)) == 1
    left = [one for read in reads for one in read.unwatched]
    assert [(one.what, one.amount) for one in left] == [("fields of text", 1)]


def test_performance_data_of_any_spelling_are_read_and_what_is_no_number_is_counted() -> None:
    head = f"[SERVICEPERFDATA]\t{T}\tweb01\tPing\t0.1\t0.2\t"
    points, texts = read_points("perfdata", f"{head}a=1e-05s;5;10 b=0,5s;;; c=on d=-3.5MB e=.5%")
    assert [value for _, value, _ in points] == [1e-05, 0.5, -3.5, 0.5]
    assert texts == 1


@pytest.mark.parametrize(
    "text",
    [
        "sensor value time\n" + "".join(f"S1 1.5 {T + at}\n" for at in range(30)),
        "time,a\n1,2\n",
        "a b c\n1 2 3\n",
        "x 1 2\ny 2 3\n",
        "1767571200 1 2\n",
        "name value\na 1\n",
        "",
    ],
)
def test_a_table_is_no_file_of_lines(text: str) -> None:
    assert kind_of_lines(text.split("\n")) == ""


@given(st.sampled_from(sorted(KINDS)), st.one_of(
    st.text(max_size=80), st.text('{}="\\,@[]:;|\t a1.#=PUTVAL', max_size=60)))  # fmt: skip
@settings(max_examples=500, deadline=None)
def test_no_line_can_raise_anything_else(kind: str, line: str) -> None:
    kind_of_lines([line])
    with contextlib.suppress(WireFormatError):
        read_points(kind, line)
