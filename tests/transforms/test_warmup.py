"""Warm-up is visible by series and detector, short, and skipped where history is read first."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from padit.cli.main import main
from padit.domain.audit import judged_by
from padit.domain.config import DetectorSetting, JobConfig
from padit.domain.metric import Series
from padit.transforms.detect import Detection
from padit.transforms.windows import WindowOptions
from tests.laws.machine import SECOND, Log, Sample, run, schedule_by
from tests.laws.streams import logs_of, samples_of
from tests.pipelines.seed import START, line, write

WINDOWS = WindowOptions(300 * SECOND, 60 * SECOND, 1000)
FEW = 30
"""Extractions after which the shipped detectors must judge."""


def _log(values: Any, step: float) -> Log:
    return [Sample(round((START + i * step) * SECOND), Series("m", "x"), float(value))
            for i, value in enumerate(values)]  # fmt: skip


def _features(tmp_path: Path, lines: list[bytes], *options: str) -> list[dict[str, Any]]:
    source = write(tmp_path / "input.jsonl", lines)
    place = tmp_path / "features.jsonl"
    (tmp_path / "job.yaml").write_text("")  # as shipped
    assert main(["run", f"--input={source}", f"--features={place}", f"--config={tmp_path}/job.yaml",
                 f"--output={tmp_path}/alerts.jsonl", *options]) == 0  # fmt: skip
    return [json.loads(one) for one in place.read_text().splitlines()]


def _noise(minutes: int) -> list[bytes]:
    values = np.random.default_rng(1).normal(5, 1, minutes).tolist()
    return [line(60 * i, value, "probe-1") for i, value in enumerate(values)]


@pytest.mark.parametrize("step", [1.0, 10.0, 60.0])
def test_the_shipped_detectors_find_a_gross_outlier_after_few_extractions(step: float) -> None:
    count = round(FEW * 60 / step)
    values = np.random.default_rng(2).normal(5, 1, count)
    values[-1 if step == 60.0 else -4 :] = 60  # a single spike is no news once a series is known
    found = run([_log(values, step)], Detection(JobConfig().detectors), windows=WINDOWS)
    events = [msgspec.json.decode(event) for group in found.alerts for event in group]
    [opened] = [one["data"] for one in events if one["type"].endswith("opened")]
    assert opened["event_time"] == "2026-01-01T00:30:00.000000Z"


def test_every_row_of_features_lists_the_detectors_of_its_series(tmp_path: Path) -> None:
    rows = _features(tmp_path, _noise(40))
    assert [row["extractions"] for row in rows] == list(range(1, len(rows) + 1))
    begun = next(row["extractions"] for row in rows if row["judged_by"])
    assert 1 < begun <= FEW
    for row in rows:
        assert row["judged_by"] == (["usual"] if row["extractions"] >= begun else [])
        assert row["judged_by"] or row["score"] is None


def test_the_summary_counts_warm_series(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    others = [line(600, 1.0, "probe-2"), line(600, 1.0, "probe-3")]
    _features(tmp_path, [*_noise(40)[:11], *others, *_noise(40)[11:]])
    summary = json.loads(capsys.readouterr().out)
    assert (summary["series"], summary["warm"]) == (3, 1)
    assert summary["judged"] == {
        "discord": 0,
        "lasting": 0,
        "no_data": 0,
        "relation": 0,
        "usual": 1,
    }
    audit = (tmp_path / "alerts.audit.jsonl").read_text().splitlines()
    run_totals = [one for one in map(json.loads, audit) if one["record"] == "run_totals"]
    assert sum(one["series"] for one in run_totals) == 3


def test_history_makes_a_job_warm_before_it_goes_live(tmp_path: Path) -> None:
    begin = str(START)
    live = str(START + 40 * 60)
    rows = _features(tmp_path, _noise(60), f"--bootstrap_from={begin}", f"--live_from={live}")
    assert rows[0]["extractions"] >= FEW
    assert all(row["judged_by"] == ["usual"] for row in rows)


def test_the_status_does_not_depend_on_how_the_stream_was_cut() -> None:
    names = ("novelty", "rule")
    detection = Detection([DetectorSetting(name=name) for name in names])
    logs = logs_of(samples_of("factory"), 4)
    whole = run(logs, detection)
    expected = judged_by(whole.run_totals)
    assert expected == {"novelty": 6, "rule": 6}
    for most in (30, 300):
        found = run(logs, detection, schedule_by(np.random.default_rng(most), logs, most))
        assert judged_by(found.run_totals) == expected
        assert (found.counts, found.state) == (whole.counts, whole.state)


def test_a_detector_that_does_not_look_at_a_series_never_judges_it() -> None:
    detection = Detection(
        [DetectorSetting(name="rule", metric="x"), DetectorSetting(name="changepoint")]
    )
    found = run(logs_of(samples_of("factory"), 4), detection)
    assert judged_by(found.run_totals) == {"rule": 3, "changepoint": 6}
    assert (found.counts.series, found.counts.warm) == (6, 6)


@pytest.mark.parametrize(("step", "expected"), [(1, 1), (60, 9)])
def test_the_shipped_detectors_judge_from_the_extraction_that_the_docs_name(
    step: int, expected: int, tmp_path: Path
) -> None:
    values = np.random.default_rng(3).normal(5, 1, (max(600 // step, 510), 2)).tolist()
    lines = [
        one
        for i, (left, right) in enumerate(values)
        for one in (line(i * step, left), line(i * step, right).replace(b"rtt_ms", b"loss"))
    ]
    rows = _features(tmp_path, lines)
    assert min(row["extractions"] for row in rows if "usual" in row["judged_by"]) == expected
