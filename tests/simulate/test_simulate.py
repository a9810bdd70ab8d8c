"""`padit simulate`: what it writes, and how it refuses."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from padit.analysis.report import read_labels, read_rows
from padit.cli.commands._simulate_output import open_output
from padit.cli.main import main
from padit.codecs.records import decode
from padit.connectors.sink import Start
from padit.domain.errors import ConfigurationError, SinkError
from padit.domain.timestamps import parse_timestamp
from tests.parts import KafkaPart

# kafka-python reads its message schemas this way while it is being imported.
pytestmark = pytest.mark.filterwarnings("ignore:(read|open)_text is deprecated:DeprecationWarning")

SHORT = ["simulate", "--machines=2", "--hours=0.1", "--seed=7"]
SAMPLES = 2 * 5 * 360


def run(*options: str) -> int:
    return main([*SHORT, *options])


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    paths = [tmp_path / f"{name}.{suffix}" for name in "ab"]
    for path in paths:
        assert run(f"--output={path}") == 0
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_samples_of_another_factory_are_not_replaced_unless_asked(
    tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path, labels = tmp_path / f"a.{suffix}", tmp_path / "labels.json"
    places = [f"--output={path}", f"--labels={labels}"]
    assert run(*places) == 0
    first, truth = path.read_bytes(), labels.read_bytes()
    assert run(*places) == 0
    assert path.read_bytes() == first
    capsys.readouterr()
    assert run(*places, "--seed=8") == 2
    assert "seed: 7 there, 8 now" in capsys.readouterr().err
    assert (path.read_bytes(), labels.read_bytes()) == (first, truth)
    assert run(*places, "--seed=8", "--overwrite") == 0
    assert path.read_bytes() != first


def test_a_file_that_was_not_simulated_is_not_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, labels = tmp_path / "mine.csv", tmp_path / "mine.json"
    path.write_text("precious\n")
    labels.write_text("precious\n")
    assert run(f"--output={path}") == 2
    assert "was not written by PADIT" in capsys.readouterr().err
    assert run(f"--output={tmp_path}/new.csv", f"--labels={labels}") == 2
    assert "holds another truth" in capsys.readouterr().err
    assert path.read_text() == labels.read_text() == "precious\n"


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.csv", []), ("a.parquet", []), ("a.jsonl", ["--format=array"])],
)
def test_every_kind_of_file_holds_the_same_rows(
    tmp_path: Path, name: str, options: list[str]
) -> None:
    run(f"--output={tmp_path / 'reference.jsonl'}")
    run(f"--output={tmp_path / name}", *options)
    want, have = (read_rows(str(tmp_path / file)) for file in ("reference.jsonl", name))
    assert len(have) == SAMPLES
    assert [have.series[i] for i in have.code] == [want.series[i] for i in want.code]
    assert np.array_equal(have.time, want.time)
    assert np.array_equal(have.value, want.value)


def test_half_seconds_survive_in_every_kind_of_file(tmp_path: Path) -> None:
    for name in ("a.jsonl", "a.csv", "a.parquet"):
        run(f"--output={tmp_path / name}", "--step=0.5")
        times = np.unique(read_rows(str(tmp_path / name)).time)
        assert set(np.diff(times).tolist()) == {500_000}


def test_the_output_is_described_in_one_json_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(f"--output={tmp_path / 'a.parquet'}")
    said = json.loads(capsys.readouterr().out)
    assert said["samples"] == SAMPLES
    assert said["series"] == 10


@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_labels_can_be_read_back(tmp_path: Path, suffix: str) -> None:
    labels = tmp_path / f"labels.{suffix}"
    run(
        f"--output={tmp_path / 'a.parquet'}",
        f"--labels={labels}",
        "--faults=overstrain,power_failure",
    )
    truths = read_labels(str(labels))
    assert {truth.fault for truth in truths} == {"overstrain", "power_failure"}
    start = parse_timestamp("2026-01-05T06:00:00Z")
    assert all(start < truth.start < truth.end < start + 360_000_000 for truth in truths)
    assert truths[0].metrics == ("rpm", "torque_nm")


def test_without_an_end_the_faults_come_within_two_hours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("padit.cli.commands.simulate._write", lambda *_, **__: 0)
    labels = tmp_path / "labels.json"
    options = [f"--labels={labels}", "--faults=overstrain", "--start=2026-01-05T06:00:00Z"]
    main(["simulate", "--realtime", f"--output={tmp_path / 'a.jsonl'}", *options])
    assert read_labels(str(labels))[0].end < parse_timestamp("2026-01-05T08:00:00Z")


def test_a_speedup_does_not_change_what_is_written(tmp_path: Path) -> None:
    run(f"--output={tmp_path / 'fast.jsonl'}")
    run(f"--output={tmp_path / 'paced.jsonl'}", "--speedup=1200")
    assert (tmp_path / "fast.jsonl").read_bytes() == (tmp_path / "paced.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--output=a.txt"], "give a file that ends in"),
        (["--output=kafka://host"], "write kafka://HOST:PORT/TOPIC"),
        (["--output=a.csv", "--format=arrow"], "--format arrow is for Kafka topics"),
        (["--output=a.csv", "--start=noon"], "'noon' is not a time"),
        (["--output=a.csv", "--hours=1e-6"], "raise --hours"),
        (["--output=a.csv", "--step=-1"], "--step: -1 must lie between"),
        (["--output=a.csv", "--speedup=0"], "--speedup: 0 must lie between"),
        (["--output=a.csv", "--faults=rust"], "there is no fault 'rust'"),
        (["--output=a.csv", "--faults=overstrain,overstrain,overstrain"], "3 faults need 3"),
        (["--output=a.csv", "--labels=l.txt"], "ends in .json or .csv"),
    ],
)
def test_a_wrong_option_is_named_with_its_remedy(
    options: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*options) == 2
    assert says in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="cannot be written"):
        open_output(str(tmp_path / "file" / "a.jsonl"), "json", Start())


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="json, array, arrow"):
        open_output("a.jsonl", "xml", Start())


def test_without_a_broker_the_error_names_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--output=kafka://127.0.0.1:1/metrics") == 1
    assert "`padit up` starts one" in capsys.readouterr().err


def consume(kafka: KafkaPart, topic: str) -> list[Any]:
    from kafka import KafkaConsumer

    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=kafka.bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=5000,
        enable_auto_commit=False,
    )
    records = list(consumer)
    consumer.close()
    return records


@pytest.mark.parametrize("wire", ["json", "array", "arrow"])
def test_a_topic_gets_every_sample_once_in_order_of_time(
    kafka: KafkaPart, tmp_path: Path, wire: str
) -> None:
    run(f"--output={tmp_path / 'reference.parquet'}")
    topic = kafka.topic(f"simulate-{wire}", 1)
    assert run(f"--output={kafka.uri(topic)}", f"--format={wire}") == 0
    records = consume(kafka, topic)
    rows = decode([record.value for record in records], 1 << 22).rows
    want = read_rows(str(tmp_path / "reference.parquet"))
    assert np.array_equal(rows.time, want.time)
    assert np.array_equal(rows.value, want.value)
    assert records[0].timestamp * 1000 == want.time[0]
    assert records[0].key == (b"machine-01:air_temp_k" if wire == "json" else None)


def test_a_topic_that_does_not_exist_is_made(
    kafka: KafkaPart, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(f"--output={kafka.uri('simulate-made')}", "--format=arrow") == 0
    assert "made the topic simulate-made" in capsys.readouterr().err
    assert len(consume(kafka, "simulate-made")) > 0
