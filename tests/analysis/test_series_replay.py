"""What the job makes of a series, computed again from its input, is what the job wrote."""

import json
from pathlib import Path

import numpy as np
import pytest

from padit.analysis.explain.history import Reading
from padit.analysis.explain.series_replay import _Run
from padit.cli.main import main
from padit.connectors.cursor import advance, first_cursors
from padit.connectors.source import PartitionRange, ReadBatch
from padit.domain.config import JobConfig
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.timestamps import MICROS, format_utc
from padit.transforms.windows import WindowOptions
from tests.alerting.making import SIMPLE

START = 1_767_600_000


def _lines(names: list[str], minutes: int) -> str:
    found = []
    for second in range(0, minutes * 60, 10):
        for number, name in enumerate(names):
            value = 10.0 * number + second % 70 / 10 + (500.0 if second > 6600 and number else 0.0)
            found.append({"timestamp": format_utc((START + second) * MICROS), "source_id": name,
                          "metric_name": "rpm", "value": value})  # fmt: skip
    late = dict(found[2], timestamp=format_utc((START + 60) * MICROS))
    bad = dict(found[-1], value="text")
    return "".join(json.dumps(one) + "\n" for one in [*found, late, bad])


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the input of a job and all it wrote."""
    folder = tmp_path_factory.mktemp("job")
    (folder / "metrics.jsonl").write_text(_lines(["press-1", "press-2"], 120))
    (folder / "alerting.yaml").write_text(SIMPLE)
    (folder / "none.jsonl").touch()
    outputs = [
        f"--{one}={folder}/{one}.jsonl" for one in ("output", "features", "late", "dlq")
    ]  # fmt: skip
    assert main(["run", "--input", f"{folder}/metrics.jsonl", *outputs]) == 0
    return folder


def _why_not(job: Path, source: str, *options: str) -> list[str]:
    return ["why-not", source, "rpm", "--config", f"{job}/alerting.yaml",
            "--alerts", f"{job}/none.jsonl", *options]  # fmt: skip


@pytest.mark.parametrize("minute", [10, 60, 100])
def test_what_was_not_recorded_is_explained_as_if_it_had_been(
    job: Path, capsys: pytest.CaptureFixture[str], minute: int
) -> None:
    at = ["--at", format_utc((START + minute * 60) * MICROS)]
    recorded = [f"--{one}={job}/{one}.jsonl" for one in ("features", "late", "dlq")]
    assert main(_why_not(job, "press-1", *at, *recorded)) == 1
    expected = capsys.readouterr().out.splitlines()
    assert main(_why_not(job, "press-1", *at, "--input", f"{job}/metrics.jsonl")) == 1
    found = capsys.readouterr().out.splitlines()
    assert [one for one in found if "computed again from" not in one] == expected


def test_late_samples_of_the_series_are_counted_and_no_others() -> None:
    """Files are read in order, so this comes from topics only."""
    table = (Series("s0", "rpm", ""), Series("s1", "rpm", ""))
    code, moments = np.array([0, 1, 0], np.int32), np.array([START, START + 1, START + 2])
    rows = Rows(table, code, moments * MICROS, np.ones(3))
    first, later = Rows(table, code, (moments + 3600) * MICROS, np.ones(3)), rows
    reads = [ReadBatch(0, 3, first), ReadBatch(0, 6, later)]
    (cursor,) = first_cursors([PartitionRange(0, 0, 6)], 1)
    run = _Run(
        ("s0", "rpm"), Reading("", {}, None, 0, 3600 * MICROS), JobConfig(),
        WindowOptions(300 * MICROS, 60 * MICROS, 1000),
    )  # fmt: skip
    run.take(advance(cursor, reads, 0))
    assert len(run.found.late) == 2


def test_an_alert_that_the_rows_would_raise_today_is_named(
    job: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(_why_not(job, "press-2", "--input", f"{job}/metrics.jsonl")) == 1
    said = capsys.readouterr().out
    assert "from these rows the job would write an alert today (opened" in said
    assert "dead letter: 1 records" in said
    assert (job / "output.jsonl").read_text().count('"press-2"')
