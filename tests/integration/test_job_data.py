"""Published data sets: read from the file and from a topic with the same rows, the same alerts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import pytest

from padit.codecs.validate import Validate
from padit.connectors.uris import Bounds, source_from_uri
from tests.integration.helpers import ROOT, Record, alerts_of, metric, padit, produce
from tests.parts import KafkaPart, skip_for_data

DATA = Path(os.environ.get("PADIT_TEST_DATA", ROOT.parent / "shared" / "data"))


class DataSet(NamedTuple):
    """A file, how it is read, and with which windows."""

    path: str
    options: str
    windows: tuple[str, ...]


SETS = {
    "NAB machine temperature": DataSet(
        "nab/data/realKnownCause/machine_temperature_system_failure.csv",
        "source_id=machine",
        ("--window_size_sec=21600", "--extract_interval_sec=3600"),
    ),
    "AI4I 2020": DataSet(
        "ai4i/ai4i2020.csv",
        "delimiter=tab&start=2026-01-01T00:00:00Z&step=60&source_id=line-1"
        "&ignore=UDI,Machine failure,TWF,HDF,PWF,OSF,RNF",
        ("--window_size_sec=3600", "--extract_interval_sec=600"),
    ),
    "SKAB valve 1": DataSet(
        "skab/data/valve1/0.csv",
        "delimiter=;&timestamp=datetime&source_id=valve1&ignore=anomaly,changepoint",
        ("--window_size_sec=60", "--extract_interval_sec=15"),
    ),
}


def _rows(uri: str) -> list[Record]:
    """The samples of a file, in its order, as JSON records."""
    source = source_from_uri(uri, Bounds())
    reader = source.open(source.ranges(), Validate(1 << 20, 1 << 60))
    records: list[Record] = []
    ended = False
    while not ended:
        for read in reader.read(0.1):
            rows, ended = read.rows, read.ended
            columns = (rows.code.tolist(), rows.time.tolist(), rows.value.tolist())
            for code, time, value in zip(*columns, strict=True):
                series = rows.series[code]
                records.append(metric(series.source_id, series.metric_name, time / 1e6, value))
    reader.close()
    return records


@pytest.mark.parametrize("name", SETS)
def test_a_data_set_from_its_file_and_from_a_topic_raises_the_same_alerts(
    kafka: KafkaPart, tmp_path: Path, name: str
) -> None:
    data = SETS[name]
    path = DATA / data.path
    if not path.exists():
        skip_for_data(f"{data.path} is not in {DATA.name}/; PADIT_TEST_DATA names it")
    uri = f"{path}?{data.options}"
    records = _rows(uri)
    topic = kafka.topic("published")
    produce(kafka.bootstrap, topic, records)
    counts = []
    for kind, place in (("file", uri), ("topic", kafka.uri(topic))):
        output = tmp_path / f"{kind}.jsonl"
        run = padit("replay", "--input", place, "--output", output, *data.windows)
        # What the options leave out of a file is not on the topic.
        counts.append({**run.summary, "seconds": 0, "unwatched": 0})
    assert counts[0] == counts[1]
    assert counts[0]["read"] == len(records)
    assert alerts_of(tmp_path / "file.jsonl")
    assert (tmp_path / "file.jsonl").read_bytes() == (tmp_path / "topic.jsonl").read_bytes()
