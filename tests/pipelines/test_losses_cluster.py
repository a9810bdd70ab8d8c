"""What a run lost and left unwatched, where readers run on a cluster: the audit log has it."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from padit.analysis.audit_log import read_losses, read_unwatched
from padit.cli.main import main
from padit.connectors.cursor import Cursor, advance, first_cursors
from padit.connectors.source import PartitionRange, ReadBatch
from padit.domain.audit import ReaderLosses, Record, RunStarted, encode_record
from padit.domain.errors import StateError
from padit.domain.findings import Unwatched, add_unwatched
from padit.domain.losses import Loss
from padit.domain.rows import Rows
from padit.pipelines import job as job_module
from padit.pipelines.runners import choose_runner
from tests.pipelines.seed import RULE, START

LINES = [
    {"t": START + 10 * i, "host": "a", "rtt": 5.0 + i % 3, "jitter": 0.5, "mood": "good"}
    for i in range(9)
]
CONFIG = """
input:
  format:
    source: host
    time: t
    values: {rtt: rtt}
"""
LEFT = Unwatched("t", "field 'a'", "no path leads to it", "format: values", 2, "fields", 2)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers as on a cluster: this process knows of them what the audit log holds."""

    def choose(*args: Any, **kwargs: Any) -> Any:
        return dataclasses.replace(choose_runner(*args, **kwargs), here=False)

    monkeypatch.setattr(job_module, "choose_runner", choose)


def mapped(folder: Path, broken: int = 0) -> list[str]:
    lines = [json.dumps(one) for one in LINES] + [json.dumps({"t": "soon", "rtt": 1})] * broken
    (folder / "in.jsonl").write_text("".join(f"{one}\n" for one in lines))
    (folder / "config.yaml").write_text(CONFIG)
    return [f"--input={folder / 'in.jsonl'}", f"--config={folder / 'config.yaml'}"]


def test_what_a_mapping_leaves_is_in_the_summary_where_the_job_runs_on_a_cluster(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], elsewhere: None
) -> None:
    out = f"--output={tmp_path / 'alerts.jsonl'}"
    code = main(["replay", *mapped(tmp_path), out, "--read_shards=2"])
    answered = capsys.readouterr()
    assert json.loads(answered.out)["unwatched"] == 9
    assert code == 3  # half of the numbers
    assert "9 of 18 values (50 %) were lost" in answered.err
    assert "not watched: field 'jitter'" in answered.err
    assert "remedy: name it in format: values, or in format: ignore" in answered.err
    (left,) = read_unwatched(str(tmp_path / "alerts.audit.jsonl"))
    assert (left.what, left.amount, left.numeric) == ("field 'jitter'", 9, 9)


def test_a_run_on_a_cluster_that_lost_too_much_ends_with_3_and_the_reasons(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], elsewhere: None
) -> None:
    out = f"--output={tmp_path / 'alerts.jsonl'}"
    code = main(["replay", *mapped(tmp_path, broken=5), out, "--max_loss_share=0.6"])
    answered = capsys.readouterr()
    summary = json.loads(answered.out)
    assert (code, summary["dead_lettered"], summary["unwatched"]) == (3, 5, 9)
    assert "14 of 23 values (61 %) were lost, more than the 60 %" in answered.err
    assert "(5) unusable" in answered.err
    assert "example: " in answered.err
    assert "in.jsonl, row 9: " in answered.err


def test_without_an_audit_log_the_exit_code_is_the_same_and_the_reasons_are_said_to_be_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], elsewhere: None
) -> None:
    (tmp_path / "in.jsonl").write_text('{"timestamp": 1, "value": 1}\n' * 3)
    code = main(["replay", f"--input={tmp_path / 'in.jsonl'}", "--output=null", RULE])
    error = capsys.readouterr().err
    assert code == 3
    assert "the audit log, which holds the reasons, cannot be read from here" in error


def test_a_sweep_says_what_a_mapping_leaves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = tmp_path / "grid.yaml"
    grid.write_text(
        "vary:\n  window_size_sec: [30]\n  extract_interval_sec: [10]\n"
        "  detectors.rule.p99_above: [1, 5]\n"
    )
    source, config = mapped(tmp_path)
    rules = (Path(__file__).parents[2] / "benchmarks" / "rule.yaml").read_text()
    (tmp_path / "config.yaml").write_text(f"{CONFIG}{rules}")
    place = source.removeprefix("--input=")
    code = main(["sweep", place, config, f"--grid={grid}", f"--output={tmp_path / 'best.yaml'}"])
    error = capsys.readouterr().err
    assert code == 3
    assert "not watched: field 'jitter' (9 fields): no path leads to it" in error
    assert "9 of 18 values (50 %) were lost" in error


def test_what_is_left_is_part_of_the_saved_position_and_counted_once() -> None:
    (cursor,) = first_cursors([PartitionRange(0, 0, 10)], 1)
    read = ReadBatch(0, 5, Rows.empty(), [], False, unwatched=(LEFT,))
    moved = advance(cursor, [read, read], 0).cursor
    assert moved.unwatched == (LEFT._replace(amount=4, numeric=4),)
    restored = Cursor.from_bytes(moved.to_bytes())
    assert restored == moved
    assert advance(restored, [read], 0).cursor.unwatched[0].amount == 6


def test_a_position_of_an_earlier_version_is_refused_with_the_way_out() -> None:
    (cursor,) = first_cursors([PartitionRange(0, 0, 10)], 1)
    old = cursor.to_bytes().replace(b"\x06\xc4", b"\x05\xc4")
    assert old != cursor.to_bytes()
    with pytest.raises(StateError, match="version 5, this code reads 6"):
        Cursor.from_bytes(old)


def test_kinds_beyond_the_first_fifty_are_counted_together() -> None:
    many = [LEFT._replace(what=f"field 'x{i}'") for i in range(80)]
    found = add_unwatched(many[:40], many[40:])
    assert len(found) == 51
    assert sum(one.amount for one in found) == 160


def test_records_of_an_earlier_run_in_one_log_do_not_count_for_readers_that_wrote_again(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log.jsonl"
    lost = Loss("late", 3, "a", "t")
    records: list[Record] = [
        ReaderLosses(0, (lost,), (LEFT._asdict(),)),
        RunStarted("r", "s", "t", live=False, ranges={}, version="1"),
        ReaderLosses(0, (), (LEFT._replace(amount=7)._asdict(),)),
    ]
    log.write_bytes(b"".join(encode_record(one) + b"\n" for one in records))
    assert read_unwatched(str(log)) == [LEFT._replace(amount=7)]
    assert read_losses(str(log), 10) is None
    assert read_unwatched(None) == read_unwatched(str(tmp_path / "none.jsonl")) == []
