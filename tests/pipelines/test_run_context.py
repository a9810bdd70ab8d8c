"""Runs in one process: one after another and side by side, each with its own end and accounts."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import tests.pipelines.drip  # noqa: F401  # registers drip://
from padit.domain.batch import KeyedBatch
from padit.domain.findings import Unwatched
from padit.ops.run_context import RunContext
from padit.pipelines.job import Summary, run_job
from padit.transforms.group import GroupMachine, Outcome
from tests.pipelines.seed import RULE, line, seed_lines, write


class Running:
    """A live run in a thread of this process."""

    def __init__(self, folder: Path, name: str) -> None:
        self.alerts = folder / f"{name}.jsonl"
        self.context = RunContext()
        self.summary: Summary | None = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        source = f"drip://here/now?file={self.alerts}&patience=100&live=1"
        argv = [f"--input={source}", f"--output={self.alerts}", RULE]
        try:
            self.summary = run_job(argv, live=True, context=self.context)
        except BaseException as error:
            self.error = error

    def until_alert(self) -> None:
        until = time.monotonic() + 90
        while not (self.alerts.exists() and self.alerts.stat().st_size):
            assert time.monotonic() < until
            assert self.alive, self.error
            time.sleep(0.05)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> Summary:
        self.context.request_stop()
        self._thread.join(60)
        assert self.error is None
        assert self.summary is not None
        return self.summary


def _accounts(summary: Summary) -> tuple[int, int, int, int]:
    return summary.read, summary.dead_lettered, summary.waiting, summary.residue


def test_a_run_after_one_that_was_stopped_reads_all_of_its_input(tmp_path: Path) -> None:
    first = Running(tmp_path, "first")
    first.until_alert()
    assert _accounts(first.stop()) == (17, 1, 1, 0)
    second = Running(tmp_path, "second")
    second.until_alert()
    assert _accounts(second.stop()) == (17, 1, 1, 0)


def test_two_runs_at_once_keep_their_own_accounts_and_stopping_one_leaves_the_other(
    tmp_path: Path,
) -> None:
    live = Running(tmp_path, "live")
    live.until_alert()
    lines = [line(second, 5.0) for second in range(0, 1200, 10)]
    source = write(tmp_path / "input.jsonl", lines)
    bounded = run_job([f"--input={source}", "--output=null", RULE], live=False)
    assert bounded is not None
    assert (bounded.read, bounded.scored, bounded.residue) == (len(lines), len(lines), 0)
    other = Running(tmp_path, "other")
    other.until_alert()
    assert _accounts(other.stop()) == (17, 1, 1, 0)
    assert live.alive
    assert _accounts(live.stop()) == (17, 1, 1, 0)


def _lose_a_row(patch: pytest.MonkeyPatch) -> None:
    """Drop one row of the first keyed batch that has any, on its way into the state."""
    advance = GroupMachine.advance
    lost: list[int] = []

    def leaky(self: GroupMachine, store: Any, keyed: KeyedBatch, *_: object) -> Outcome:
        rows = keyed.rows
        if len(rows) and not lost:
            lost.append(1)
            chosen = rows.time > rows.time.min()
            keyed = KeyedBatch(keyed.partitions, keyed.positions, rows.select(chosen))
        return advance(self, store, keyed)

    patch.setattr(GroupMachine, "advance", leaky)


def test_a_lost_row_fails_the_accounts_of_a_live_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _lose_a_row(monkeypatch)
    run = Running(tmp_path, "leaky")
    run.until_alert()
    assert run.stop().residue == 1
    assert "the conservation line does not balance: 1 record" in caplog.text


def test_a_lost_row_fails_the_accounts_of_a_bounded_run_and_its_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from padit.cli.main import main

    _lose_a_row(monkeypatch)
    source = write(tmp_path / "input.jsonl", seed_lines())
    assert main(["replay", f"--input={source}", "--output=null", RULE]) == 1
    answered = capsys.readouterr()
    assert "1 records are unaccounted for" in answered.err
    assert json.loads(answered.out)["scored"] == 14


def test_what_readers_leave_unwatched_is_summed_by_place_and_kind() -> None:
    context = RunContext()
    one = Unwatched("a.jsonl", "field 'x'", "first", "format: values", 2, "fields", 2)
    context.keep_losses(0, (), (one,))  # a total replaces the one before
    context.keep_losses(0, (), (one, one._replace(place="b.jsonl")))
    context.keep_losses(1, (), (one._replace(reason="second", amount=3, numeric=1),))
    assert context.unwatched() == [
        one._replace(amount=5, numeric=3), one._replace(place="b.jsonl"),
    ]  # fmt: skip


def test_kinds_beyond_the_most_are_counted_together_and_never_lost() -> None:
    context = RunContext()
    for reader in range(60):
        fields = [f"field 'x{reader}.{i}'" for i in range(50)]
        left = tuple(Unwatched("t", field, "text", "", 2, "fields", 1) for field in fields)
        context.keep_losses(reader, (), left)
    found = context.unwatched()
    assert len(found) == 1001
    assert found[-1].what == "things of other kinds"
    assert (sum(one.amount for one in found), sum(one.numeric for one in found)) == (6000, 3000)
