"""`padit.detect`: a table in memory gives what `padit run` gives for it as a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import padit
from padit.domain.errors import ConfigurationError, LossError
from padit.pipelines.job import run_job
from tests.limits import allowed

BEGIN = 1_767_225_600
ROOT = Path(__file__).parents[2]


def table(samples: int = 600, wide: bool = False) -> pa.Table:
    """Two metrics of a machine, one sample each 10 s; the first one jumps for ten minutes."""
    rng = np.random.default_rng(20261128)
    time = BEGIN + np.arange(samples) * 10.0
    torque, speed = 40 + rng.normal(0, 1, samples), 1500 + rng.normal(0, 20, samples)
    torque[400:450] += 30
    if wide:
        when = pa.array((time * 1e6).astype(np.int64), pa.timestamp("us", "UTC"))
        return pa.table({"time": when, "torque_nm": torque, "rpm": speed})
    return pa.table(
        {
            "timestamp": np.concatenate([time, time]),
            "source_id": ["press-1"] * (2 * samples),
            "metric_name": ["torque_nm"] * samples + ["rpm"] * samples,
            "value": np.concatenate([torque, speed]),
        }
    )


@pytest.fixture(scope="module")
def found() -> padit.Detected:
    return padit.detect(table(), window_size_sec=120)


def test_import_loads_neither_beam_nor_numpy() -> None:
    heavy = {"apache_beam", "numpy", "numba", "pyarrow"}
    code = f"import sys, padit; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=allowed(60))
    assert set(padit.__all__) <= set(dir(padit))
    with pytest.raises(AttributeError, match="detekt"):
        padit.detekt  # noqa: B018


@pytest.mark.parametrize("wide", [False, True])
def test_a_table_gives_the_bytes_of_the_job_over_it_as_a_file(
    found: padit.Detected, tmp_path: Path, wide: bool
) -> None:
    here = padit.detect(table(wide=True), window_size_sec=120) if wide else found
    pq.write_table(table(wide=wide), tmp_path / "table.parquet")
    outputs = {name: tmp_path / f"{name}.jsonl" for name in ("alerts", "anomalies", "features")}
    run_job(
        [
            f"--input={tmp_path}/table.parquet",
            f"--output={outputs['alerts']}",
            f"--anomalies={outputs['anomalies']}",
            f"--features={outputs['features']}",
            "--window_size_sec=120",
        ],
        live=False,
    )
    for name, place in outputs.items():
        assert place.read_bytes() == here.json[name], name
        assert here.json[name], name


def test_results_are_arrow_tables_with_the_lines_of_the_job(found: padit.Detected) -> None:
    assert found.summary.residue == 0
    assert found.summary.read == found.summary.scored == 1200
    for name, columns in {
        "alerts": found.alerts,
        "anomalies": found.anomalies,
        "features": found.features,
    }.items():
        assert columns.num_rows == len(found.json[name].splitlines()) > 0
    opened = [json.loads(line)["data"]["id"] for line in found.json["alerts"].splitlines()]
    assert found.alerts["alert_id"].to_pylist() == opened
    assert pc.unique(found.alerts["metric_name"]).to_pylist() == ["torque_nm"]
    assert found.scores.num_rows == found.features.num_rows
    assert found.scores["score"].null_count < found.scores.num_rows
    assert found.late.num_rows == found.dead_letters.num_rows == 0


def test_the_plot_shows_the_series_in_a_frame_of_its_own(
    found: padit.Detected, tmp_path: Path
) -> None:
    plot = found.plot("presses <1>")
    plot.save(str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text()
    assert "presses &lt;1&gt;" in page
    assert "torque_nm" in page
    assert plot._repr_html_().startswith("<iframe srcdoc=")
    assert "torque_nm" not in repr(plot)


def test_rows_that_cannot_be_used_are_dead_letters_or_an_error() -> None:
    some = pa.concat_tables(
        [table(60), pa.table({"timestamp": [float("nan")], "source_id": [""], "metric_name": ["x"],
                              "value": [1.0]})]
    )  # fmt: skip
    assert padit.detect(some).dead_letters["reason"].to_pylist()[0]
    with pytest.raises(LossError):
        padit.detect(some, strict=True)


@pytest.mark.parametrize(
    ("given", "options", "named"),
    [
        ([1, 2], {}, "a list is no table"),
        (table(10), {"output": "here.jsonl"}, "output is set by detect"),
        (table(10), {"timestamp": "when"}, "belongs to the configuration"),
        (table(10), {"windw_size_sec": 60}, "--window_size_sec"),
        (table(10), {"config": {"detector": []}}, "unknown key detector"),
    ],
)
def test_what_is_wrong_is_named_with_the_remedy(
    given: Any, options: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        padit.detect(given, **options)


def test_the_page_about_python_is_executed(tmp_path: Path) -> None:
    """Both examples of docs/python.md, as they stand, in a process of their own."""
    pa.csv.write_csv(table(200), tmp_path / "machines.csv")
    page = (ROOT / "docs" / "python.md").read_text()
    blocks = [part.split("```")[0] for part in page.split("```python\n")[1:]]
    assert len(blocks) == 2
    code = "if __name__ == '__main__':\n" + "\n".join(
        f"    {line}" for block in blocks for line in block.splitlines()
    )
    script = tmp_path / "page.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
        timeout=allowed(240),
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "report.html").exists()
    assert list(tmp_path.glob("alerts-*.jsonl"))
