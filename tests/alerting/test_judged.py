"""Feedback by hand: commands become precision per detector and route, and labels of a sweep."""

import json
from pathlib import Path

import msgspec
import pytest

from padit.analysis.sweep.labels import labels_for
from padit.cli.main import main
from padit.domain.metric import Series
from padit.domain.timestamps import format_utc
from tests.alerting.making import SIMPLE, at, cloud_event, event


def _judge(number: int, minutes: float, source: str, verdict: str) -> bytes:
    return msgspec.json.encode({
        "id": f"f{number}", "time": format_utc(at(minutes)), "by": "ann", "kind": "feedback",
        "target": {"source": source}, "note": verdict,
    })  # fmt: skip


def _past(folder: Path) -> list[str]:
    (folder / "alerting.yaml").write_text(SIMPLE)
    events = [
        event(kind, start + length, f"a{number}", source=f"press-{number}", opened=at(start))
        for number, start in enumerate((0, 10, 20))
        for kind, length in (("opened", 0), ("resolved", 5))
        if (number, kind) != (2, "resolved")
    ]
    (folder / "alerts.jsonl").write_bytes(b"".join(cloud_event(one) + b"\n" for one in events))
    judged = [
        _judge(0, 1, "press-0", "noise"),
        _judge(1, 2, "press-0", "real"),  # the last counts
        _judge(2, 11, "press-1", "noise"),
        _judge(3, 21, "press-2", "real"),
        _judge(4, 22, "press-2", "wonderful"),
        _judge(5, 23, "nobody", "real"),
    ]
    (folder / "commands.jsonl").write_bytes(b"\n".join(judged) + b"\n")
    return ["--config", f"{folder}/alerting.yaml", "--alerts", f"{folder}/alerts.jsonl"]


def test_feedback_becomes_precision_and_labels_that_a_sweep_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    past, labels = _past(tmp_path), tmp_path / "labels.json"
    options = ["--commands", f"{tmp_path}/commands.jsonl", "--labels", str(labels)]
    assert main(["feedback", *past, *options]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["detector", "novelty", "2026-03", "2", "1", "0", "0", "67%"] in rows
    assert ["route", "all", "2026-03", "2", "1", "0", "0", "67%"] in rows
    series = [Series(f"press-{number}", "torque_nm") for number in range(3)]
    found = labels_for(str(labels), series, (at(0), at(60)))
    assert [(one.source_id, one.start, one.end) for one in found.truths] == [
        ("press-0", at(0), at(5)),
        ("press-2", at(20), at(20)),  # up to the last transition: it goes on
    ]
    assert json.loads(labels.read_text())["faults"][0]["metrics"] == ["torque_nm"]


def test_without_feedback_it_says_so_and_a_place_that_cannot_be_written_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    past = _past(tmp_path)
    assert main(["feedback", *past]) == 1
    assert "nobody has judged" in capsys.readouterr().out
    away = ["--commands", f"{tmp_path}/commands.jsonl", "--labels", f"{tmp_path}/no/where.json"]
    assert main(["feedback", *past, *away]) == 2
    assert "cannot be written" in capsys.readouterr().err
