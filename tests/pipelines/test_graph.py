"""The graph keeps its labels, and options become what the job computes with."""

import dataclasses
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from padit.domain.errors import ConfigurationError
from padit.pipelines.graph import build
from padit.pipelines.job import make_plan
from padit.pipelines.options import JobOptions, parse_options
from tests.pipelines.seed import seed_lines, write


def _options(*argv: str) -> JobOptions:
    return JobOptions.of(parse_options(["--input=x.jsonl", *argv]))


def _labels(argv: list[str]) -> set[str]:
    plan, _ = make_plan(JobOptions.of(parse_options(argv)), live=False)
    pipeline = beam.Pipeline(options=PipelineOptions([]))
    build(pipeline, plan)
    proto = pipeline.to_runner_api()
    return {one.unique_name for one in proto.components.transforms.values()}


def test_labels_are_the_same_whatever_is_configured(tmp_path: Path) -> None:
    source = write(tmp_path / "input.jsonl", seed_lines())
    config = tmp_path / "job.yaml"
    config.write_text("detectors: [{name: rule}, {name: rule}]")
    bare = _labels([f"--input={source}", "--output=null"])
    full = _labels(
        [
            f"--input={source}",
            *(f"--{name}={tmp_path}/{name}.jsonl" for name in ("output", "late", "dlq")),
            f"--features={tmp_path}/features.parquet",
            "--anomalies=-",
            "--key_groups=5",
            "--window_size_sec=120",
            f"--config={config}",
        ]
    )
    assert bare == full
    tops = {label for label in bare if "/" not in label and not label.startswith("ref_")}
    assert tops == {
        "Shards", "SpreadShards", "ReadMetrics", "KeyByGroup", "WatchGroup", "Alerts",
        "Anomalies", "Features", "Late", "MergeDeadLetters", "DeadLetters", "MergeAudit",
        "Audit", "Progress",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("argv", "field", "value"),
    [
        ((), "window_size", 300_000_000),
        ((), "extract_interval", 60_000_000),
        ((), "out_of_orderness", 10_000_000),
        ((), "max_ahead", 3_600_000_000),
        ((), "key_groups", 32),
        ((), "max_series_per_group", 32_768),
        ((), "max_samples", 1000),
        ((), "output", "-"),
        ((), "features", None),
        (("--extract_interval_sec=0.25", "--window_size_sec=1"), "extract_interval", 250_000),
        (("--extract_interval_sec=0.1", "--window_size_sec=0.3"), "window_size", 300_000),
        (("--out_of_orderness_sec=0",), "out_of_orderness", 0),
        (("--out_of_orderness_sec", "0.2"), "out_of_orderness", 200_000),
        (("--start_time=2026-01-01T00:00:00Z",), "start_time", 1_767_225_600_000_000),
        (("--start_time=1767225600",), "start_time", 1_767_225_600_000_000),
        (("--end_time=1767225600000",), "end_time", 1_767_225_600_000_000),
        (("--start_offset=latest",), "start_offset", "latest"),
        (("--start_offset=7", "--end_offset=8"), "end_offset", 8),
        (("--read_shards=4",), "read_shards", 4),
        (("--max_record_bytes=100",), "max_record_bytes", 100),
        (("--dlq=kafka://h:1/t",), "dlq", "kafka://h:1/t"),
    ],
)
def test_an_option_becomes_what_the_job_computes_with(
    argv: tuple[str, ...], field: str, value: Any
) -> None:
    assert dataclasses.asdict(_options(*argv))[field] == value


@pytest.mark.parametrize(
    "option",
    ["--parallelism=2", "--checkpointing_interval=1000", "--savepoint_path=x", "--streaming"],
)
def test_options_of_beam_and_flink_pass_through(option: str) -> None:
    assert _options(option).input == "x.jsonl"


def test_an_option_is_not_abbreviated() -> None:
    with pytest.raises(ConfigurationError, match=r"unknown option --window_size_s"):
        _options("--window_size_s=60")
