"""The page, and the readers behind it."""

import base64
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from padit.adapters.factory_faults import FAULTS
from padit.analysis.report import (
    match,
    read_alerts,
    read_features,
    read_labels,
    read_rows,
    write_report,
)
from padit.analysis.report.charts import downsample
from padit.cli.main import main
from padit.domain.errors import SinkError, SourceError
from padit.domain.metric import Series
from padit.domain.rows import Rows
from tests.report.recording import Recording, record


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return record(tmp_path_factory.mktemp("run"), FAULTS)


@pytest.fixture(scope="module")
def page(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(
        str(path),
        rows=recording.rows,
        alerts=read_alerts(recording.alerts),
        features=read_features(recording.features),
        labels=read_labels(recording.labels),
        summary={"read": 288_000, "scored": 288_000, "late": 0, "windows": 9600, "seconds": 8.0},
        title="A <title> & more",
    )
    return path.read_text(encoding="utf-8")


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


@pytest.mark.parametrize("seed", [7, 1, 2, 3])
def test_the_rules_of_the_demo_find_every_fault_and_hardly_anything_else(
    tmp_path: Path, seed: int
) -> None:
    run = record(tmp_path, FAULTS, seed=seed)
    lines = match(read_alerts(run.alerts), read_labels(run.labels), 120_000_000)
    verdicts = [line.verdict for line in lines]
    assert verdicts.count("missed") == 0
    assert verdicts.count("false") == 0
    assert max(line.delay for line in lines if line.delay is not None) < 12 * 60_000_000


def test_the_page_needs_no_network(page: str) -> None:
    assert not re.findall(r"(?:src|href)\s*=|@import|url\(|https?://(?!www\.w3\.org)", page)


def test_the_page_is_small(page: str) -> None:
    assert len(page) < 1_000_000


def test_the_page_escapes_its_title(page: str) -> None:
    assert "<h1>A &lt;title&gt; &amp; more</h1>" in page
    assert "{{" not in page


def test_the_page_names_every_fault_and_its_alerts(page: str) -> None:
    data = data_of(page)
    assert {line["fault"] for line in data["alerts"]} == set(FAULTS)
    assert {line["verdict"] for line in data["alerts"]} == {"found"}
    assert "4 of 4 faults found, 0 false alerts" in page
    assert "balanced" in page


def test_a_run_that_lost_records_says_so(tmp_path: Path, recording: Recording) -> None:
    path = tmp_path / "r.html"
    write_report(str(path), rows=recording.rows, alerts=[], summary={"read": 9, "scored": 8})
    assert "NOT balanced" in path.read_text(encoding="utf-8")


def test_every_series_with_an_alert_or_a_fault_is_drawn(page: str) -> None:
    drawn = {(s["id"], c["metric"]) for s in data_of(page)["sources"] for c in s["charts"]}
    assert len(drawn) >= 8
    for line in data_of(page)["alerts"]:
        assert (line["source"], line["metric"]) in drawn


def test_a_drawn_series_keeps_its_extremes(page: str, recording: Recording) -> None:
    source = data_of(page)["sources"][0]
    chart = source["charts"][0]
    code = recording.rows.series.index(Series(source["id"], chart["metric"], chart["unit"]))
    value = recording.rows.value[recording.rows.code == code]
    assert chart["range"] == [value.min(), value.max()]
    high = np.frombuffer(base64.b64decode(chart["high"]), "<u2")
    assert high[high < 65_535].max() == 65_534


def test_a_script_in_a_name_cannot_leave_the_data(tmp_path: Path) -> None:
    name = "</script><script>alert(1)</script>"
    rows = Rows([Series(name, "m")], np.zeros(3, np.int32), np.arange(3) * 10**6, np.arange(3.0))
    path = tmp_path / "r.html"
    write_report(str(path), rows=rows, alerts=[])
    text = path.read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert data_of(text)["lanes"][0]["id"] == name


@pytest.mark.parametrize("count", [0, 1])
def test_a_report_of_nothing_can_be_written(tmp_path: Path, count: int) -> None:
    rows = Rows(
        [Series("a", "m")][:count],
        np.zeros(count, np.int32),
        np.zeros(count, np.int64),
        np.ones(count),
    )
    path = tmp_path / "r.html"
    write_report(str(path), rows=rows, alerts=[], labels=[])
    assert "no alerts" in path.read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="cannot be written"):
        write_report(str(tmp_path / "file" / "r.html"), rows=Rows.empty(), alerts=[])


def test_downsampling_keeps_the_extremes_of_every_piece() -> None:
    time_ = np.arange(1000)
    value = np.sin(time_)
    low, high = downsample(time_, value, (0, 1000), 10)
    assert np.array_equal(low, value.reshape(10, 100).min(axis=1))
    assert np.array_equal(high, value.reshape(10, 100).max(axis=1))


def test_downsampling_leaves_gaps_open() -> None:
    low, _ = downsample(np.array([0, 95]), np.array([1.0, 2.0]), (0, 100), 10)
    assert np.isnan(low[1:9]).all()


def test_an_alert_that_rose_keeps_both_levels(recording: Recording) -> None:
    rising = [one for one in read_alerts(recording.alerts) if len(one.levels) > 1]
    assert rising
    assert [severity for _, severity in rising[0].levels] == ["WARNING", "CRITICAL"]
    assert rising[0].resolved is not None


def test_features_without_scores_or_with_gaps_are_read(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text(
        '{"source_id":"a","metric_name":"m","window_end":"2026-01-05T06:02:00Z","p99":2,"x":1}\n\n'
        '{"source_id":"a","metric_name":"m","window_end":"2026-01-05T06:01:00Z","mean":1}\n'
    )
    features = read_features(str(path))[("a", "m")]
    assert np.isnan(features.score).all()
    assert features.columns["p99"].tolist()[1] == 2
    assert np.isnan(features.columns["p99"][0])


@pytest.mark.parametrize(
    ("reader", "text", "says"),
    [
        (read_alerts, "not json\n", "not a JSON object"),
        (read_alerts, '{"type":"x"}\n', "line 1: no transition of an alert"),
        (read_features, '{"source_id":"a"}\n', "line 1: not the features of a window"),
        (read_labels, '[{"fault":"x"}]', "needs source_id, start and end"),
        (read_labels, "{", "holds no labels"),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong(
    tmp_path: Path, reader: Callable[[str], Any], text: str, says: str
) -> None:
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(SourceError, match=says):
        reader(str(path))


@pytest.mark.parametrize("reader", [read_alerts, read_features, read_labels, read_rows])
def test_a_missing_file_is_an_error(reader: Callable[[str], Any]) -> None:
    with pytest.raises(SourceError):
        reader("missing.jsonl")


def test_the_command_writes_the_page_and_prints_the_table(
    tmp_path: Path, recording: Recording, capsys: pytest.CaptureFixture[str]
) -> None:
    main(
        [
            "simulate",
            "--machines=8",
            "--hours=2",
            "--seed=7",
            f"--faults={','.join(FAULTS)}",
            f"--output={tmp_path / 'm.parquet'}",
        ]
    )
    summary = tmp_path / "summary.json"
    summary.write_text('noise\n{"read": 288000, "scored": 288000}\n')
    code = main(
        [
            "report",
            f"--input={tmp_path / 'm.parquet'}",
            f"--alerts={recording.alerts}",
            f"--features={recording.features}",
            f"--labels={recording.labels}",
            f"--summary={summary}",
            f"--output={tmp_path / 'r.html'}",
        ]
    )
    assert code == 0
    assert "4 of 4 faults found" in capsys.readouterr().out
    assert data_of((tmp_path / "r.html").read_text(encoding="utf-8"))["sources"]


def test_a_summary_that_is_none_is_refused(
    tmp_path: Path, recording: Recording, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s").write_text("[]\n")
    options = [f"--input={recording.alerts}", f"--alerts={recording.alerts}"]
    page = f"--output={tmp_path / 'r.html'}"
    assert main(["report", *options, f"--summary={tmp_path / 's'}", page]) == 1
    assert "no JSON object" in capsys.readouterr().err


def test_the_demo_finds_every_fault_on_the_direct_runner(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    assert main(["demo", f"--folder={tmp_path}"]) == 0
    out = capsys.readouterr().out
    assert "4 of 4 faults found, 0 false alerts" in out
    assert (tmp_path / "report.html").stat().st_size < 1_000_000
    assert time.monotonic() - began < 300
