"""Who leads in a folder: until its process ends, whatever else is open; ADR 59."""

import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from padit.alerting.store.base import LeadTakenError
from padit.alerting.store.sqlite import SqliteStore
from tests.adapters.live import until
from tests.alerting.making import at, cloud_event, event
from tests.alerting.receiving import Answer, receiving
from tests.limits import allowed

CONFIG = """
receivers: {{ops: {{kind: webhook, url: "{}", timeout_sec: 30, title: "{{{{ headline }}}}"}}}}
routes: [{{name: all, receiver: ops, settle: 0s}}]
"""


def test_a_standby_takes_over_from_a_leader_that_is_killed_while_its_children_live(
    tmp_path: Path,
) -> None:
    """The leader has rendered a template, in a process that it started, and waits for an answer."""
    (tmp_path / "alerts.jsonl").write_bytes(cloud_event(event("opened", 0, opened=at(0))) + b"\n")
    with receiving() as got:
        (tmp_path / "alerting.yaml").write_text(CONFIG.format(got.url))
        got.answer = lambda number: Answer(wait=allowed(5) if number == 0 else 0.0)
        command = [sys.executable, "-m", "padit.cli.main", "alerting",
                   "--config", str(tmp_path / "alerting.yaml"),
                   "--alerts", str(tmp_path / "alerts.jsonl"),
                   "--data", str(tmp_path / "data")]  # fmt: skip
        leader = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        standby = None
        try:
            until(lambda: got.requests, "the leader's message", 60)
            standby = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
            assert standby.stderr is not None
            assert "stands by" in standby.stderr.readline()
            leader.send_signal(signal.SIGKILL)
            killed = time.monotonic()
            assert leader.wait(allowed(10)) == -signal.SIGKILL
            until(lambda: len(got.requests) == 2, "the message of the standby", 10)
            assert time.monotonic() - killed < allowed(10)
            assert standby.wait(allowed(30)) == 0
        finally:
            leader.kill()
            if standby is not None and standby.stderr is not None:
                standby.kill()
                standby.stderr.close()
    (first, again) = got.events
    assert first["id"] == again["id"]  # one message, sent twice under one id


def test_the_lead_lasts_over_all_transactions_and_lets_others_read_and_write(
    tmp_path: Path,
) -> None:
    """What a transaction that excludes others could not: it would end with each commit."""
    leader = SqliteStore(tmp_path)
    other = SqliteStore(tmp_path, leading=False)
    for _ in range(2):
        with leader.transaction():
            leader.execute("DELETE FROM refused")
            assert other.refused() == []  # reads while the leader writes
        with pytest.raises(LeadTakenError):
            SqliteStore(tmp_path)
        with other.transaction():  # results of deliveries are noted by connections of their own
            assert other.counts() == {}
    other.close()
    with pytest.raises(LeadTakenError):
        SqliteStore(tmp_path)
    leader.close()
    SqliteStore(tmp_path).close()


def test_who_removes_the_lock_file_of_a_leader_does_not_lead(tmp_path: Path) -> None:
    leader = SqliteStore(tmp_path)
    (tmp_path / "leader.lock").unlink()
    with pytest.raises(LeadTakenError):
        SqliteStore(tmp_path)
    leader.close()
    SqliteStore(tmp_path).close()


def test_a_folder_that_holds_no_store_is_not_led_after_the_error(tmp_path: Path) -> None:
    (tmp_path / "alerting.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(Exception, match="cannot hold the store"):
        SqliteStore(tmp_path)
    (tmp_path / "alerting.sqlite").unlink()
    SqliteStore(tmp_path).close()


def test_an_exclusive_transaction_of_sqlite_would_end_with_the_first_commit(tmp_path: Path) -> None:
    """Why the lead is no transaction of the store: two would lead one after the other's commit."""
    place = tmp_path / "x.sqlite"
    first, second = (sqlite3.connect(place, isolation_level=None, timeout=0) for _ in range(2))
    first.execute("PRAGMA journal_mode=WAL")
    first.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        second.execute("BEGIN EXCLUSIVE")
    first.execute("COMMIT")
    second.execute("BEGIN EXCLUSIVE")
    second.execute("COMMIT")
    first.close()
    second.close()
