"""`padit.WatchMetrics` in somebody else's pipeline, against the job over the same rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.testing import test_stream as streams
from apache_beam.transforms.window import TimestampedValue

import padit
from padit.domain.errors import ConfigurationError
from padit.domain.metric import Metric
from padit.domain.timestamps import parse_timestamp
from padit.pipelines.direct import InProcessRunner
from padit.pipelines.job import run_job

BEGIN = 1_767_225_600
SAMPLES = 240
OPTIONS = {"window_size_sec": 120, "key_groups": 4}


def rows() -> list[dict[str, Any]]:
    rng = np.random.default_rng(17)
    made = []
    for source in ("press-1", "press-2", "press-3"):
        value = 40 + rng.normal(0, 1, SAMPLES)
        value[150:170] += 30
        last = 190 if source == "press-3" else SAMPLES  # it falls silent
        made += [
            {"timestamp": BEGIN + 10.0 * n, "source_id": source, "metric_name": "torque_nm",
             "value": float(value[n])}
            for n in range(last)
        ]  # fmt: skip
    return made


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    """What the job writes."""
    place = tmp_path_factory.mktemp("job")
    (place / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows()))
    names = {"alerts": "output", "anomalies": "anomalies", "features": "features"}
    argv = [f"--{option}={place}/{name}.out.jsonl" for name, option in names.items()]
    argv += [f"--{name}={value}" for name, value in OPTIONS.items()]
    run_job([f"--input={place}/rows.jsonl", *argv], live=False)
    found = {
        name: sorted((place / f"{name}.out.jsonl").read_bytes().splitlines()) for name in names
    }
    assert all(found.values())
    return found


class Append(beam.DoFn):  # type: ignore[misc]
    """Lines to a file; runners of this process work on one element of a step at a time."""

    def __init__(self, place: str) -> None:
        self._place = place

    def process(self, element: bytes) -> None:
        with open(self._place, "ab") as file:
            file.write(element + b"\n")


def watch(source: Any, pipeline: Any, place: Path, **options: Any) -> dict[str, list[bytes]]:
    with pipeline as begun:
        watched = begun | source | padit.WatchMetrics(**{**OPTIONS, **options})
        for name, results in watched._asdict().items():
            results | f"Write.{name}" >> beam.ParDo(Append(str(place / name)))
    return {
        name: sorted((place / name).read_bytes().splitlines()) if (place / name).exists() else []
        for name in padit.Watched._fields
    }


def test_a_bounded_collection_gives_the_bytes_of_the_job(
    job: dict[str, list[bytes]], tmp_path: Path
) -> None:
    given: list[Any] = rows()
    given[0] = json.dumps(given[0]).encode()
    given[1] = json.dumps(given[1])
    given[2] = Metric(**given[2])
    given += [{"value": 1}, 7, b"\xff\xff", {"value": object()}]
    found = watch(beam.Create(given[::-1]), beam.Pipeline(runner=InProcessRunner()), tmp_path)
    assert {name: found[name] for name in job} == job
    assert len(found["dead_letters"]) == 4
    assert found["late"] == []


def test_an_unbounded_collection_gives_the_same_until_the_pipeline_is_drained(
    job: dict[str, list[bytes]], tmp_path: Path
) -> None:
    given = sorted(rows(), key=lambda row: row["timestamp"])
    stream = streams.TestStream()
    for first in range(0, len(given), 90):
        some = given[first : first + 90]
        stream = stream.add_elements(
            [TimestampedValue(row, row["timestamp"]) for row in reversed(some)]
        ).advance_watermark_to(some[-1]["timestamp"] - 10)
    late = {**given[5], "value": 41.5}
    stream = stream.add_elements([TimestampedValue(late, late["timestamp"])])
    pipeline = beam.Pipeline(
        runner=BundleBasedDirectRunner(), options=PipelineOptions(["--streaming"])
    )
    end_of_stream = stream.advance_watermark_to_infinity()
    found = watch(end_of_stream, pipeline, tmp_path, quiet_sec=900)
    assert [json.loads(one)["value"] for one in found["late"]] == [41.5]
    # Time goes on at the end of the stream; that of a file ends with its rows.
    end = parse_timestamp(BEGIN + 10.0 * (SAMPLES - 10))
    for name, field in {"alerts": "time", "features": "window_end"}.items():
        mine, theirs = ([one for one in lines if parse_timestamp(json.loads(one)[field]) < end]
                        for lines in (found[name], job[name]))  # fmt: skip
        assert mine == theirs, name
        assert mine


def test_an_option_that_it_does_not_take_is_named() -> None:
    with pytest.raises(ConfigurationError, match="output is no option of WatchMetrics"):
        padit.WatchMetrics(output="here.jsonl")
    with pytest.raises(ConfigurationError, match="window_size_sec"):
        padit.WatchMetrics(window_size_sec=61)
