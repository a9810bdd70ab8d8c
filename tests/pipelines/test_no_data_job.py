"""No data through the command line: from files to alerts, and from an alert back to its rows."""

import json
from pathlib import Path
from typing import Any

import pytest

from padit.analysis.sweep import evaluate as evaluating
from padit.analysis.sweep.evaluate import Job, WindowSetting, messages_of
from padit.analysis.sweep.recording import read_recording
from padit.cli.main import main
from padit.codecs.validate import Validate
from padit.connectors.uris import source_from_uri
from padit.domain.config import load_config
from padit.transforms.windows import WindowOptions
from tests.pipelines.seed import START, line, write

SECOND = 1_000_000

CONFIG = """
detectors:
  - {name: rule}
  - {name: no_data}
"""
Capture = pytest.CaptureFixture[str]


def _lines() -> list[bytes]:
    """Two sources for an hour and a half; one has no data from 10 to 40 minutes."""
    return [
        line(second, 5.2, source)
        for second in range(0, 5400, 5)
        for source in ("fan", "pump")
        if source == "fan" or not 600 <= second < 2400
    ]


LATER = CONFIG.replace("{name: no_data}", "{name: no_data, parameters: {minimum_sec: 600}}")


def _replay(
    folder: Path, files: dict[str, list[bytes]], *options: str, config: str = CONFIG
) -> Path:
    folder.mkdir()
    for name, lines in files.items():
        write(folder / name, lines)
    (folder / "job.yaml").write_text(config)
    alerts = folder / "out" / "alerts.jsonl"
    alerts.parent.mkdir()
    options = (f"--config={folder}/job.yaml", f"--output={alerts}", *options)
    assert main(["replay", f"--input={folder}/*.jsonl", *options]) == 0
    return alerts


def _cuts() -> dict[str, dict[str, list[bytes]]]:
    lines = _lines()
    return {
        "one file": {"all.jsonl": lines},
        "dealt to three": {f"{n}.jsonl": lines[n::3] for n in range(3)},
        "one after the other": {"1.jsonl": lines[:700], "2.jsonl": lines[700:]},
    }


def _told(alerts: Path) -> list[tuple[str, str, int, str]]:
    events = [json.loads(one) for one in alerts.read_text().splitlines()]
    return [
        (one["type"].rpartition(".")[2], one["data"]["source_id"], _second(one["time"]),
         one["data"]["severity"])
        for one in events
    ]  # fmt: skip


def _second(stamp: str) -> int:
    from padit.domain.timestamps import parse_timestamp

    return parse_timestamp(stamp) // 1_000_000 - START


@pytest.mark.parametrize("cut", _cuts())
def test_a_stop_in_the_middle_has_one_alert_and_the_end_none(cut: str, tmp_path: Path) -> None:
    alerts = _replay(tmp_path / "run", _cuts()[cut])
    assert _told(alerts) == [
        ("opened", "pump", 660, "WARNING"),
        ("updated", "pump", 840, "CRITICAL"),
        ("resolved", "pump", 2700, "CRITICAL"),
    ]


def test_windows_without_samples_have_no_features(tmp_path: Path) -> None:
    features = tmp_path / "features.jsonl"
    _replay(tmp_path / "run", _cuts()["one file"], f"--features={features}")
    rows: list[dict[str, Any]] = [json.loads(one) for one in features.read_text().splitlines()]
    assert rows
    assert all(row["count"] > 0 for row in rows)


def test_a_lasting_gap_is_one_anomaly(tmp_path: Path) -> None:
    anomalies = tmp_path / "anomalies.jsonl"
    _replay(tmp_path / "run", _cuts()["one file"], f"--anomalies={anomalies}")
    [only] = [json.loads(one) for one in anomalies.read_text().splitlines()]
    assert (only["source_id"], only["scores"].keys()) == ("pump", {"rule", "no_data"})
    assert "no sample for 1 min 5 s; usual gap 5.0 s" in only["evidence"]["text"]


@pytest.mark.parametrize(("config", "samples", "steps"), [(CONFIG, 48, 3), (LATER, 0, 2)])
def test_explain_recomputes_a_gap_from_the_rows_and_not_from_the_evidence(
    config: str, samples: int, steps: int, tmp_path: Path, capsys: Capture
) -> None:
    """Also where the window that opens it holds no sample any more."""
    alerts = _replay(tmp_path / "run", _cuts()["dealt to three"], config=config)
    first = json.loads(alerts.read_text().splitlines()[0])["data"]
    id_ = first["id"]
    assert first["evidence"]["samples"] == samples
    capsys.readouterr()
    explain = ["explain", id_, f"--from={alerts}"]
    assert main(explain) == 2
    assert "no_data has state from earlier samples; --input replays it" in capsys.readouterr().out
    page = tmp_path / "page.html"
    assert main([*explain, f"--input={tmp_path}/run/*.jsonl", f"--html={page}",
                 f"--config={tmp_path}/run/job.yaml"]) == 0  # fmt: skip
    assert f"equal: {steps} transitions, every byte, from the rows" in capsys.readouterr().out
    assert "no sample for" in page.read_text()


@pytest.mark.parametrize("at_once", [10**6, 300])
def test_a_sweep_gives_the_no_data_alerts_of_a_replay(
    at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluating, "ROWS_AT_ONCE", at_once)
    alerts = _replay(tmp_path / "run", _cuts()["dealt to three"], config=LATER)
    source = source_from_uri(f"{tmp_path}/run/*.jsonl")
    allowed = 10 * SECOND
    validate = Validate(4 << 20, 3600 * SECOND)
    read = read_recording(source, source.ranges(), validate, [allowed], 2, lambda rows: None)
    windows = WindowOptions(300 * SECOND, 60 * SECOND, 1000)
    job = Job(WindowSetting(windows, allowed), (load_config(f"{tmp_path}/run/job.yaml"),))
    [mine] = messages_of(read, job)
    assert [one.value for one in mine] == alerts.read_bytes().splitlines()
    assert mine


def test_explain_finds_a_sample_inside_the_gap(tmp_path: Path, capsys: Capture) -> None:
    alerts = _replay(tmp_path / "run", {"all.jsonl": _lines()})
    id_ = json.loads(alerts.read_text().splitlines()[0])["data"]["id"]
    lines = sorted(
        [*_lines(), line(640, 5.2, "pump")], key=lambda one: json.loads(one)["timestamp"]
    )
    write(tmp_path / "run" / "all.jsonl", lines)
    assert main(["explain", id_, f"--from={alerts}", f"--input={tmp_path}/run/all.jsonl"]) == 1
    assert "DIFFERENT" in capsys.readouterr().out


def test_diff_names_a_gap_that_another_limit_reports_later(tmp_path: Path, capsys: Capture) -> None:
    one = _replay(tmp_path / "one", {"all.jsonl": _lines()})
    (tmp_path / "later.yaml").write_text(LATER)
    other = tmp_path / "other.jsonl"
    assert main(["replay", f"--input={tmp_path}/one/all.jsonl", f"--output={other}",
                 f"--config={tmp_path}/later.yaml"]) == 0  # fmt: skip
    assert _told(other)[0] == ("opened", "pump", 1200, "WARNING")
    capsys.readouterr()
    assert main(["diff", str(one), str(one)]) == 0
    assert main(["diff", str(one), str(other)]) == 1
    assert "minimum_sec" in capsys.readouterr().out
