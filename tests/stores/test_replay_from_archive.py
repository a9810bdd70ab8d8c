"""`padit archive`, then `padit replay` from S3: every result is that of the topic, to the byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from padit.cli.main import main
from tests.s3 import S3Server
from tests.stores.records import ODD, START, plain

_RESULTS = ("output", "features", "anomalies", "dlq", "late")
_CONFIG = """
detectors:
  - name: rule
    parameters: {rules: [{conditions: [{feature: max, limit: 50, adds: 1.0}]}]}
"""


def _fill(kafka: Any, topic: str) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "compression.type": "zstd"})
    for n, value in enumerate(plain(9000)):
        second = n // 10
        if 300 <= second < 330 and n % 10 == 3:
            value = json.dumps({**json.loads(value), "value": 99.5}).encode()
        stamp = (START + second) * 1000
        producer.produce(topic, value, partition=n % 2, timestamp=stamp)
        if n % 97 == 0:
            producer.produce(topic, ODD[n // 97 % len(ODD)], partition=n % 2, timestamp=stamp)
        if n % 500 == 499:
            producer.produce(topic, plain(10)[n % 7], partition=n % 2, timestamp=stamp)
    assert producer.flush(30) == 0


def _replay(uri: str, folder: Path, *more: str) -> dict[str, bytes]:
    folder.mkdir()
    config = folder / "detectors.yaml"
    config.write_text(_CONFIG)
    places = [f"--{name}={folder / name}.jsonl" for name in _RESULTS]
    code = main(
        ["replay", "--input", uri, "--config", str(config), *places, "--window_size_sec=60",
         "--extract_interval_sec=30", "--max_loss_share=1", *more]
    )  # fmt: skip
    assert code == 0
    return {name: (folder / f"{name}.jsonl").read_bytes() for name in _RESULTS}


@pytest.mark.parametrize("more", [(), ("--start_time=2026-01-01T00:03:20Z",)], ids=["all", "part"])
def test_a_replay_from_the_archive_gives_the_results_of_the_topic(
    kafka: Any, s3: S3Server, tmp_path: Path, more: tuple[str, ...]
) -> None:
    topic = kafka.topic("replayed", 2)
    _fill(kafka, topic)
    s3.bucket("replayed")
    place = s3.uri(f"replayed/{topic}")
    assert main(["archive", place, "--from", kafka.uri(topic), "--commit_records", "2000"]) == 0
    expected = _replay(kafka.uri(topic), tmp_path / "topic", *more)
    assert _replay(place, tmp_path / "archive", *more) == expected
    assert expected["output"]
    assert expected["late"]
    letters = [json.loads(line) for line in expected["dlq"].splitlines()]
    assert {topic} == {one["data"]["topic"] if "data" in one else one["topic"] for one in letters}


def test_the_command_checks_asks_and_compacts(
    kafka: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    topic = kafka.topic("commands", 2)
    _fill(kafka, topic)
    place = str(tmp_path / "archive")
    assert main(["archive", place, "--from", kafka.uri(topic)]) == 0
    assert "records archived in 1 commits" in capsys.readouterr().err
    assert main(["archive", place, "--check"]) == 0
    assert f"{topic}: " in capsys.readouterr().out
    assert main(["archive", place, "--ask", "SELECT count(*) AS n FROM archive"]) == 0
    assert capsys.readouterr().out.startswith("n\n")
    assert main(["archive", place, "--files"]) == 0
    assert all(Path(line).exists() for line in capsys.readouterr().out.splitlines())
    assert main(["archive", place, "--compact"]) == 0
    assert main(["archive", place, "--from", kafka.uri(topic), "--source_groups", "99"]) == 2
    assert main(["archive", place, "--ask", "SELECT * FROM read_csv('/etc/passwd')"]) == 2
    assert main(["archive", str(tmp_path / "none"), "--check"]) == 1
