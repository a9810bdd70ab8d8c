"""--max_series_per_group on the DirectRunner: what finds no place is a dead letter and counted."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from padit.cli.main import main
from tests.pipelines.seed import RULE, line, write

ACCOUNTED = ("scored", "late", "duplicate", "dead_lettered", "waiting")


def _run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: list[bytes], most: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The summary, and the dead letters."""
    letters = tmp_path / "dead.jsonl"
    code = main(
        [
            "replay",
            RULE,
            f"--input={write(tmp_path / 'input.jsonl', lines)}",
            f"--output={tmp_path / 'alerts.jsonl'}",
            f"--dlq={letters}",
            f"--max_series_per_group={most}",
            "--key_groups=1",
            "--max_loss_share=1",  # what is refused is what these tests are about
        ]
    )
    assert code == 0
    found = [json.loads(one) for one in letters.read_text().splitlines()]
    return json.loads(capsys.readouterr().out), found


def test_samples_of_refused_series_are_dead_letters_and_the_line_balances(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line(10 * i, 1.0, f"probe-{n}") for i in range(30) for n in range(5)]
    summary, letters = _run(tmp_path, capsys, [*lines, b"no record"], 3)
    assert summary["read"] == 151 == sum(summary[name] for name in ACCOUNTED)
    assert (summary["scored"], summary["dead_lettered"], summary["series"]) == (90, 61, 3)
    refused = [one for one in letters if one["reason"].startswith("series_limit: ")]
    assert len(refused) == 10  # two series, five windows
    named = [json.loads(base64.b64decode(one["original"])) for one in refused]
    assert {one["source_id"] for one in named} == {"probe-3", "probe-4"}
    assert sum(one["samples"] for one in named) == 60
    assert all("--max_series_per_group" in one["reason"] for one in refused)


def test_names_that_change_evict_those_with_the_oldest_samples(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line(600 * n + 10 * i, 1.0, f"pod-{n}") for n in range(6) for i in range(30)]
    summary, letters = _run(tmp_path, capsys, lines, 2)
    assert letters == []
    assert (summary["read"], summary["scored"]) == (180, 180)
    assert (summary["series"], summary["series_evicted"]) == (6, 4)
