"""`padit look`: what would be read of a file, what not, and the command to go on with."""

import json
import re
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

import tests.pipelines.found  # noqa: F401  # registers found://
from padit.analysis.look import page
from padit.analysis.look.page import command_of, page_of
from padit.analysis.look.survey import Extent, SeriesSeen, Survey, survey
from padit.analysis.losses.report import Counted, Reason
from padit.cli.main import main
from padit.codecs.validate import Validate
from padit.connectors.uris import parse_address, source_from_uri
from padit.domain.findings import Findings
from padit.domain.metric import Series
from tests.pipelines.seed import RULE, line, seed_lines, write
from tests.pipelines.test_losses import FINDINGS

Capture = pytest.CaptureFixture[str]
WIDE = "timestamp,torque_nm,speed_rpm\n" + "".join(
    f"2026-01-05 06:00:{second:02},{30 + second % 4},{1500 - second}\n"
    for second in range(0, 60, 5)
)


def _look(capsys: Capture, source: str, *options: str, code: int = 0) -> str:
    assert main(["look", source, *options]) == code
    return capsys.readouterr().out


def _values(capsys: Capture, source: str, *options: str, code: int = 0) -> Any:
    return json.loads(_look(capsys, source, "--json", *options, code=code))


def test_a_table_is_shown_as_a_newcomer_reads_it(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("press.csv").write_text(WIDE)
    assert _look(capsys, "press.csv?units=torque_nm:Nm") == (
        "press.csv: 12 records, all looked at\n"
        "24 of 24 samples are usable, of 2 series\n"
        "from 2026-01-05 06:00:00 to 2026-01-05 06:00:55 UTC\n"
        "\n"
        "  source  metric     unit  samples  every  first     last\n"
        "  press   speed_rpm             12    5 s  06:00:00  06:00:55\n"
        "  press   torque_nm  Nm         12    5 s  06:00:00  06:00:55\n"
        "\n"
        "The first samples\n"
        "  time (UTC)               source  metric     value  unit\n"
        "  2026-01-05 06:00:00.000  press   torque_nm     30  Nm\n"
        "  2026-01-05 06:00:00.000  press   speed_rpm   1500\n"
        "  2026-01-05 06:00:05.000  press   torque_nm     31  Nm\n"
        "  2026-01-05 06:00:05.000  press   speed_rpm   1495\n"
        "  2026-01-05 06:00:10.000  press   torque_nm     32  Nm\n"
        "  2026-01-05 06:00:10.000  press   speed_rpm   1490\n"
        "  2026-01-05 06:00:15.000  press   torque_nm     33  Nm\n"
        "  2026-01-05 06:00:15.000  press   speed_rpm   1485\n"
        "  2026-01-05 06:00:20.000  press   torque_nm     30  Nm\n"
        "  2026-01-05 06:00:20.000  press   speed_rpm   1480\n"
        "\n"
        "Go on with\n"
        "  padit run --input 'press.csv?units=torque_nm:Nm' --output alerts.jsonl\n"
    )


def _parquet(path: Path) -> str:
    rng = np.random.default_rng(3)
    table = pa.table(
        {
            "timestamp": pa.array(1_767_225_600_000_000 + np.arange(200) * 250_000).cast(
                pa.timestamp("us", "UTC")
            ),
            "humidity": rng.normal(40, 3, 200),
            "pressure": rng.normal(1013, 5, 200),
        }
    )
    pyarrow.parquet.write_table(table, path)
    return str(path)


def test_a_parquet_file_and_json_lines_are_looked_at_in_the_same_way(
    tmp_path: Path, capsys: Capture
) -> None:
    found = _values(capsys, _parquet(tmp_path / "hall.parquet"))
    names = ("metric_name", "samples", "interval_sec")
    assert [[one[name] for name in names] for one in found["series"]] == [
        ["humidity", 200, 0.25],
        ["pressure", 200, 0.25],
    ]
    found = _values(capsys, write(tmp_path / "probe.jsonl", seed_lines()))
    [series] = found["series"]
    assert (series["unit"], series["samples"], series["interval_sec"]) == ("ms", 15, 10)
    assert (series["lowest"], series["highest"]) == (5.0, 90.0)
    assert len(found["samples"]) == 10
    assert found["samples"][0] == {
        "time": "2026-01-01T00:00:00.000000Z", "source_id": "probe-1", "metric_name": "rtt_ms",
        "unit": "ms", "value": 5.0,
    }  # fmt: skip


def test_what_look_counts_is_what_a_run_counts(tmp_path: Path, capsys: Capture) -> None:
    lines = [*seed_lines(), line(-500, 5), b"{", line(1, "x"), *seed_lines()[:3], b"[]"]
    source = write(tmp_path / "mixed.jsonl", lines)
    found = _values(capsys, source)
    main(["run", f"--input={source}", "--output=null", RULE])
    summary = json.loads(capsys.readouterr().out)
    assert found["usable"] == summary["scored"] + summary["duplicate"]
    assert {name: found[name] for name in ("read", "late", "dead_lettered")} == {
        name: summary[name] for name in ("read", "late", "dead_lettered")
    }
    lost = found["late"] + found["dead_lettered"]
    assert sum(one["amount"] for one in found["lost"]) == lost == 3  # a file has no late rows


def test_the_command_to_go_on_with_reads_what_look_found_to_be_late(
    tmp_path: Path, capsys: Capture
) -> None:
    lines = [line(60 * i, 5.0 + i % 3, source) for source in "abc" for i in range(16)]
    write(tmp_path / "lines.jsonl", lines)
    (tmp_path / "about.json").write_text("{}")
    uri = f"found://x/y?file={tmp_path}/lines.jsonl&findings={tmp_path}/about.json"
    found = _values(capsys, uri)
    assert found["late"] > 10
    argv = shlex.split(found["command"])
    assert argv[:4] == ["padit", "run", "--input", uri]
    argv[argv.index("alerts.jsonl")] = "null"
    assert main([*argv[1:], RULE]) == 0
    assert json.loads(capsys.readouterr().out)["scored"] == 48


def test_findings_are_shown_with_their_options_within_80_columns(
    tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "about.json").write_text(json.dumps(FINDINGS))
    write(tmp_path / "lines.jsonl", seed_lines())
    uri = f"found://x/y?file={tmp_path}/lines.jsonl&findings={tmp_path}/about.json"
    text = _look(capsys, uri)
    assert "Guessed\n  x.csv: the delimiter is ';' (the option: delimiter=comma)\n" in text
    assert "Not watched\n  x.csv: column 'p90' (15 cells): holds text such as '90 ms';" in text
    assert "and 6 more like them" in text
    assert len(_values(capsys, uri)["unwatched"]) == 16


def test_a_file_is_looked_at_up_to_a_number_of_records(tmp_path: Path, capsys: Capture) -> None:
    source = write(tmp_path / "long.jsonl", [line(i, 1.0) for i in range(500)])
    text = _look(capsys, source, "--records=100")
    assert ": 500 records, 100 of them looked at" in " ".join(text.split())
    assert "100 of 100 samples are usable" in text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b'{"name": "cpu", "fields": {"idle": 9.5}, "tags": {}, "timestamp": 1767571200}\n',
            "row 0",
        ),
        (b"\n \n", "There is nothing to read."),
    ],
)
def test_a_file_of_which_nothing_can_be_read_ends_with_3(
    tmp_path: Path, capsys: Capture, content: bytes, said: str
) -> None:
    (tmp_path / "some.jsonl").write_bytes(content)
    assert said in _look(capsys, str(tmp_path / "some.jsonl"), code=3)


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["nothing.jsonl"], 3, "nothing can be read: nothing.jsonl does not exist"),
        (["data.doc"], 2, "can be read; known are:"),
        (["x.jsonl", "--runner=FlinkRunner"], 2, "padit look takes no --runner"),
        (["x.jsonl", "--records=0"], 2, "--records: 0 must lie between 1 and"),
        (["x.jsonl", "--recrods=5"], 2, "did you mean --records?"),
        (["x.csv?delimitr=;"], 2, "unknown key delimitr"),
        (["x.jsonl", "--end_time=soon"], 2, "--end_time=soon is neither RFC 3339"),
    ],
)
def test_an_error_has_its_remedy_and_no_traceback(
    capsys: Capture, argv: list[str], code: int, said: str
) -> None:
    assert main(["look", *argv]) == code
    captured = capsys.readouterr()
    assert said in captured.err
    assert (captured.out, "Traceback" in captured.err) == ("", False)


def test_a_table_without_a_column_of_numbers_says_so(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "names.csv").write_text("timestamp,name\n2026-01-05 00:00:00,anna\n")
    assert main(["look", str(tmp_path / "names.csv")]) == 3
    assert "nothing can be read: " in capsys.readouterr().err


def test_options_of_reading_are_kept_for_the_run(tmp_path: Path, capsys: Capture) -> None:
    source = write(tmp_path / "a b.jsonl", seed_lines())
    config = tmp_path / "job.yaml"
    config.write_text("detectors: [{name: rule}]")
    options = [f"--config={config}", "--max_record_bytes", "5000", "--start_time=2026-01-01"]
    command = _values(capsys, source, *options)["command"]
    assert shlex.split(command) == [
        "padit", "run", "--input", source, "--output", "alerts.jsonl",
        f"--config={config}", "--max_record_bytes", "5000",
    ]  # fmt: skip


_NAMES = st.tuples(
    st.text("abc_é\x1b", min_size=1, max_size=60),
    st.text("xyz", min_size=1, max_size=60),
    st.text("m/s°", max_size=20),
    st.integers(1, 10**9),
)


@given(
    st.lists(_NAMES, min_size=1, max_size=30),
    st.lists(st.text("ab '\x1b\n", max_size=120), max_size=5),
)
def test_no_table_is_wider_than_80_columns(
    names: list[tuple[str, str, str, int]], reasons: list[str]
) -> None:
    series = tuple(
        SeriesSeen(Series(source, metric, unit), count, 10**15, 2 * 10**15, 0.5, 0.0, 1.0)
        for source, metric, unit, count in names
    )
    lost = tuple(Reason(text, 1, "t: x", "") for text in reasons)
    counted = Counted(100, 100 - len(lost), 0, len(lost))
    seen = Survey("some.csv", 1, 100, 100, counted, series, (), Findings(), lost, 0)
    text = page_of(seen, command_of("some.csv", seen, []))
    tables = [row for row in text.splitlines() if re.match(r"  \S", row) and "  " in row.strip()]
    assert all(len(row) <= 80 for row in tables)
    assert "\x1b" not in text


def test_a_survey_ends_in_time_however_long_the_input_is(tmp_path: Path) -> None:
    source = source_from_uri(write(tmp_path / "long.jsonl", [line(i, 1.0) for i in range(10)]))
    seen = survey(source, Validate(1 << 20, 0), 0, Extent(10, 0.0, from_end=False))
    assert (seen.looked_at, seen.present, seen.counted.read) == (0, 10, 0)


class _FileOptions(BaseModel):
    """Options of a source that knows forms of times."""

    time_format: str = ""


def test_where_nothing_can_be_read_the_command_has_the_option_that_mends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(page, "FileOptions", _FileOptions)
    lost = Reason("unusable", 12, "t: x", "time_format=%d.%m.%Y %H:%M:%S")
    seen = Survey("a.csv", 1, 12, 12, Counted(12, 0, 0, 12), (), (), Findings(), (lost,), 0)
    command = command_of("a.csv?delimiter=;", seen, [])
    uri = shlex.split(command)[3]
    assert parse_address(uri).options == {"delimiter": ";", "time_format": "%d.%m.%Y %H:%M:%S"}
    assert page_of(seen, command).endswith(
        "Nothing can be read as it is. Try\n"
        "  padit run --input 'a.csv?delimiter=;&time_format=%d.%m.%Y %H:%M:%S' \\\n"
        "      --output alerts.jsonl\n"
    )
    odd = seen._replace(reasons=(lost._replace(remedy="time_format=%d%41+&x"),))
    assert parse_address(shlex.split(command_of("a.csv", odd, []))[3]).options == {
        "time_format": "%d%41+&x"
    }
    perhaps = seen._replace(reasons=(lost._replace(remedy="missing=inf, if it is no value"),))
    assert command_of("a.csv", perhaps, []) == "padit run --input a.csv --output alerts.jsonl"
    rare = seen._replace(reasons=(lost._replace(amount=1),))
    assert command_of("a.csv", rare, []) == "padit run --input a.csv --output alerts.jsonl"


@pytest.mark.parametrize(
    ("header", "cell", "option"),
    [
        ("Time", "{}", "timestamp=Time"),
        ("when", "{}", "timestamp=when"),
        ("Datum,Uhrzeit", "2026-01-05,08:00:0{i}", "timestamp=Datum+Uhrzeit"),
    ],
)
def test_times_in_a_column_of_another_name_are_looked_at_with_the_option_that_names_it(
    tmp_path: Path, capsys: Capture, header: str, cell: str, option: str
) -> None:
    rows = (cell.format(f"2026-01-05T08:00:0{i}Z", i=i) for i in range(9))
    path = tmp_path / "a.csv"
    path.write_text(f"{header},a\n" + "".join(f"{one},{i}\n" for i, one in enumerate(rows)))
    found = _values(capsys, str(path))
    assert found["usable"] == 9
    assert found["guesses"][0]["option"] == option
    assert f"{path}?{option}" in unquote(found["command"])
    _look(capsys, f"{path}?timestamp=nothing", code=3)


def test_a_file_without_a_likely_time_is_refused_with_its_columns(
    tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "a.csv").write_text("b,a\n1,2\n")
    assert main(["look", str(tmp_path / "a.csv")]) == 3
    assert "its columns are: b, a. Name the one with" in capsys.readouterr().err
    (tmp_path / "c.csv").write_text("Time,a\n01/02/2026 10:00,2\n")
    assert main(["look", str(tmp_path / "c.csv")]) == 3
    said = capsys.readouterr().err
    assert "nothing can be read with timestamp=Time: " in said
    assert "time_format=%d/%m/%Y" in said


def test_a_mistake_in_the_detectors_is_told_before_the_run(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "a.csv").write_text(WIDE)
    (tmp_path / "job.yaml").write_text("detectors: [{name: rule, parameters: {rule: []}}]")
    assert main(["look", str(tmp_path / "a.csv"), "--config", str(tmp_path / "job.yaml")]) == 2
    assert "detector rule: unknown key rule; perhaps rules is meant" in capsys.readouterr().err
