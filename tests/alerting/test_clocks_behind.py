"""Clocks that are days behind: of a broker, of the job, of a source, of a person."""

import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from padit.alerting.entries import Entry, RunBegan, Target
from padit.alerting.records import Record
from padit.alerting.sequencer import Alerting
from padit.alerting.stamps import Stamps
from padit.alerting.state import dump
from padit.alerting.store.sqlite import SqliteStore
from padit.domain.audit import JobProgress, encode_record
from padit.domain.timestamps import MICROS, format_utc
from tests.alerting.making import (
    SIMPLE,
    at,
    cloud_event,
    command,
    config_of,
    event,
    policy_of,
    reasons,
    run,
    sent,
    tick,
)

_DAYS = 3 * 24 * 60.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(tmp_path)) as one:
        yield one


def test_what_comes_behind_the_end_of_a_topic_was_written_after_that_end_was_seen(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A broker whose clock is days behind made each alert one of a wrong clock."""
    stamps, place, now = Stamps(), ("alerts", 0), at(0)
    slow = now - 3 * 86_400 * MICROS
    assert stamps.written(place, slow) == slow  # of before this process, so nothing is known
    stamps.end(place, now)
    with caplog.at_level(logging.WARNING):
        assert [stamps.written(place, slow) for _ in range(3)] == [now] * 3
    assert caplog.text.count("is behind") == 1
    assert (
        "topic alerts: a record says that it was written at 2026-02-26T08:00:00.000000Z"
        in caplog.text
    )
    assert stamps.written(place, now + 5) == now + 5
    assert stamps.written(("alerts", 1), slow) == slow
    assert stamps.written(place, 0) == 0  # it says nothing


def test_a_run_whose_clock_is_behind_has_time_to_raise_again_what_the_lost_one_had_open() -> None:
    """All incidents were over at once, and began again a minute later."""
    log: list[Entry] = [
        event("opened", 0), RunBegan(at(1 - _DAYS), "next"), event("opened", 2, "again"), tick(60),
    ]  # fmt: skip
    assert sent(run(log)[1]) == [("all", "opened", 0.0)]


def test_a_silence_holds_for_what_comes_while_it_does_however_old_its_date_is() -> None:
    log: list[Entry] = [
        event("opened", 0, "z", source="other"), command("silence", 1, until=at(60)), tick(2),
        event("opened", 3 - _DAYS, "slow"), tick(4),
    ]  # fmt: skip
    _, effects = run(log)
    assert reasons(effects)[f"slow-opened-{at(3 - _DAYS)}"] == "silenced"
    assert [minute for _, _, minute in sent(effects)] == [0.0]
    assert sent(run([*log, tick(70)])[1])[1:] == [("all", "opened", 60.0)]  # it is open still
    before = [log[0], event("opened", 3 - _DAYS, "slow"), log[1], tick(70)]
    assert len(sent(run(before)[1])) == 2


def test_what_somebody_ends_by_a_slow_clock_is_still_kept_by_another_silence_that_has_begun() -> (
    None
):
    log: list[Entry] = [
        command("silence", 0, id="first"), event("opened", 5), command("silence", 9, id="second"),
        tick(10), command("unsilence", 8, note="first", target=Target()), tick(30),
    ]  # fmt: skip
    assert sent(run(log)[1]) == []


def _record(kind: str, data: bytes, written: float, number: int = 0) -> Record:
    return Record(kind, kind, 0, number, number + 1, data, at(written))


def _command(kind: str, minute: float, **others: object) -> bytes:
    one = {"id": kind, "time": format_utc(at(minute)), "by": "ann", "kind": kind}
    return msgspec.json.encode({**one, "target": {"source": "press-1"}, **others})


@pytest.fixture
def core(store: SqliteStore) -> Alerting:
    """Alerting of a job that is three days behind, with an open alert."""
    found = Alerting(config_of(), store)
    opened = event("opened", -_DAYS, opened=at(-_DAYS))
    progress = encode_record(JobProgress(at(1 - _DAYS), "r", "s", 0, 1))
    found.take([_record("alert", cloud_event(opened), 0), _record("audit", progress, 1)])
    return found


def test_a_command_about_a_job_that_is_days_behind_takes_effect_at_once(
    core: Alerting, store: SqliteStore
) -> None:
    """It waited until the job had come to the time of the person's clock."""
    core.take([_record("command", _command("acknowledge", 2), 2)])
    (incident,) = core.state.incidents.values()
    assert incident.acknowledged_by == "ann"
    assert not core.state.held
    assert dump(Alerting(config_of(), store).state) == dump(core.state)
    core.take([_record("command", _command("silence", 3, until=format_utc(at(90))), 3, 1)])
    late = event("opened", 2 - _DAYS, "b", metric="rpm", severity="CRITICAL")
    core.take([_record("alert", cloud_event(late), 4, 1)])
    kinds = [row.kind for row in store.deliveries()]
    assert kinds == ["opened", "acknowledged"]


@pytest.mark.parametrize("kind", ["silence", "acknowledge"])
def test_what_a_person_says_to_last_an_hour_lasts_an_hour_for_a_job_that_is_days_behind(
    kind: str, core: Alerting, store: SqliteStore
) -> None:
    """Its end stayed where the person's clock had it: a silence of an hour lasted 73."""
    core.take([_record("command", _command(kind, 2, until=format_utc(at(62))), 2)])
    (end,) = (
        [one.end for one in core.state.silences.values()]
        if kind == "silence"
        else [one.expires for one in core.state.incidents.values()]
    )
    assert end == at(61 - _DAYS)
    assert dump(Alerting(config_of(), store).state) == dump(core.state)


@pytest.mark.parametrize(("ahead", "waits"), [(0.00001, False), (0.9, False), (1.1, True)])
def test_a_command_that_is_hardly_ahead_of_its_record_is_of_now(
    ahead: float, waits: bool, core: Alerting
) -> None:
    """Records have milliseconds, and clocks differ: it waited for three days."""
    core.take([_record("command", _command("acknowledge", 2 + ahead), 2)])
    assert list(core.state.held) == ["acknowledge"] * waits


def test_a_command_of_a_time_to_which_the_job_has_come_does_not_wait_for_its_next_report(
    store: SqliteStore,
) -> None:
    """Nothing was due since, so the log had not that progress: up to ten seconds."""
    core = Alerting(config_of(), store)
    core.take([_record("alert", cloud_event(event("opened", 0)), 0)])
    core.take([_record("audit", encode_record(JobProgress(at(10), "r", "s", 0, 1)), 10)])
    core.take([_record("command", _command("acknowledge", 9), 10)])
    assert [row.kind for row in store.deliveries()] == ["opened", "acknowledged"]
    assert dump(Alerting(config_of(), store).state) == dump(core.state)
    core.take([_record("command", _command("resolve", 11), 11, 1)])
    assert list(core.state.held) == ["resolve"]


@pytest.mark.parametrize(("minute", "written"), [(60, 2), (1 - _DAYS + 23 * 60, 2 - _DAYS)])
def test_a_command_that_is_planned_or_hardly_ahead_waits_for_its_time(
    minute: float, written: float, core: Alerting
) -> None:
    core.take([_record("command", _command("acknowledge", minute), written)])
    assert list(core.state.held) == ["acknowledge"]


def test_an_acknowledgement_by_a_slow_clock_lasts_as_long_as_every_other() -> None:
    """It had run out before it came, so a reminder came with it."""
    policy = policy_of(SIMPLE + "acknowledged_for: 4h\n")
    log: list[Entry] = [event("opened", 0), tick(10), command("acknowledge", 10 - _DAYS), tick(400)]
    assert sent(run(log, policy)[1])[2:] == [("all", "reminder", 250.0)]


def test_an_acknowledgement_that_ends_before_it_begins_is_none() -> None:
    log: list[Entry] = [event("opened", 0), command("acknowledge", 5, until=at(4)), tick(30)]
    state, effects = run(log)
    assert [kind for _, kind, _ in sent(effects)] == ["opened"]
    assert state.unmatched == 1
