"""A store that is full or locked, a clock that is set back, policies that contradict each other."""

import resource
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.alerting.delivery import worker as delivery
from padit.alerting.delivery.receivers import Receiver, receivers_of
from padit.alerting.delivery.worker import Worker
from padit.alerting.effects import Handed
from padit.alerting.entries import AlertEvent, Entry, event_of
from padit.alerting.event_clock import EventClock
from padit.alerting.inputs import FileInput
from padit.alerting.records import Record
from padit.alerting.sequencer import Alerting
from padit.alerting.store.sqlite import SqliteStore
from padit.domain.errors import SinkError, WireFormatError
from padit.domain.timestamps import MICROS
from tests.alerting.making import (
    SIMPLE,
    START,
    at,
    cloud_event,
    config_of,
    event,
    policy_of,
    run,
    sent,
    tick,
)
from tests.alerting.receiving import Answer, receiving
from tests.limits import allowed

FREE = resource.RLIM_INFINITY


def _alerts(count: int, first: int = 0) -> list[Record]:
    lines = [cloud_event(event("opened", i, f"a{i}", source=f"s{i}", summary="x" * 500))
             for i in range(first, first + count)]  # fmt: skip
    return [Record("alert", "f", 0, i, i + 1, line) for i, line in enumerate(lines, first)]


def test_a_full_disk_holds_the_service_up_and_nothing_is_lost_or_sent_twice(
    tmp_path: Path,
) -> None:
    """A limit for files stands for the disk; it is lifted while the service waits."""
    lines = [one.data for one in _alerts(300)]
    (tmp_path / "alerts.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    with receiving() as got:
        (tmp_path / "c.yaml").write_text(
            f'receivers: {{ops: {{kind: webhook, url: "{got.url}"}}}}\n'
            "routes: [{name: all, receiver: ops}]\n"
        )
        command = [sys.executable, "-m", "padit.cli.main", "alerting", "--config", "c.yaml",
                   "--alerts", "alerts.jsonl", "--data", "data"]  # fmt: skip
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                command, cwd=tmp_path, stderr=log, stdout=log,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, FREE)),
            )  # fmt: skip
            try:
                _wait(lambda: "trying again" in (tmp_path / "log").read_text())
                assert process.poll() is None
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (FREE, FREE))
                assert process.wait(allowed(60)) == 0
            finally:
                process.kill()
                process.wait()
    said = (tmp_path / "log").read_text()
    assert "the store of alerting cannot be used: " in said
    assert "all: 300 transitions = 300 handed; 300 messages = 300 delivered" in said
    assert len({str(one["id"]) for one in got.events}) == len(got.events) == 300


def _wait(true: object) -> None:
    end = time.monotonic() + allowed(30)
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.05)


def _pages(store: SqliteStore, most: int) -> None:
    store.execute(f"PRAGMA max_page_count={most}")


@pytest.mark.parametrize("spare", range(1, 12, 3))
def test_a_store_that_is_full_takes_a_batch_whole_or_not_at_all(tmp_path: Path, spare: int) -> None:
    store = SqliteStore(tmp_path)
    core = Alerting(config_of(), store)
    core.take(_alerts(20))
    (used,) = store.execute("PRAGMA page_count").fetchone()
    _pages(store, used + spare)
    with pytest.raises(SinkError, match="full"):
        core.take(_alerts(200, 20))
    assert store.positions() == {("f", 0): 20}
    assert sum(1 for _ in store.entries()) == 20
    _pages(store, 1_000_000)
    core.take(_alerts(200, 20))
    assert store.counts()["all"] == {"handed": 220, "message pending": 220}
    assert core.state.transitions == 220
    store.close()


def test_a_store_that_another_program_locks_is_waited_for(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    store.execute("PRAGMA busy_timeout=50")
    core = Alerting(config_of(), store)
    other = sqlite3.connect(tmp_path / "alerting.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(SinkError, match="locked"):
        core.take(_alerts(2))
    other.execute("ROLLBACK")
    other.close()
    core.take(_alerts(2))
    assert store.counts()["all"] == {"handed": 2, "message pending": 2}
    store.close()


def test_a_store_that_is_damaged_is_named_and_not_a_traceback(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    Alerting(config_of(), store).take(_alerts(200))
    store.close()
    path = tmp_path / "alerting.sqlite"
    data = bytearray(path.read_bytes())
    data[8192:] = b"\xff" * (len(data) - 8192)
    path.write_bytes(data)
    broken = SqliteStore(tmp_path, leading=False)
    with pytest.raises(SinkError, match="malformed"):
        list(broken.entries())
    broken.close()


def _receiver(url: str) -> Receiver:
    return receivers_of(config_of(SIMPLE.replace("http://127.0.0.1:1/", url)))["ops"]


def test_a_result_that_cannot_be_noted_is_kept_and_its_message_not_sent_again(
    tmp_path: Path,
) -> None:
    store = SqliteStore(tmp_path)
    store.execute("PRAGMA busy_timeout=50")
    Alerting(config_of(), store).take(_alerts(1))
    other = sqlite3.connect(tmp_path / "alerting.sqlite", isolation_level=None)
    with receiving() as got:
        one = Worker(_receiver(got.url), lambda: store)

        def lock(number: int) -> Answer:
            del number
            other.execute("BEGIN IMMEDIATE")
            return Answer()

        other = sqlite3.connect(
            tmp_path / "alerting.sqlite", isolation_level=None, check_same_thread=False
        )
        got.answer = lock
        for _ in range(3):
            with pytest.raises(SinkError, match="locked"):
                one.deliver(store)
        other.execute("ROLLBACK")
        other.close()
        one.deliver(store)
        assert len(got.requests) == 1
    assert store.counts()["all"]["message delivered"] == 1
    store.close()


def test_a_clock_that_is_set_back_by_an_hour_delays_no_retry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_800_000_000.0, 50.0]
    monkeypatch.setattr(delivery, "clock", lambda: now[0])
    monkeypatch.setattr(delivery, "monotonic", lambda: now[1])
    store = SqliteStore(tmp_path)
    Alerting(config_of(), store).take(_alerts(1))
    with receiving() as got:
        got.answer = lambda number: Answer(500 if not number else 200)
        one = Worker(_receiver(got.url), lambda: store)
        assert one.deliver(store)
        assert not one.deliver(store)  # it waits a little
        now[0] -= 3600 - 2
        now[1] += 2
        assert one.deliver(store)
    assert store.counts()["all"]["message delivered"] == 1
    store.close()


def test_a_wait_that_a_wrong_clock_has_noted_is_an_hour_at_most_after_a_restart(
    tmp_path: Path,
) -> None:
    store = SqliteStore(tmp_path)
    Alerting(config_of(), store).take(_alerts(1))
    with store.transaction():
        store.record(1, "pending", 1, next_attempt_at=time.time() + 86_400 * 365)
    Worker(_receiver("http://127.0.0.1:1/"), lambda: store).deliver(store)
    assert store.deliveries()[0].next_attempt_at <= time.time() + 3600
    store.close()


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(-4000, 4000)), max_size=20))
def test_event_time_by_the_clock_never_goes_back(steps: list[tuple[float, float]]) -> None:
    wall, passed = [START / MICROS], [0.0]
    clock = EventClock(0, waits=False, monotonic=lambda: passed[0], wall=lambda: wall[0])
    last = clock.now()
    assert last is not None
    for seconds, jump in steps:
        passed[0] += seconds
        wall[0] += seconds + jump
        now = clock.now()
        assert now is not None
        assert now >= last + int(seconds * MICROS) - 2
        last = now


CIRCLE = (
    SIMPLE
    + """
inhibit:
  - {name: ab, cause: {metric: a}, effect: {metric: b}}
  - {name: bc, cause: {metric: b}, effect: {metric: c}}
  - {name: ca, cause: {metric: c}, effect: {metric: a}}
incidents: {window: 1s}
"""
)


@given(st.permutations("abc"), st.integers(0, 2))
def test_of_alerts_that_inhibit_each_other_in_a_circle_one_is_told(
    order: list[str], together: int
) -> None:
    """Also if all of them wait, and are looked at again when all are open."""
    log: list[Entry] = [
        event("opened", (i if i > together else 0) * 0.01, name, metric=name, source=f"s{name}")
        for i, name in enumerate(order)
    ]
    for text in (CIRCLE, CIRCLE.replace("receiver: ops}", "receiver: ops, min_duration: 1m}")):
        state, effects = run([*log, tick(60)], policy_of(text))
        told = [kind for _, kind, _ in sent(effects)]
        assert told.count("opened") >= 1
        waiting = [one for incident in state.incidents.values()
                   for one in incident.told.values() if one.state == "waiting"]  # fmt: skip
        assert len(waiting) + told.count("opened") == 3


def test_two_that_inhibit_each_other_are_one_message_of_the_first() -> None:
    text = (
        SIMPLE
        + """
inhibit:
  - {name: ab, cause: {metric: a}, effect: {metric: b}}
  - {name: ba, cause: {metric: b}, effect: {metric: a}}
"""
    )
    log: list[Entry] = [event("opened", 0, "y", metric="b", source="s1"),
                        event("opened", 1, "x", metric="a", source="s2"), tick(60)]  # fmt: skip
    _, effects = run(log, policy_of(text))
    assert [
        one.view.members[0].alert for one in effects if isinstance(one, Handed) and one.view
    ] == ["y"]


def test_of_silences_that_overlap_the_first_is_named_and_of_routes_the_first_takes() -> None:
    text = """
receivers: {ops: {kind: webhook, url: "http://127.0.0.1:1/"}}
routes:
  - {name: a, receiver: ops, match: {source: "press-*"}}
  - {name: b, receiver: ops, match: {source: "press-*"}}
silences:
  - {id: s1, match: {source: "press-*"}, start: 2026-03-01T08:00:00Z, end: 2026-03-01T08:30:00Z}
  - {id: s2, match: {source: "press-*"}, start: 2026-03-01T08:00:00Z, end: 2026-03-01T09:00:00Z}
"""
    _, effects = run([event("opened", 0), tick(120)], policy_of(text))
    assert sent(effects) == [("a", "opened", 60)]  # behind the later of the two
    for twice in ("name: b", "id: s2"):
        with pytest.raises(ValueError, match="two "):
            config_of(text.replace(twice, twice[:-1].replace("id: s", "id: s1") if "s2" in twice
                                   else "name: a"))  # fmt: skip


OLD = Path(__file__).parents[1] / "analysis" / "old" / "silence.jsonl"


def test_alerts_of_older_versions_are_read() -> None:
    lines = [line for line in OLD.read_bytes().splitlines() if line.strip()]
    assert lines
    for line in lines:
        found = event_of(line)
        assert found.kind in ("opened", "updated", "resolved")
        assert found.detector


@pytest.mark.parametrize("gone", ["labels", "metric_type", "shift", "metadata", "detector"])
def test_an_alert_without_what_came_later_is_read(gone: str) -> None:
    content = msgspec.json.decode(cloud_event(event("opened", 0)))
    content["data"].pop(gone, None)
    assert event_of(msgspec.json.encode(content)).alert == "a"


def test_an_alert_whose_bytes_say_who_acknowledged_it_is_not_acknowledged_by_that() -> None:
    """Only commands do; so the bytes of alerts, which programs may write again, command nothing."""
    content = msgspec.json.decode(cloud_event(event("opened", 0)))
    plain = event_of(msgspec.json.encode(content))
    content["data"] |= {"acknowledged": True, "acknowledged_by": "ann", "acknowledged_at": "2026"}
    assert event_of(msgspec.json.encode(content)) == plain


@given(st.binary(max_size=200))
def test_any_bytes_are_an_alert_or_refused(data: bytes) -> None:
    with suppress(WireFormatError):
        event_of(data)


def test_a_log_that_begins_in_the_middle_tells_what_is_open_and_counts_the_rest(
    tmp_path: Path,
) -> None:
    whole = [
        event("opened", 0), event("updated", 30, severity="CRITICAL"),
        event("resolved", 40, opened=at(0)), event("opened", 50, "b", source="press-2"),
    ]  # fmt: skip
    for cut, kinds in ((0, ["opened", "worse", "resolved", "opened"]),
                       (1, ["opened", "resolved", "opened"]), (2, ["opened"])):  # fmt: skip
        path = tmp_path / f"{cut}.jsonl"
        path.write_bytes(b"\n".join(cloud_event(one) for one in whole[cut:]) + b"\n")
        source = FileInput([("alert", path)])
        source.seek({})
        store = SqliteStore(tmp_path / str(cut))
        core = Alerting(config_of(), store)
        core.take(source.poll(0))
        core.tick(at(45 + 600))
        assert [one.kind for one in store.deliveries()] == kinds
        outcomes = Counter(store.counts()["all"])
        assert sum(count for reason, count in outcomes.items()
                   if not reason.startswith("message")) == len(whole) - cut  # fmt: skip
        store.close()


def test_names_of_any_signs_go_through_the_whole_core(tmp_path: Path) -> None:
    names = ["🔥", "a\0b", "\u202egnihtemos", "x" * 4000, "‎\u200f", "\ud83d".encode(
        "utf-8", "replace").decode()]  # fmt: skip
    store = SqliteStore(tmp_path)
    core = Alerting(config_of(), store)
    alerts: list[AlertEvent] = [
        event("opened", i, f"a{i}", source=name, metric=name) for i, name in enumerate(names)
    ]
    core.take([Record("alert", "f", 0, i, i + 1, cloud_event(one))
               for i, one in enumerate(alerts)])  # fmt: skip
    assert store.counts()["all"]["handed"] == len(names)
    again = Alerting(config_of(), store)
    assert again.state.alerts == core.state.alerts
    store.close()
