"""Alerts, configurations and sweeps that call the detector `no_data` by its old name `silence`."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from padit.analysis.alert_files import read_events
from padit.analysis.explain.compare import compare
from padit.analysis.explain.renamed import with_current_names
from padit.analysis.sweep.space import SweepFile, read_sweep_file
from padit.cli.main import main
from padit.domain.config import load_config
from padit.transforms.detectors import create_detector
from padit.transforms.detectors.no_data import NoDataDetector
from tests.pipelines.seed import line, write

OLD = Path(__file__).parent / "old" / "silence.jsonl"
"""What version 1 of the detector wrote for the rows of `_lines`."""
CONFIG = "detectors:\n  - {name: rule}\n  - {name: NAME}\n"
Capture = pytest.CaptureFixture[str]


def _lines() -> list[bytes]:
    return [
        line(second, 5.2, source)
        for second in range(0, 5400, 5)
        for source in ("fan", "pump")
        if source == "fan" or not 600 <= second < 2400
    ]


def _replay(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    write(folder / "all.jsonl", _lines())
    (folder / "job.yaml").write_text(CONFIG.replace("NAME", name))
    alerts = folder / f"{name}.jsonl"
    where = [f"--input={folder}/all.jsonl", f"--config={folder}/job.yaml", f"--output={alerts}"]
    assert main(["replay", *where]) == 0
    return alerts


def test_a_configuration_with_the_old_name_gives_the_same_alerts_and_one_warning(
    tmp_path: Path, capsys: Capture
) -> None:
    new = _replay(tmp_path / "new", "no_data")
    assert "deprecated" not in capsys.readouterr().err
    for run in ("one", "two"):  # also in the second run of one process
        old = _replay(tmp_path / run, "silence")
        warning = "padit: detector silence is deprecated, its name is no_data now"
        assert capsys.readouterr().err.splitlines().count(warning) == 1
        assert old.read_bytes() == new.read_bytes()


def test_diff_matches_old_alerts_with_new_ones_and_names_the_renaming(
    tmp_path: Path, capsys: Capture
) -> None:
    new = _replay(tmp_path, "no_data")
    capsys.readouterr()
    assert main(["diff", str(OLD), str(new)]) == 1
    text = capsys.readouterr().out
    assert "A calls the detector no_data by its old name silence" in text
    assert "1 alerts in A, 1 in B: 0 removed, 0 added, 0 moved, 1 changed, 0 the same" in text
    assert f"no_data.version: 1 in A, {NoDataDetector.version} in B" in text
    assert main(["diff", str(OLD), str(new), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["transitions"] == {"a": 3, "b": 3, "only_a": 0, "only_b": 0, "changed": 3}
    assert [one.partition(" ")[0] for one in found["renamed"]] == ["A"]


SAME = ("id", "source_id", "metric_name", "severity", "score", "summary", "opened", "event_time",
        "resolved", "resolved_at")  # fmt: skip


def test_under_the_new_name_an_old_alert_is_the_same_but_for_what_came_later(
    tmp_path: Path,
) -> None:
    new = read_events(str(_replay(tmp_path, "no_data")))
    old = [with_current_names(one) for one in read_events(str(OLD))]
    assert [one.id for one in old] == [one.id for one in new]
    for before, after in zip(old, new, strict=True):
        assert {name: before.content["data"][name] for name in SAME} == {
            name: after.content["data"][name] for name in SAME
        }


def test_two_old_files_are_equal_and_a_foreign_line_with_the_word_stays(tmp_path: Path) -> None:
    assert main(["diff", str(OLD), str(OLD)]) == 0
    foreign = tmp_path / "foreign.jsonl"
    foreign.write_text(
        '{"id":"1","time":"2026-01-01T00:00:00Z","type":"x","data":{"source_id":"a",'
        '"metric_name":"b","summary":"","detector":"silence","evidence":{"detectors":["silence"]}}}'
    )
    [event] = read_events(str(foreign))
    assert with_current_names(event) == event
    assert compare([event], read_events(str(OLD))).renamed != []


def test_explain_reads_an_old_alert_and_names_the_new_detector(
    tmp_path: Path, capsys: Capture
) -> None:
    explain = ["explain", "5dbd8172", f"--from={OLD}"]
    assert main(explain) == 2
    text = capsys.readouterr()
    assert (
        f"detector silence is called no_data now, version {NoDataDetector.version}; the alert"
        in text.out
    )
    assert "silence has state from earlier samples; --input replays it" in text.out
    assert "deprecated" not in text.err  # nothing a person configured
    write(tmp_path / "all.jsonl", _lines())
    assert main([*explain, f"--input={tmp_path}/all.jsonl"]) == 1  # the ids are others


def test_a_sweep_file_may_use_the_old_name(tmp_path: Path, capsys: Capture) -> None:
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text("vary: {detectors.silence.minimum_sec: [60, 120], window_size_sec: [60]}")
    assert list(read_sweep_file(str(sweep)).vary) == [
        "detectors.no_data.minimum_sec",
        "window_size_sec",
    ]
    both = {"detectors.silence.factor": 5, "detectors.no_data.factor": 6}
    with pytest.raises(ValidationError, match="under the old and the new name"):
        SweepFile.model_validate({"vary": both})


def test_the_name_is_the_new_one_once_the_configuration_is_read(tmp_path: Path) -> None:
    config = tmp_path / "job.yaml"
    config.write_text("detectors: [{name: silence, parameters: {factor: 7}}]")
    assert load_config(str(config)).detectors[0].name == "no_data"
    assert create_detector("silence", {}).name == "no_data"
