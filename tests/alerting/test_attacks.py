"""What nobody should do and somebody will: each with the real engine, store, worker or service."""

import itertools
import sqlite3
import time
from collections import Counter
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.alerting.compiled import Policy
from padit.alerting.delivery.receivers import Receiver, receivers_of
from padit.alerting.delivery.worker import Worker
from padit.alerting.effects import CommandResult, Effect, Handed
from padit.alerting.engine import Engine
from padit.alerting.entries import AlertEvent, Entry, Tick
from padit.alerting.matching import Hours, next_start, within
from padit.alerting.policy import AlertingConfig, HoursSetting
from padit.alerting.records import Record
from padit.alerting.sequencer import Alerting
from padit.alerting.state import State, dump
from padit.alerting.store.sqlite import SqliteStore
from padit.cli.main import main
from padit.domain.errors import ConfigurationError, StateError
from padit.domain.timestamps import MICROS, format_utc, parse_timestamp
from tests.alerting.making import (
    SIMPLE,
    at,
    cloud_event,
    command,
    config_of,
    event,
    policy_of,
    run,
    sent,
    tick,
)
from tests.alerting.receiving import Answer, receiving
from tests.alerting.test_laws import POLICIES, logs
from tests.limits import allowed

RATED = """
receivers: {ops: {kind: webhook, url: "http://127.0.0.1:1/"}}
routes: [{name: all, receiver: ops, rate: {messages: 3, per: 10m}}]
"""

# ---- many at once


def _storm(count: int) -> list[Entry]:
    log: list[Entry] = [event("opened", i / count, f"a{i}", source=f"s{i}") for i in range(count)]
    log.append(tick(11))
    log += [event("resolved", 60 + i / count, f"a{i}", source=f"s{i}", opened=at(i / count))
            for i in range(count)]  # fmt: skip
    return [*log, *[tick(minutes) for minutes in range(70, 300, 10)]]


def test_ten_thousand_incidents_at_once_are_few_messages_that_receivers_take() -> None:
    """Each is told once, also its end, within the rate; no message is larger than half a MB."""
    log = _storm(10_000)
    began = time.process_time()
    state, effects = run(log, policy_of(RATED))
    assert time.process_time() - began < allowed(5)
    kinds = [kind for _, kind, _ in sent(effects)]
    assert kinds == ["opened"] * 3 + ["digest"] + ["resolved"] * 3 + ["digest_over"]
    assert not state.incidents
    assert sum(state.counts["all"].values()) == 20_000
    for message in _handed(effects):
        assert len(message.others) + message.more in (0, 9_997)
        for kind in ("webhook", "slack", "teams", "alertmanager"):
            one = _receiver(f"{{kind: {kind}, url: 'http://127.0.0.1:1/'}}")
            request = one._notifier.render(message, "")
            one.close()
            assert len(request.body) < 500_000, kind


def _handed(effects: list[Effect]) -> list[Handed]:
    return [one for one in effects if isinstance(one, Handed)]


def test_an_end_of_what_began_alone_is_a_message_of_its_own_also_behind_a_storm() -> None:
    """A receiver that opened something for it has to be told which."""
    log = _storm(50)
    told = [one.view.id for one in _handed(run(log, policy_of(RATED))[1])
            if one.view is not None and one.kind == "opened"]  # fmt: skip
    ends = [one.view.id for one in _handed(run(log, policy_of(RATED))[1])
            if one.view is not None and one.kind == "resolved"]  # fmt: skip
    assert sorted(ends) == sorted(told)


def test_what_began_in_a_digest_and_goes_on_is_not_among_its_ends() -> None:
    log = [one for one in _storm(50) if not (isinstance(one, AlertEvent) and one.alert == "a20"
                                             and one.kind == "resolved")]  # fmt: skip
    state, effects = run(log, policy_of(RATED))
    (over,) = [one for one in _handed(effects) if one.kind == "digest_over"]
    assert len(over.others) == 46
    assert not any(member.alert == "a20" for view in over.others for member in view.members)
    assert [len(one.members) for one in state.incidents.values()] == [1]


# ---- people


def test_a_silence_by_command_that_ends_before_it_begins_mutes_nothing_and_is_counted() -> None:
    log: list[Entry] = [command("silence", 10, until=at(5)), event("opened", 11), tick(60)]
    state, effects = run(log)
    assert [one.result for one in effects if isinstance(one, CommandResult)] == ["no_match"]
    assert (state.unmatched, state.silences) == (1, {})
    assert sent(effects) == [("all", "opened", 11)]


def test_a_silence_of_the_configuration_that_ends_before_it_begins_is_refused() -> None:
    text = SIMPLE + ("silences: [{id: s, match: {source: x}, start: 2026-03-02T00:00:00Z, "
                     "end: 2026-03-01T00:00:00Z}]")  # fmt: skip
    with pytest.raises(ValueError, match=r"it ends at 2026-03-01T00:00:00\.0+Z, before it"):
        config_of(text)


def test_an_acknowledgement_of_what_has_just_ended_is_counted_and_takes_no_later_alert() -> None:
    log: list[Entry] = [
        event("opened", 0), event("resolved", 1), command("acknowledge", 1.2), tick(2.5),
        event("opened", 30, "b"), tick(60),
    ]  # fmt: skip
    state, effects = run(log)
    assert [one.result for one in effects if isinstance(one, CommandResult)] == [
        "held", "no_match",
    ]  # fmt: skip
    assert state.unmatched == 1
    assert [kind for _, kind, _ in sent(effects)] == ["opened", "resolved", "opened"]
    assert not any(one.acknowledged_by for one in state.incidents.values())


# ---- time


ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
CHANGES = [
    "2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z", "2026-03-08T07:00:00Z",
    "2026-11-01T06:00:00Z", "2026-04-04T15:00:00Z", "2026-10-03T15:30:00Z",
]  # fmt: skip


@given(
    spans=st.lists(st.tuples(st.integers(0, 10_020), st.integers(1, 600)), min_size=1, max_size=3),
    zone=st.sampled_from(ZONES),
    change=st.sampled_from(CHANGES),
    minutes=st.integers(-600, 600),
)
@settings(max_examples=200, deadline=None)
def test_a_wait_for_hours_ends_when_they_begin_also_over_a_change_of_the_clocks(
    spans: list[tuple[int, int]], zone: str, change: str, minutes: int
) -> None:
    """Also where hours overlap, or begin in an hour that is skipped or comes twice."""
    hours = Hours([(begin, min(begin + length, 10_080)) for begin, length in spans], zone)
    time_ = parse_timestamp(change) + minutes * 60 * MICROS
    begins = next_start(hours, time_)
    assert begins > time_
    if within(hours, time_):
        return
    skipped = _offset(zone, begins) != _offset(zone, begins - 3600 * MICROS)
    assert within(hours, begins) or skipped
    for moment in range(time_, min(begins, time_ + 1440 * 60 * MICROS), 5 * 60 * MICROS):
        assert not within(hours, moment)


@pytest.mark.parametrize(
    ("hours", "time_", "begins"),
    [
        ("02:15-06:00", "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"),  # a leap into them
        ("02:30-02:45", "2026-10-25T00:50:00Z", "2026-10-25T01:30:00Z"),  # they come twice
        ("01:30-02:10", "2026-10-25T00:20:00Z", "2026-10-25T01:00:00Z"),  # a leap back into them
        ("02:15-02:45", "2026-03-29T00:30:00Z", "2026-03-29T01:15:00Z"),  # they are skipped
    ],
)
def test_hours_begin_as_a_clock_on_the_wall_shows_them(hours: str, time_: str, begins: str) -> None:
    ranges = HoursSetting(hours=(hours,)).ranges()
    found = next_start(Hours(ranges, "Europe/Berlin"), parse_timestamp(time_))
    assert found == parse_timestamp(begins), format_utc(found)


def test_a_weekly_test_whose_minute_comes_twice_or_never_is_sent_once_a_week() -> None:
    text = SIMPLE + "weekly_test: {route: all, day: sun, at: '02:30', timezone: Europe/Berlin}\n"
    for first in ("2026-10-16T00:00:00Z", "2026-03-20T00:00:00Z"):
        begin = parse_timestamp(first)
        hourly = [Tick(begin + hour * 3600 * MICROS) for hour in range(21 * 24)]
        days = [one.time // MICROS // 86_400 for one in run(hourly, policy_of(text))[1]
                if isinstance(one, Handed)]  # fmt: skip
        assert [later - day for day, later in itertools.pairwise(days)] == [7, 7], first


def _offset(zone: str, time_: int) -> object:
    from datetime import UTC, datetime

    moment = datetime.fromtimestamp(time_ / MICROS, UTC)
    return moment.astimezone(ZoneInfo(zone)).utcoffset()


@given(log=logs(), policy=st.sampled_from(POLICIES), back=st.lists(st.integers(0, 40), max_size=4))
@settings(max_examples=60, deadline=None)
def test_ticks_of_a_clock_that_is_set_back_change_nothing(
    log: list[Entry], policy: Policy, back: list[int]
) -> None:
    """They stand anywhere in the log, an hour or a year late."""
    plain, disturbed = (Engine(policy), State()), (Engine(policy), State())
    for number, entry in enumerate(log):
        expected = plain[0].apply(plain[1], entry)
        assert disturbed[0].apply(disturbed[1], entry) == expected
        if number in back and disturbed[1].began:
            for ago in (1, 3600, 365 * 86_400):
                late = Tick(disturbed[1].now - ago * MICROS)
                assert disturbed[0].apply(disturbed[1], late) == []
    assert dump(plain[1]) == dump(disturbed[1])


# ---- templates


@pytest.mark.parametrize("text", ["{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
                                  "{{ " + "-" * 5000 + "1 }}",
                                  "{% if a %}" * 450 + "{% endif %}" * 450])  # fmt: skip
def test_a_template_that_is_too_deep_is_refused_before_anything_runs(text: str) -> None:
    with pytest.raises(ConfigurationError, match="text is no template"):
        _receiver({"kind": "webhook", "url": "http://127.0.0.1:1/", "text": text})


def _receiver(setting: object) -> Receiver:
    import yaml

    made = yaml.safe_load(setting) if isinstance(setting, str) else setting
    config = AlertingConfig.model_validate(
        {"receivers": {"ops": made}, "routes": [{"name": "all", "receiver": "ops"}]}
    )
    return receivers_of(config)["ops"]


# ---- the log


def _store(folder: Path, count: int) -> None:
    store = SqliteStore(folder)
    lines = [cloud_event(event(kind, i, f"a{i}", source=f"s{i}", opened=at(i)))
             for i in range(count) for kind in ("opened",)]  # fmt: skip
    core = Alerting(config_of(), store)
    core.take([Record("alert", "f", 0, i, i + 1, line) for i, line in enumerate(lines)])
    store.close()


def test_a_log_with_a_hole_goes_on_with_what_is_there(tmp_path: Path) -> None:
    _store(tmp_path, 6)
    with sqlite3.connect(tmp_path / "alerting.sqlite") as connection:
        connection.execute("DELETE FROM log WHERE n IN (1, 2, 4)")
    connection.close()
    store = SqliteStore(tmp_path)
    core = Alerting(config_of(), store)
    assert list(core.state.alerts) == ["a2", "a4", "a5"]
    again = Record("alert", "f", 0, 6, 7, cloud_event(event("opened", 20, "z", source="z")))
    assert _handed(core.take([again, again]))  # and twice is once
    assert list(core.state.alerts) == ["a2", "a4", "a5", "z"]
    store.close()


@pytest.mark.parametrize("payload", [b"", b"\xff\x00garbage", b'{"id": 1}', b"[]"])
def test_an_entry_of_the_log_that_is_damaged_is_named_by_its_number(
    payload: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was taken once, so leaving it out in silence would change what was decided."""
    _store(tmp_path / "data", 3)
    with sqlite3.connect(tmp_path / "data" / "alerting.sqlite") as connection:
        connection.execute("UPDATE log SET payload = ? WHERE n = 2", (payload,))
    connection.close()
    store = SqliteStore(tmp_path / "data")
    with pytest.raises(StateError, match="entry 2 of the log is damaged"):
        Alerting(config_of(), store)
    store.close()
    (tmp_path / "c.yaml").write_text(SIMPLE)
    (tmp_path / "a.jsonl").touch()
    options = ["--config", str(tmp_path / "c.yaml"), "--data", str(tmp_path / "data")]
    for asked in (["whatif", *options], ["alerting", *options, "--alerts",
                                         str(tmp_path / "a.jsonl")]):  # fmt: skip
        assert main(asked) != 0
        said = capsys.readouterr().err
        assert "entry 2 of the log is damaged" in said
        assert "Traceback" not in said


# ---- receivers


def test_a_redirect_is_not_followed_and_the_message_is_dead_with_its_reason(tmp_path: Path) -> None:
    """Else whoever answers once could have all messages, and their signatures, sent elsewhere."""
    with receiving() as elsewhere, receiving() as got:
        got.answer = lambda number: Answer(307, headers=(("location", elsewhere.url),))
        store = _with_message(tmp_path, 1)
        one = Worker(_receiver({"kind": "webhook", "url": got.url}), lambda: store)
        one.deliver(store)
        assert len(got.requests) == 1
        assert not elsewhere.requests
    (dead,) = store.deliveries()
    assert (dead.state, dead.reason[:8]) == ("dead", "HTTP 307")
    store.close()


def _with_message(folder: Path, count: int) -> SqliteStore:
    store = SqliteStore(folder)
    lines = [cloud_event(event("opened", i, f"a{i}", source=f"s{i}")) for i in range(count)]
    Alerting(config_of(), store).take(
        [Record("alert", "f", 0, i, i + 1, line) for i, line in enumerate(lines)]
    )
    return store


def test_an_answer_that_comes_after_the_time_out_is_one_more_attempt_under_the_same_id(
    tmp_path: Path,
) -> None:
    with receiving() as got:
        got.answer = lambda number: Answer(wait=0.0 if number else 1.5)
        store = _with_message(tmp_path, 1)
        receiver = _receiver({"kind": "webhook", "url": got.url, "timeout_sec": 0.4})
        one = Worker(receiver, lambda: store)
        end = time.monotonic() + allowed(20)
        while store.waiting() and time.monotonic() < end:
            one.deliver(store)
            time.sleep(0.05)
        assert len({str(each["id"]) for each in got.events}) == 1
        assert len(got.requests) == 2
    assert store.deliveries()[0].state == "delivered"
    store.close()


# ---- two leaders


def test_a_message_that_another_process_has_delivered_meanwhile_is_not_sent(tmp_path: Path) -> None:
    """It slept behind its first message, with the others read already."""
    with receiving() as got:
        store = _with_message(tmp_path, 5)
        other = SqliteStore(tmp_path, leading=False)

        def sleeps(number: int) -> Answer:
            if not number:
                for one in other.deliveries()[1:4]:
                    other.record(one.number, "delivered", 1)
            return Answer()

        got.answer = sleeps
        receiver = _receiver({"kind": "webhook", "url": got.url})
        Worker(receiver, lambda: store).deliver(store)
        ids = [one.id for one in other.deliveries()]
        assert [one["id"] for one in got.events] == [ids[0], ids[4]]
        other.close()
    store.close()


def test_who_leads_no_longer_sends_nothing_more(tmp_path: Path) -> None:
    with receiving() as got:
        store = _with_message(tmp_path, 5)
        receiver = _receiver({"kind": "webhook", "url": got.url})
        one = Worker(receiver, lambda: store, leads=lambda own: len(got.requests) < 2)
        one.deliver(store)
        assert not one.deliver(store)
        assert len(got.requests) == 2
    assert store.waiting() == 3
    store.close()


def test_an_old_result_changes_nothing_but_that_it_was_delivered(tmp_path: Path) -> None:
    store = _with_message(tmp_path, 3)
    with store.transaction():
        store.record(1, "delivered", 1)
        store.record(1, "pending", 1, reason="too late")  # of a process that had slept
        store.record(2, "pending", 2, reason="newer")
        store.record(2, "dead", 1, reason="older")
        store.record(3, "pending", 5, reason="newer")
        store.record(3, "delivered", 1, reference="x")
    found = [(one.state, one.attempts, one.reason) for one in store.deliveries()]
    assert found == [("delivered", 1, ""), ("pending", 2, "newer"), ("delivered", 1, "")]
    assert Counter(one.state for one in store.deliveries())["dead"] == 0
    store.close()
