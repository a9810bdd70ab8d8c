"""A clock that is wrong dates its own alert, and moves nobody else's time."""

import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from padit.alerting.records import Record
from padit.alerting.sequencer import Alerting
from padit.alerting.state import dump
from padit.alerting.store.sqlite import SqliteStore
from padit.domain.audit import JobProgress, RunStarted, encode_record
from padit.domain.timestamps import format_utc, parse_timestamp
from tests.alerting.making import SIMPLE, at, cloud_event, config_of, event

_WILD = "2199-12-31T00:00:00Z"
_YEARS_AHEAD = (parse_timestamp(_WILD) - at(0)) / 60_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(tmp_path)) as one:
        yield one


def _record(kind: str, data: bytes, minute: float = 0.0, number: int = 0) -> Record:
    return Record(kind, "topic", 0, number, number + 1, data, at(minute))


def _alert(kind: str, minutes: float, written: float, name: str, opened: float) -> Record:
    one = event(kind, minutes, name, source=name, opened=at(opened))
    return _record("alert", cloud_event(one), written)


def _command(kind: str, time: str, minute: float, **others: object) -> Record:
    one = {"id": kind, "time": time, "by": "ann", "kind": kind, **others}
    return _record("command", msgspec.json.encode(one), minute)


def _sent(store: SqliteStore) -> list[tuple[str, str]]:
    found = [msgspec.json.decode(one.message) for one in store.deliveries()]
    return [(one["kind"], one["view"]["members"][0]["source_id"]) for one in found]


def test_an_alert_far_ahead_of_its_record_is_told_and_moves_no_time(
    store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    """It ended every silence and wait, and all that came later was old."""
    core = Alerting(config_of(), store)
    core.take([_command("silence", format_utc(at(0)), 0, until=format_utc(at(60)),
                        target={"source": "quiet"})])  # fmt: skip
    core.take([_alert("opened", 0, 0, "press-1", 0)])
    with caplog.at_level(logging.WARNING):
        core.take([_alert("opened", _YEARS_AHEAD, 5, "wild", _YEARS_AHEAD)])
    assert "an alert of 'wild' says 2199-12-31" in caplog.text
    assert core.state.now == at(5)
    core.take([_alert("opened", 6, 6, "quiet", 6)])
    core.take([_alert("resolved", _YEARS_AHEAD + 1, 8, "wild", _YEARS_AHEAD)])
    core.take([_alert("resolved", 10, 10, "press-1", 0)])
    core.tick(at(12))
    assert _sent(store) == [("opened", "press-1"), ("opened", "wild"), ("resolved", "wild"),
                            ("resolved", "press-1")]  # fmt: skip
    (wild,) = [one for one in store.deliveries() if b'"wild"' in one.message][:1]
    assert f"dated {format_utc(parse_timestamp(_WILD))}: a clock is wrong".encode() in wild.message
    assert core.state.out_of_order == 0
    assert core.dating.ahead == 2
    assert dump(Alerting(config_of(), store).state) == dump(core.state)


@pytest.mark.parametrize("odd", [b'"\\ud83d"', b"[" * 2_000 + b"]" * 2_000, b"1e999"])
def test_an_alert_far_ahead_with_odd_bytes_where_nobody_looks_is_refused_or_taken(
    odd: bytes, store: SqliteStore
) -> None:
    core = Alerting(config_of(), store)
    one = _alert("opened", _YEARS_AHEAD, 5, "wild", _YEARS_AHEAD)
    core.take([one._replace(data=one.data.replace(b'"evidence":{}', b'"other":' + odd))])
    assert len(store.refused()) + store.last_number() == 1
    assert core.state.now <= at(5)


@pytest.mark.parametrize(("ahead", "moves"), [(23, True), (25, False)])
def test_an_alert_up_to_max_ahead_is_taken_as_it_is(
    ahead: int, moves: bool, store: SqliteStore
) -> None:
    core = Alerting(config_of(), store)
    core.take([_alert("opened", ahead * 60, 0, "press-1", ahead * 60)])
    assert (core.state.now == at(ahead * 60)) is moves


def test_records_of_files_and_of_simulated_time_are_taken_as_they_are(store: SqliteStore) -> None:
    core = Alerting(config_of(SIMPLE + "max_ahead: 36525d\n"), store)
    core.take([_alert("opened", 99 * 365 * 24 * 60, 0, "press-1", 0)])
    assert core.state.now == at(99 * 365 * 24 * 60)
    no_topic = _alert("opened", _YEARS_AHEAD, 0, "press-2", _YEARS_AHEAD)._replace(written=0)
    core.take([no_topic])
    assert core.state.now == parse_timestamp(_WILD)


def test_progress_and_a_run_dated_far_ahead_move_no_time(store: SqliteStore) -> None:
    core = Alerting(config_of(), store)
    core.take([_alert("opened", 0, 0, "press-1", 0)])
    wild = parse_timestamp(_WILD)
    core.take([_record("audit", encode_record(JobProgress(wild, "r", "s", 0, 1)), 1)])
    assert core.job_time is None
    began = RunStarted("next", "s", "f", True, {}, "1", moment=_WILD)
    core.take([_record("audit", encode_record(began), 2)])
    core.take([_record("audit", encode_record(JobProgress(at(9), "next", "s", 0, 1)), 9)])
    assert core.state.now <= at(9)
    core.tick(at(30))
    assert not core.state.alerts  # what the lost run left open has ended
    assert core.dating.ahead == 2


@pytest.mark.parametrize("time", ["1970-01-01T00:00:00Z", "1999-12-31T23:59:59Z",
                                  "2200-01-01T00:00:00Z", "9999-12-31T00:00:00Z",
                                  "1000-01-01T00:00:00Z"])  # fmt: skip
def test_a_time_that_no_clock_says_that_was_set_is_refused_in_a_sentence(
    time: str, store: SqliteStore
) -> None:
    core = Alerting(config_of(), store)
    minute = (parse_timestamp(time) - at(0)) / 60_000_000
    began = RunStarted("next", "s", "f", True, {}, "1", moment=time)
    records = [
        _alert("opened", minute, 0, "press-1", minute),
        _command("resolve", time, 0, target={"source": "*"}),
        _record("audit", encode_record(began)),
    ]
    core.take([one._replace(number=n, written=0) for n, one in enumerate(records)])
    assert len(store.refused()) == 3
    assert all("not between 2000 and 2200" in one for one in store.refused())
    assert store.last_number() == 0


def test_an_alert_of_years_before_the_latest_is_refused_also_before_anything_was_forgotten(
    store: SqliteStore,
) -> None:
    core = Alerting(config_of(), store)
    core.take([_alert("opened", 0, 0, "press-1", 0)])
    years = -3 * 365 * 24 * 60
    core.take([_alert("opened", years, 1, "old", years)])
    (reason,) = store.refused()
    assert "longer than `keep` before the latest alert" in reason


def test_a_clock_that_leapt_ahead_once_refuses_nothing_that_comes_later(store: SqliteStore) -> None:
    """Ticks came from a wrong clock, and the log was cut by it: alerts were refused for years."""
    core = Alerting(config_of(SIMPLE + "weekly_test: {route: all}\n"), store)
    core.take([_alert("opened", 0, 0, "press-1", 0)])
    core.take([_alert("resolved", 1, 1, "press-1", 0)])
    core.tick(parse_timestamp(_WILD))
    core.save()
    while core.forget():
        pass
    core.take([_alert("opened", 5, 5, "press-2", 5)])
    core.take([_command("acknowledge", format_utc(at(6)), 6, target={"source": "press-2"})])
    assert store.refused() == []
    assert ("opened", "press-2") in [one for one in _kinds(store)]


def _kinds(store: SqliteStore) -> list[tuple[str, str]]:
    found = [msgspec.json.decode(one.message) for one in store.deliveries()]
    return [(one["kind"], one["view"]["members"][0]["source_id"]) for one in found if one["view"]]


@pytest.mark.parametrize("time", [2**62, -(2**62), 2**63 - 1])
def test_a_time_that_no_calendar_has_is_no_end_of_the_service(
    time: int, store: SqliteStore
) -> None:
    core = Alerting(config_of(), store)
    alert = _alert("opened", 0, 0, "press-1", 0)
    stamp = format_utc(at(0)).encode()
    edge = alert.data.replace(b'"time":"' + stamp, b'"time":"9999-12-31T23:59:59-12:00')
    began = RunStarted("next", "s", "f", True, {}, "1", live_from=time)
    records = [
        alert._replace(data=edge),
        _record("audit", encode_record(began)),
        _record("audit", encode_record(JobProgress(time, "r", "s", 0, 1))),
        _record("audit", encode_record(JobProgress(time, "r", "s", 0, 1)))._replace(written=0),
    ]
    core.take([one._replace(number=n) for n, one in enumerate(records)])
    assert all("not between 2000 and 2200" in one for one in store.refused())
    assert len(store.refused()) == 4 - (time > 0)  # progress far ahead is left out
    assert store.last_number() == 0


def test_a_wild_alert_of_a_file_makes_nothing_that_comes_later_too_old(store: SqliteStore) -> None:
    """A file that grows is not sorted, and its lines have no time of their own."""
    core = Alerting(config_of(), store)
    core.take([_alert("opened", _YEARS_AHEAD, 0, "wild", _YEARS_AHEAD)._replace(written=0)])
    core.take([_alert("opened", 5, 0, "press-1", 5)._replace(written=0, number=1)])
    assert store.refused() == []
    assert ("opened", "press-1") in _sent(store)


def test_a_record_whose_own_time_is_of_before_2000_dates_no_alert(store: SqliteStore) -> None:
    """Some write seconds where milliseconds are meant: each alert would be one of 1970."""
    core = Alerting(config_of(), store)
    core.take([_alert("opened", 0, 0, "press-1", 0)._replace(written=at(0) // 1000)])
    assert core.state.now == at(0)
    assert core.dating.ahead == 0


def test_an_alert_by_a_wrong_clock_is_as_old_as_its_opening_whatever_comes_of_it(
    store: SqliteStore,
) -> None:
    """Each of its updates is dated anew, and what a person saw would not be meant any more."""
    core = Alerting(config_of(), store)
    core.take([_alert("opened", _YEARS_AHEAD, 0, "wild", _YEARS_AHEAD)])
    core.take([_alert("updated", _YEARS_AHEAD + 5, 5, "wild", _YEARS_AHEAD)])
    seen = {"source": "wild", "time": format_utc(at(1))}
    core.take([_command("acknowledge", format_utc(at(5)), 5, target=seen)])
    (incident,) = core.state.incidents.values()
    assert incident.acknowledged_by == "ann"


def test_what_was_forgotten_is_not_taken_again_under_another_configuration(
    store: SqliteStore,
) -> None:
    """Nothing of the log is left that says how late the latest alert was; its horizon does."""
    text = SIMPLE + "weekly_test: {route: all}\n"
    core = Alerting(config_of(text), store)
    records = [_alert("opened", 0, 0, "press-1", 0), _alert("resolved", 1, 1, "press-1", 0)]
    core.take(records)
    core.tick(at(300 * 24 * 60))
    core.save()
    while core.forget():
        pass
    other = Alerting(config_of(text + "min_score: 0.1\n"), store)
    other.take([one._replace(number=n) for n, one in enumerate(records)])
    assert len(store.refused()) == 2
    other.take([_alert("opened", 5, 5, "press-2", 5)._replace(number=2)])
    assert len(store.refused()) == 2
    assert other.state.seen == at(5)
