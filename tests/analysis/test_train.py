"""`padit train`: from a recording to a model that the job uses."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from padit.analysis.training import Training
from padit.analysis.training.train import model_of
from padit.cli.main import main
from padit.domain.config import DetectorSetting, JobConfig
from padit.domain.errors import ConfigurationError
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.transforms.watch import WatchGroup
from padit.transforms.windows import WindowOptions

Capture = pytest.CaptureFixture[str]
SECOND = 1_000_000


def _simulate(folder: Path, name: str, *options: str) -> str:
    path = str(folder / name)
    assert main(["simulate", "--machines=3", "--hours=2", "--step=5", f"--output={path}",
                 *options]) == 0  # fmt: skip
    return path


def _train(capsys: Capture, *options: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["train", *options]) == 0
    parsed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return parsed


def _refused(capsys: Capture, *options: str) -> str:
    capsys.readouterr()
    assert main(["train", *options]) == 2
    return capsys.readouterr().err


def test_a_recording_becomes_a_model_and_a_page(tmp_path: Path, capsys: Capture) -> None:
    recording = _simulate(tmp_path, "normal.parquet")
    output, page = tmp_path / "model.json", tmp_path / "model.html"
    parsed = _train(capsys, f"--input={recording}", f"--output={output}", f"--report={page}")
    assert parsed["rows"] == 3 * 1440
    assert parsed["sources"] == 3
    assert parsed["metrics"] == [
        "air_temp_k",
        "process_temp_k",
        "rpm",
        "tool_wear_min",
        "torque_nm",
    ]
    assert parsed["quality"]["rows"] == 3 * 360
    model = json.loads(output.read_text(encoding="utf-8"))
    assert model["digest"] == parsed["digest"]
    assert model["recording"]["first"] == "2026-01-05T06:00:00.000000Z"
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") >= 15 + 3
    assert "rpm x torque_nm" in text
    assert not re.search(r"<script|https?://|src=", text)


def test_a_worker_elsewhere_finds_the_model(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _train(capsys, f"--input={_simulate(tmp_path, 'normal.parquet')}", "--output=model.json")
    setting = DetectorSetting(name="model", parameters={"path": "model.json"})
    windows = WindowOptions(120 * SECOND, 60 * SECOND, 1000)
    watch = WatchGroup(windows, JobConfig(detectors=(setting,)), frozenset(), "metrics")
    monkeypatch.chdir("/")
    watch.setup()
    # What stands in alerts is the path as it was given, so they are the same everywhere.
    assert watch._detection.resolved[0]["parameters"]["path"] == "model.json"


def test_the_same_samples_give_the_same_bytes_whatever_file_they_come_from(
    tmp_path: Path, capsys: Capture
) -> None:
    found = []
    for name in ("a.parquet", "b.jsonl", "c.csv"):
        output = tmp_path / f"{name}.json"
        _train(capsys, f"--input={_simulate(tmp_path, name)}", f"--output={output}")
        found.append(output.read_bytes())
    assert found[0] == found[1] == found[2]


def test_one_other_sample_gives_another_digest(tmp_path: Path) -> None:
    rows = _rows(_values(600))
    changed = Rows(rows.series, rows.code, rows.time, rows.value.copy())
    changed.value[-1] += 1e-9
    digests = {model_of([one], Training("x")).model.recording.digest for one in (rows, changed)}
    assert len(digests) == 2


def test_the_job_alerts_by_the_model_and_names_it(tmp_path: Path, capsys: Capture) -> None:
    recording = _simulate(tmp_path, "normal.parquet")
    parsed = _train(capsys, f"--input={recording}", f"--output={tmp_path / 'models'}")
    ill = _simulate(tmp_path, "ill.parquet", "--faults=power_failure", "--seed=1",
                    f"--labels={tmp_path / 'labels.json'}")  # fmt: skip
    config = tmp_path / "config.json"
    models = {"name": "model", "parameters": {"path": str(tmp_path / "models")}}
    config.write_text(json.dumps({"detectors": [models]}))
    alerts = tmp_path / "alerts.jsonl"
    assert main(["replay", f"--input={ill}", f"--output={alerts}", f"--config={config}"]) == 0
    fault = json.loads((tmp_path / "labels.json").read_text(encoding="utf-8"))["faults"][0]
    opened = [
        event["data"]
        for event in map(json.loads, alerts.read_text(encoding="utf-8").splitlines())
        if event["type"].endswith("opened") and event["data"]["source_id"] == fault["source_id"]
        and fault["start"] <= event["time"] <= fault["end"]
    ]  # fmt: skip
    assert opened
    assert parsed["digest"] in json.dumps(opened[0]["evidence"])


def test_rows_of_known_faults_are_left_out(tmp_path: Path, capsys: Capture) -> None:
    labels = tmp_path / "labels.json"
    ill = _simulate(tmp_path, "ill.parquet", "--faults=power_failure", f"--labels={labels}")
    options = [f"--input={ill}", f"--output={tmp_path / 'model.json'}"]
    parsed = _train(capsys, *options)
    cleaned = _train(capsys, *options, f"--labels={labels}")
    assert cleaned["rows"] < parsed["rows"]


def test_only_the_part_that_is_asked_for_is_learnt(tmp_path: Path, capsys: Capture) -> None:
    recording = _simulate(tmp_path, "normal.parquet")
    parsed = _train(capsys, f"--input={recording}", f"--output={tmp_path / 'm.json'}",
                  "--start_time=2026-01-05T06:30:00Z", "--end_time=2026-01-05T07:30:00Z",
                  "--source=machine-0[12]", "--metric=*_temp_k")  # fmt: skip
    assert parsed["rows"] == 2 * 720
    assert parsed["metrics"] == ["air_temp_k", "process_temp_k"]


def test_versions_in_a_folder_have_names_of_their_own(tmp_path: Path, capsys: Capture) -> None:
    recording = _simulate(tmp_path, "normal.parquet")
    folder = tmp_path / "models"
    for time in ("2026-01-06T00:00:00Z", "2026-01-07T00:00:00Z"):
        _train(capsys, f"--input={recording}", f"--output={folder}", f"--valid_from={time}")
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == 2
    assert names[0] < names[1]


def test_too_little_is_refused_with_what_is_needed(tmp_path: Path, capsys: Capture) -> None:
    recording = _simulate(tmp_path, "normal.parquet")
    out = f"--output={tmp_path / 'm.json'}"
    base = [f"--input={recording}", out]
    short = _refused(capsys, *base, "--end_time=2026-01-05T06:02:00Z")
    assert "gives 72 rows" in short
    assert "at least 256 are needed" in short
    one = _refused(capsys, *base, "--metric=rpm")
    assert "at least two metrics" in one
    assert "rpm (1/min)" in one
    assert "has none, of 0 sources" in _refused(capsys, *base, "--source=nobody")
    assert "--valid_from 'soon' is not a time" in _refused(capsys, *base, "--valid_from=soon")
    assert not (tmp_path / "m.json").exists()


def test_an_input_that_is_not_there_is_an_error(tmp_path: Path, capsys: Capture) -> None:
    assert main(["train", f"--input={tmp_path / 'no.csv'}", "--output=x.json"]) in (1, 2)
    assert "no.csv" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_an_error(tmp_path: Path, capsys: Capture) -> None:
    recording = _simulate(tmp_path, "normal.parquet")
    (tmp_path / "file").write_text("")
    assert main(["train", f"--input={recording}", f"--output={tmp_path / 'file' / 'm.json'}"]) == 1
    assert "cannot be written" in capsys.readouterr().err


def _values(count: int) -> "np.typing.NDArray[np.float64]":
    return np.random.default_rng(1).normal(size=(count, 3))


def _rows(values: "np.typing.NDArray[np.float64]", names: Sequence[str] = ("m", "n")) -> Rows:
    count, d = values.shape
    keys = [Series(name, f"x{i}") for name in names for i in range(d)]
    return Rows(
        tuple(keys),
        np.repeat(np.arange(len(keys), dtype=np.int32), count),
        np.tile(np.arange(count) * SECOND, len(keys)),
        np.tile(values.T.ravel(), len(names)),
    )


def test_a_source_that_lacks_a_metric_is_left_out_and_named() -> None:
    rows = _rows(_values(600), ("m", "n", "o"))
    without = rows.select(rows.code != 8)
    trained = model_of([without], Training("x"))
    assert trained.left_out == ["o"]
    assert trained.model.recording.sources == ["m", "n"]


def test_constant_and_absurd_metrics_can_be_learnt() -> None:
    values = _values(600)
    values[:, 1] = 7.0
    values[300, 2] = 1e300
    model = model_of([_rows(values)], Training("x")).model
    ends = [end for one in model.channels for end in (one.low, one.high) if end is not None]
    assert np.isfinite(ends).all()


def test_sources_that_have_nothing_in_common_are_refused() -> None:
    rows = _rows(_values(300), ("m", "n", "o"))
    keys = [Series(key.source_id, key.source_id + key.metric_name) for key in rows.series]
    other = Rows(tuple(keys), rows.code, rows.time, rows.value)
    with pytest.raises(ConfigurationError, match="at least two metrics that half of the sources"):
        model_of([other], Training("x"))


def test_quality_counts_what_goes_wrong_in_the_last_quarter() -> None:
    values = _values(2000)
    values[1800:1900] += 50
    quality = model_of([_rows(values)], Training("x")).model.quality
    assert quality["rows"] == 1000
    assert quality["criticals"] == 2  # in both sources
