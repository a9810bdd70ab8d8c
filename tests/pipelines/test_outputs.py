"""Starts of the job over places that hold results: nothing is erased, nothing is shared."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from padit.analysis.audit_log import audit_log_beside, read_audit_log
from padit.cli.main import main
from padit.connectors.source import PartitionRange
from padit.connectors.uris import parse_address
from padit.domain.audit import RunStarted, decode_record
from padit.domain.errors import ConfigurationError
from padit.pipelines.job import make_plan
from padit.pipelines.options import JobOptions, parse_options
from padit.pipelines.outputs import Run, places_of, prepare, refuse_shared, results_of
from tests.pipelines.seed import RULE, START, seed_lines, write


def job_of(tmp_path: Path, *options: str) -> JobOptions:
    source = write(tmp_path / "input.jsonl", seed_lines())
    return JobOptions.of(parse_options([f"--input={source}", RULE, *options]))


def replay(tmp_path: Path, *options: str) -> int:
    source = write(tmp_path / "input.jsonl", seed_lines())
    return main(
        ["replay", f"--input={source}", f"--output={tmp_path}/alerts.jsonl", RULE, *options]
    )


def everything(tmp_path: Path) -> dict[str, bytes]:
    found = [path for path in sorted(tmp_path.iterdir()) if not path.name.endswith(".lock")]
    return {path.name: path.read_bytes() for path in found}


def test_a_replay_writes_its_own_results_again_and_no_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = [f"--features={tmp_path}/features.jsonl", f"--late={tmp_path}/late.jsonl"]
    assert replay(tmp_path, *outputs) == 0
    first = everything(tmp_path)
    assert replay(tmp_path, *outputs) == 0
    assert everything(tmp_path) == first
    capsys.readouterr()
    assert replay(tmp_path, *outputs, "--window_size_sec=120") == 2
    said = capsys.readouterr().err
    assert "window_size_sec: 300.0 there, 120.0 now" in said
    assert "--overwrite" in said
    assert everything(tmp_path) == first
    assert replay(tmp_path, *outputs, "--window_size_sec=120", "--overwrite") == 0
    assert everything(tmp_path)["features.jsonl"] != first["features.jsonl"]


def test_a_replay_that_fails_leaves_the_earlier_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert replay(tmp_path) == 0
    first = (tmp_path / "alerts.jsonl").read_bytes()
    monkeypatch.setattr("padit.transforms.watch.KeyByGroup.process", _fail)
    assert replay(tmp_path) == 1
    assert (tmp_path / "alerts.jsonl").read_bytes() == first
    monkeypatch.undo()
    assert replay(tmp_path) == 0
    assert (tmp_path / "alerts.jsonl").read_bytes() == first


def _fail(*_: Any) -> None:
    message = "broken on purpose"
    raise RuntimeError(message)


def live(job: JobOptions, **more: bool) -> Run:
    """A start without state over a topic, as `prepare` meets it."""
    begins = {"restored": False, "detached": False, "overwrite": False} | more
    return Run([PartitionRange(0, 7, None)], **begins)


def test_a_live_job_that_starts_again_keeps_every_output(tmp_path: Path) -> None:
    names = ("output", "audit", "features", "anomalies", "late", "dlq")
    job = job_of(tmp_path, *(f"--{name}={tmp_path}/{name}.jsonl" for name in names))
    plan, _ = make_plan(job, live=True)
    prepare(plan, job, live(job))
    for name in plan.sinks:
        path = Path(dict(places_of(job))[name])
        with path.open("ab") as file, path.with_name(f".{path.name}.index").open("ab") as index:
            file.write(b"{}\n")
            index.write(json.dumps([file.tell(), 1, "k", name]).encode() + b"\n")
    before = {name: (tmp_path / f"{name}.jsonl").read_bytes() for name in names}
    again, _ = make_plan(job, live=True)
    prepare(again, job, live(job))
    after = {name: (tmp_path / f"{name}.jsonl").read_bytes() for name in names}
    assert all(after[name].startswith(before[name]) for name in names)
    records = [decode_record(line) for line in after["audit"].splitlines() if line != b"{}"]
    assert [type(one) for one in records] == [RunStarted, RunStarted]


def test_features_of_series_whose_names_hold_colons_are_all_written(tmp_path: Path) -> None:
    """Ids that were joined by colons were equal, and the file kept one of two."""
    names = [("edge", "job:rate"), ("edge:job", "rate")]
    lines = [
        json.dumps({"timestamp": START + 10 * n, "source_id": source, "metric_name": metric,
                    "value": 1.0 + n}).encode()
        for n in range(15) for source, metric in names
    ]  # fmt: skip
    source = write(tmp_path / "input.jsonl", lines)
    features = tmp_path / "features.jsonl"
    options = [f"--features={features}", "--output=null", RULE]
    assert main(["replay", f"--input={source}", *options]) == 0
    rows = [json.loads(one) for one in features.read_bytes().splitlines()]
    by_name = Counter((one["source_id"], one["metric_name"]) for one in rows)
    assert set(by_name) == set(names)
    assert len(set(by_name.values())) == 1


def test_the_audit_log_begins_with_a_start_without_state(tmp_path: Path) -> None:
    assert replay(tmp_path) == 0
    first, *others = read_audit_log(f"{tmp_path}/alerts.audit.jsonl")
    assert isinstance(first, RunStarted)
    assert (first.live, first.ranges, first.moment) == (False, {0: (0, 15)}, "")
    assert first.source == f"{tmp_path}/input.jsonl"
    assert not any(isinstance(one, RunStarted) for one in others)


def test_a_restored_job_writes_no_start(tmp_path: Path) -> None:
    job = job_of(tmp_path, f"--output={tmp_path}/alerts.jsonl")
    plan, _ = make_plan(job, live=True)
    prepare(plan, job, live(job, restored=True))
    assert (tmp_path / "alerts.audit.jsonl").read_bytes() == b""


@pytest.mark.parametrize("more", [{}, {"restored": True}])
def test_overwrite_is_refused_where_it_would_erase_at_every_restart(
    more: dict[str, bool], tmp_path: Path
) -> None:
    job = job_of(tmp_path, f"--output={tmp_path}/alerts.jsonl")
    plan, _ = make_plan(job, live=True)
    with pytest.raises(ConfigurationError, match="--overwrite goes with a run that has an end"):
        prepare(plan, job, live(job, overwrite=True, **more))


def test_what_only_decides_the_speed_is_no_part_of_the_shape(tmp_path: Path) -> None:
    def shape(*options: str) -> dict[str, Any]:
        job = job_of(tmp_path, *options)
        plan, _ = make_plan(job, live=False)
        return results_of(job, plan.shape)

    assert shape("--read_shards=2") == shape()
    changed = [
        "--window_size_sec=120",
        "--max_samples=9",
        "--out_of_orderness_sec=1",
        "--max_record_bytes=999",
        "--max_ahead_sec=7",
        "--max_series_per_group=1",
        "--start_time=2020-01-01T00:00:00Z",
        "--end_time=2027-01-01T00:00:00Z",
    ]
    assert all(shape(one) != shape() for one in changed)


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ({"alerts": "a.jsonl", "features": "./a.jsonl"}, "features.*alerts.*are one place"),
        ({"alerts": "kafka://b:1,a:1/t", "dead": "kafka://a:1,b:1/t?partitions=2"}, "one place"),
        ({"late": "in.jsonl"}, "late.*the input.*are one place"),
    ],
)
def test_two_outputs_of_one_job_never_share_a_place(outputs: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        refuse_shared("in.jsonl", [outputs])


def test_outputs_that_keep_nothing_may_share() -> None:
    refuse_shared("in.jsonl", [{"alerts": "-", "features": "-", "late": "null", "dead": "null"}])


@pytest.mark.parametrize(
    ("alerts", "wanted"),
    [
        ("kafka://alerts:9092/alerts", "kafka://alerts:9092/alerts-audit"),
        ("kafka://a:1,b:2/x?partitions=3", "kafka://a:1,b:2/x-audit?partitions=3"),
        # One transactional id for two topics: each would fence the other.
        ("kafka://a:1/x?delivery=exactly_once&writer=w&client_config=%2Fetc%2Fk%2Cl.conf",
         "kafka://a:1/x-audit?client_config=/etc/k,l.conf"),
        ("build.alerts/alerts.jsonl", "build.alerts/alerts.audit.jsonl"),
        ("alerts.parquet", "alerts.audit.jsonl"),
        ("-", None),
    ],
)  # fmt: skip
def test_the_audit_log_lies_beside_the_alerts(alerts: str, wanted: str | None) -> None:
    assert audit_log_beside(alerts) == wanted


@pytest.mark.parametrize(
    ("place", "wanted"),
    [
        ("kafka://alerts:9092/alerts", "kafka://alerts:9092/alerts.now"),
        ("kafka://a:1/x?writer=w", "kafka://a:1/x.now?writer=w.now"),
        ("jsonl/a.jsonl", "jsonl/a.now.jsonl"),
        ("results/", "results.now/"),
    ],
)
def test_a_place_is_named_after_another_without_touching_the_host(place: str, wanted: str) -> None:
    assert parse_address(place).beside("now") == wanted
    assert parse_address(wanted).host == parse_address(place).host
