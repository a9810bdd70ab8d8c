"""Laws of the engine, over generated logs and policies."""

from collections import Counter
from typing import Literal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.alerting.compiled import Policy
from padit.alerting.effects import Effect, Handed, Outcome, Reason
from padit.alerting.engine import Engine
from padit.alerting.entries import (
    AlertEvent,
    Command,
    Entry,
    RunBegan,
    Target,
    Tick,
    fingerprint_of,
)
from padit.alerting.report import residues
from padit.alerting.state import State, dump, load
from tests.alerting.making import at, event, policy_of

POLICIES = [
    policy_of(text)
    for text in (
        "{receivers: {r: {kind: webhook}}, routes: [{name: all, receiver: r}]}",
        """
receivers: {r: {kind: webhook}, q: {kind: webhook}}
hours: {day: {hours: ["06:00-09:00"], timezone: Asia/Kathmandu}}
routes:
  - {name: critical, receiver: q, match: {severity: CRITICAL}, go_on: true, min_duration: 3m}
  - {name: site, receiver: r, match: {labels: {site: "x*"}}, hours: day}
  - {name: rest, receiver: r, rate: {messages: 2, per: 20m}, settle: 0s}
silences:
  - {id: works, match: {source: "s1"}, start: 2026-03-01T08:10:00Z, end: 2026-03-01T08:40:00Z}
inhibit: [{name: i, cause: {metric: m0}, effect: {metric: m1}, same: [source]}]
incidents: {share: [site], window: 8m, depends_on: {s0: [s1], s1: [s2]}}
flapping: {changes: 3, within: 20m, quiet: 5m}
acknowledged_for: 6m
min_score: 0.72
""",
    )
]

_KINDS: list[Literal["acknowledge", "unacknowledge", "resolve", "silence", "feedback"]] = [
    "acknowledge", "unacknowledge", "resolve", "silence", "feedback",
]  # fmt: skip


@st.composite
def logs(draw: st.DrawFn) -> list[Entry]:
    """Logs of alerts that open, rise and resolve, with commands, ticks and runs between."""
    log: list[Entry] = []
    open_alerts: dict[tuple[str, str], str] = {}
    minute = 0.0
    for number in range(draw(st.integers(0, 40))):
        minute += draw(st.sampled_from([0.0, 0.1, 0.5, 1.0, 3.0, 20.0]))
        source = draw(st.sampled_from(["s0", "s1", "s2", "s3"]))
        metric = draw(st.sampled_from(["m0", "m1"]))
        what = draw(st.integers(0, 9))
        if what <= 6:
            log.append(_alert(draw, open_alerts, source, metric, minute, number))
        elif what == 7:
            log.append(Tick(at(minute)))
        elif what == 8:
            what_they_do = draw(st.sampled_from(_KINDS))
            ahead = draw(st.sampled_from([-1.0, 0.0, 2.0]))
            target = draw(st.sampled_from([
                Target(source=source), Target(source=source, metric=metric),
                Target(fingerprint=fingerprint_of(source, metric)), Target(source="*"),
            ]))  # fmt: skip
            log.append(
                Command(
                    f"c{number}",
                    at(minute + ahead),
                    "ann",
                    what_they_do,
                    target,
                    at(minute + 10),
                    "noise",
                )
            )
        else:
            log.append(RunBegan(at(minute), f"run{number}"))
    return log


def _alert(
    draw: st.DrawFn,
    open_alerts: dict[tuple[str, str], str],
    source: str,
    metric: str,
    minute: float,
    number: int,
) -> AlertEvent:
    key = (source, metric)
    labels = {"site": "x1"} if source in ("s0", "s3") else {}
    if source in ("s0", "s2"):  # the second policy states another edge of s0
        labels["depends_on"] = "s3"
    severity, score = draw(
        st.sampled_from([("WARNING", 0.71), ("WARNING", 0.8), ("CRITICAL", 1.0)])
    )
    kind = "opened"
    if key in open_alerts:
        kind = draw(st.sampled_from(["updated", "resolved", "resolved"]))
    name = open_alerts.pop(key, f"a{number}")
    if kind != "resolved":
        open_alerts[key] = name
    made = event(kind, minute, name, source=source, metric=metric, severity=severity,
                 score=score, labels=labels,
                 detector="no_data" if metric == "m1" else "rule")  # fmt: skip
    return msgspec.structs.replace(made, id=f"t{number}")  # ids are unique behind the log


def _run(
    policy: Policy, log: list[Entry], cuts: set[int] | None = None
) -> tuple[State, list[Effect]]:
    engine, state, effects = Engine(policy), State(), []
    for number, entry in enumerate(log):
        if cuts and number in cuts:
            engine, state = Engine(policy), load(dump(state))
        effects += engine.apply(state, entry)
    return state, effects


@given(log=logs(), policy=st.sampled_from(POLICIES), cuts=st.sets(st.integers(0, 40)))
@settings(max_examples=60, deadline=None)
def test_the_same_log_gives_the_same_bytes_at_any_cut(
    log: list[Entry], policy: Policy, cuts: set[int]
) -> None:
    whole, effects = _run(policy, log)
    again, after_restarts = _run(policy, log, cuts)
    assert msgspec.json.encode(effects) == msgspec.json.encode(after_restarts)
    assert dump(whole) == dump(again)


@given(log=logs(), policy=st.sampled_from(POLICIES))
@settings(max_examples=60, deadline=None)
def test_every_transition_has_one_outcome_on_every_route_and_none_is_left_in_the_end(
    log: list[Entry], policy: Policy
) -> None:
    end = Tick(at(100_000))
    state, effects = _run(policy, [*log, end])
    transitions = [one for one in log if isinstance(one, AlertEvent)]
    seen = Counter((one.transition, one.route) for one in effects if isinstance(one, Outcome))
    assert all(count == 1 for count in seen.values())
    pending = sum(
        len(told.pending) for one in state.incidents.values() for told in one.told.values()
    )
    for route in policy.by_name:
        counted = sum(state.counts.get(route, {}).values())
        waiting = sum(
            len(one.told[route].pending) for one in state.incidents.values() if route in one.told
        )
        assert counted + waiting == len(transitions)
    assert pending == 0


@given(log=logs(), policy=st.sampled_from(POLICIES))
@settings(max_examples=40, deadline=None)
def test_the_residue_is_0_after_every_entry(log: list[Entry], policy: Policy) -> None:
    engine, state = Engine(policy), State()
    for entry in log:
        engine.apply(state, entry)
        assert set(residues(state, policy.by_name).values()) <= {0}


def test_a_transition_that_got_lost_would_show_as_residue() -> None:
    state, _ = _run(POLICIES[0], [event("opened", 0)])
    (name, *_) = POLICIES[0].by_name
    state.counts[name].popitem()
    assert residues(state, [name])[name] != 0


@given(
    log=logs(), policy=st.sampled_from(POLICIES), minutes=st.lists(st.floats(0, 200), max_size=5)
)
@settings(max_examples=60, deadline=None)
def test_ticks_between_entries_change_nothing(
    log: list[Entry], policy: Policy, minutes: list[float]
) -> None:
    """So a log that is built again from the topics alone gives the same decisions."""
    ordered = [one for one in log if not isinstance(one, Tick | Command)]
    ticks = [Tick(at(minute)) for minute in sorted(minutes)]
    merged = sorted([*ordered, *ticks], key=lambda one: one.time)  # stable: ticks come last
    end = Tick(at(100_000))
    assert _run(policy, [*ordered, end])[1] == _run(policy, [*merged, end])[1]


@given(log=logs(), policy=st.sampled_from(POLICIES))
@settings(max_examples=60, deadline=None)
def test_an_incident_that_was_sent_is_sent_its_end_and_nothing_is_remembered_for_ever(
    log: list[Entry], policy: Policy
) -> None:
    ended = [_end_of(one) for one in _still_open(log)]
    state, effects = _run(policy, [*log, *ended, Tick(at(100_000))])
    assert not state.incidents
    assert not state.alerts
    assert not state.keys
    assert not state.series
    assert not state.timers
    kinds = Counter(one.kind for one in effects if isinstance(one, Handed))
    assert kinds["worse"] <= sum(isinstance(one, AlertEvent) for one in log)


def _still_open(log: list[Entry]) -> list[AlertEvent]:
    found: dict[str, AlertEvent] = {}
    for one in log:
        if isinstance(one, AlertEvent):
            if one.kind == "resolved":
                found.pop(one.alert, None)
            else:
                found[one.alert] = one
    return list(found.values())


def _end_of(one: AlertEvent) -> AlertEvent:
    return event("resolved", 1000, one.alert, source=one.source_id, metric=one.metric_name)


def test_reasons_of_outcomes_are_those_of_the_closed_list() -> None:
    policy = POLICIES[1]
    assert {reason.value for reason in Reason} >= set(
        _run(policy, [event("opened", 0)])[0].counts["rest"]
    )


def test_what_a_second_lost_run_ends_does_not_depend_on_ticks_between() -> None:
    log: list[Entry] = [
        event("opened", 0), RunBegan(at(1), "second"), RunBegan(at(30), "third"),
        event("updated", 31), event("updated", 60),
    ]  # fmt: skip
    ticked = [*log[:2], Tick(at(20)), *log[2:]]
    assert _run(policy_of(), log)[1] == _run(policy_of(), ticked)[1]
