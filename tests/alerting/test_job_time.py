"""Time passes by the job's progress: on a real job over a broker, and by the clock without it."""

import time
from pathlib import Path

import pytest

from padit.alerting.entries import Entry, Progress, RunBegan
from padit.alerting.event_clock import EventClock
from padit.alerting.recorded import merged
from padit.alerting.records import Record, entry_of
from padit.alerting.sequencer import Alerting
from padit.alerting.store.sqlite import SqliteStore
from padit.domain.audit import JobProgress, RunStarted, encode_record
from padit.domain.timestamps import MICROS
from tests.alerting.making import (
    MINUTE,
    SIMPLE,
    START,
    at,
    cloud_event,
    config_of,
    event,
    run,
    tick,
)
from tests.alerting.receiving import receiving
from tests.integration.helpers import live, metric, produce, seed_case
from tests.parts import KafkaPart

LATE = SIMPLE.replace("receiver: ops}]", "receiver: ops, min_duration: 10m}]")
OLD = 1_767_600_000  # long ago, so the clock cannot be what lets time pass


def _audit(number: int, record: JobProgress | RunStarted) -> Record:
    return Record("audit", "t", 0, number, number + 1, encode_record(record))


def _progress(minutes: float, group: int = 0, groups: int = 2, run: str = "r") -> JobProgress:
    return JobProgress(at(minutes), run, "s", group, groups)


def _reached(core: Alerting) -> int | None:
    return core.job_time


def test_time_passes_once_every_key_group_has_come_to_it(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    core = Alerting(config_of(LATE), store)
    opened = Record("alert", "a", 0, 0, 1, cloud_event(event("opened", 0)))
    assert len(core.take([opened])) == 0
    assert core.take([_audit(0, _progress(30, 0))]) == []
    assert _reached(core) is None
    assert core.take([_audit(1, _progress(9, 1))]) == []
    assert _reached(core) == at(9)
    effects = core.take([_audit(2, _progress(11, 1))])
    assert effects[0].time == at(10)
    kinds = [row.kind for row in store.entries()]
    assert kinds == ["alert", "progress"]  # only what let something happen
    row = list(store.entries())[-1]
    assert entry_of(row.kind, row.payload) == (None, Progress(at(11), "r", "s"))
    store.close()


def test_progress_is_known_again_after_a_restart_and_forgotten_with_a_new_run(
    tmp_path: Path,
) -> None:
    store = SqliteStore(tmp_path)
    Alerting(config_of(LATE), store).take(
        [_audit(group, _progress(5 + group, group)) for group in range(2)]
    )
    store.close()
    store = SqliteStore(tmp_path)
    core = Alerting(config_of(LATE), store)
    assert _reached(core) == at(5)
    began = RunStarted("new", "s", "topic", True, {}, "1", moment="2026-03-01T09:00:00Z")
    core.take([_audit(2, began)])
    assert _reached(core) is None
    core.take([_audit(3 + group, _progress(70, group, run="new")) for group in range(2)])
    assert _reached(core) == at(70)
    store.close()


def test_a_job_of_other_key_groups_begins_to_count_from_its_own_records(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    core = Alerting(config_of(LATE), store)
    core.take([_audit(group, _progress(5, group)) for group in range(2)])
    core.take([_audit(2, _progress(6, 0, groups=3))])
    assert _reached(core) is None
    assert [one.parts for one in store.reported()] == [3]
    store.close()


@pytest.mark.parametrize(
    ("progress", "silent", "expected"),
    [
        (None, 29, None),  # a job may still report
        (None, 31, 1000 * MICROS),  # none does: the clock
        (at(5), 29, None),
        (at(5), 40, at(5) + 40 * MICROS),  # it did, and is silent: time goes on from there
    ],
)
def test_the_clock_lets_time_pass_only_where_the_job_does_not(
    progress: int | None, silent: float, expected: int | None
) -> None:
    now = [0.0]
    clock = EventClock(
        0, waits=True, progress=progress, monotonic=lambda: now[0], wall=lambda: 969.0 + now[0]
    )
    now[0] = silent
    assert clock.now() == expected


def test_without_an_audit_log_the_clock_counts_at_once() -> None:
    clock = EventClock(MINUTE, waits=False, monotonic=lambda: 0.0, wall=lambda: START / MICROS)
    assert clock.now() == START - MINUTE


def _lost_run() -> list[Entry]:
    return [
        event("opened", 0),
        event("opened", 20, "b", source="press-2"),
        RunBegan(at(100_000), "second"),  # by the clock, months behind the event time
    ]


def test_the_window_of_a_new_run_begins_when_it_has_come_to_where_the_lost_one_was() -> None:
    log = [*_lost_run(), Progress(at(10), "second"), Progress(at(19), "second")]
    state, _ = run(log)
    assert sorted(state.alerts) == ["a", "b"]
    log += [Progress(at(21), "second"), event("opened", 23, "a2")]
    state, _ = run([*log, Progress(at(25.9), "second")])
    assert sorted(state.alerts) == ["a2", "b"]
    state, _ = run([*log, Progress(at(26.1), "second")])
    assert sorted(state.alerts) == ["a2"]


def test_without_progress_the_window_of_a_new_run_begins_by_the_clock() -> None:
    state, _ = run([*_lost_run(), tick(100_004)])
    assert sorted(state.alerts) == ["a", "b"]
    state, _ = run([*_lost_run(), tick(100_006)])
    assert sorted(state.alerts) == []


def test_progress_in_a_topic_is_an_entry_once_all_groups_have_come_to_it() -> None:
    records = [_progress(5, 0), _progress(9, 1), _progress(7, 0), _progress(11, 1)]
    found, refused = merged([("audit", map(encode_record, records))])
    assert not refused
    assert [(one.time, type(one)) for one in found] == [(at(5), Progress), (at(7), Progress)]


def test_a_quiet_job_on_a_broker_ends_a_minimum_duration(kafka: KafkaPart, tmp_path: Path) -> None:
    """The alert is of last winter; only the job's progress can bring it two minutes further."""
    metrics, alerts = kafka.topic("metrics"), kafka.topic("alerts")
    kafka.broker.create_topic(f"{alerts}-audit", 1)
    config = tmp_path / "alerting.yaml"
    with receiving() as got:
        config.write_text(LATE.replace("http://127.0.0.1:1/", got.url).replace("10m", "2m"))
        job = [
            "run", "--input", kafka.uri(metrics), "--output", kafka.uri(alerts),
            "--start_offset=earliest", "--key_groups=2",
        ]  # fmt: skip
        service = [
            "alerting", "--config", config, "--alerts", kafka.uri(alerts),
            "--audit", kafka.uri(f"{alerts}-audit"), "--data", tmp_path / "data",
        ]  # fmt: skip
        produce(kafka.bootstrap, metrics, seed_case(OLD))
        with live(tmp_path, *job) as running, live(tmp_path, *service) as alerting:
            moment = float(OLD + 150)
            began = time.monotonic()
            while not got.requests and time.monotonic() - began < 90:
                moment += 10
                produce(kafka.bootstrap, metrics, [metric("cell-7", "rtt_ms", moment, 90.0)])
                time.sleep(0.5)
            alerting.stop()
            running.stop()
    store = SqliteStore(tmp_path / "data", leading=False)
    rows = list(store.entries())
    opened = next(row.time for row in rows if row.kind == "alert")
    (message,) = store.deliveries()
    store.close()
    assert message.time == opened + 2 * MINUTE
    assert {row.kind for row in rows} == {"audit", "alert", "progress"}  # and no tick
