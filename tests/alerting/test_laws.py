"""Laws of the engine, over generated logs and policies."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.alerting import decide, holding, people, routing
from padit.alerting.compiled import Policy
from padit.alerting.effects import CommandResult, Effect, Feedback, Handed, Outcome, Reason
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
from padit.alerting.matching import RANK
from padit.alerting.report import residues
from padit.alerting.state import State, dump, load
from padit.alerting.step import Step
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

_Kind = Literal["acknowledge", "unacknowledge", "resolve", "silence", "unsilence", "feedback"]
_KINDS: list[_Kind] = [
    "acknowledge", "unacknowledge", "resolve", "silence", "unsilence", "feedback",
]  # fmt: skip


@st.composite
def logs(
    draw: st.DrawFn,
    kinds: Sequence[_Kind] = _KINDS,
    people: int = 8,
    sources: Sequence[str] = ("s0", "s1", "s2", "s3"),
) -> list[Entry]:
    """Logs of alerts that open, rise and resolve, with commands, ticks and runs between.

    Args:
        draw: of the strategy.
        kinds: what people do.
        people: from 1 to 8; the less, the more of the entries are commands.
        sources: of the alerts.
    """
    log: list[Entry] = []
    open_alerts: dict[tuple[str, str], str] = {}
    minute = 0.0
    for number in range(draw(st.integers(0, 40))):
        minute += draw(st.sampled_from([0.0, 0.1, 0.5, 1.0, 3.0, 20.0]))
        source = draw(st.sampled_from(sources))
        metric = draw(st.sampled_from(["m0", "m1"]))
        what = draw(st.integers(0, 9))
        if what < min(people, 7):
            log.append(_alert(draw, open_alerts, source, metric, minute, number))
        elif what == 7:
            log.append(Tick(at(minute)))
        elif what == 8 or people <= what < 7:
            log.append(_command(draw, kinds, log, source, metric, minute))
        else:
            log.append(RunBegan(at(minute), f"run{number}"))
    return log


def _command(
    draw: st.DrawFn,
    kinds: Sequence[_Kind],
    log: list[Entry],
    source: str,
    metric: str,
    minute: float,
) -> Command:
    silences = [one.id for one in log if isinstance(one, Command) and one.kind == "silence"]
    kind = draw(st.sampled_from([one for one in kinds if silences or one != "unsilence"]))
    target = draw(st.sampled_from([
        Target(source=source), Target(source=source, metric=metric),
        Target(fingerprint=fingerprint_of(source, metric)), Target(source="*"),
    ]))  # fmt: skip
    return Command(
        f"c{len(log)}-{minute}",
        at(minute + draw(st.sampled_from([-1.0, 0.0, 2.0]))),
        "ann",
        kind,
        target,
        draw(st.sampled_from([0, at(minute + 10)])),
        draw(st.sampled_from(silences)) if kind == "unsilence" else "noise",
    )


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


def _after_each(log: list[Entry], policy: Policy) -> Iterator[State]:
    """The state after each entry; the same object, which goes on."""
    engine, state = Engine(policy), State()
    for entry in log:
        engine.apply(state, entry)
        yield state


@given(log=logs(), policy=st.sampled_from(POLICIES))
@settings(max_examples=40, deadline=None)
def test_the_residue_is_0_after_every_entry(log: list[Entry], policy: Policy) -> None:
    for state in _after_each(log, policy):
        assert set(residues(state, policy.by_name).values()) <= {0}


@given(log=logs(("silence", "unsilence"), 4), policy=st.sampled_from(POLICIES))
@settings(max_examples=80, deadline=None)
def test_what_waits_on_a_route_is_kept_from_it_by_something_that_holds_now(
    log: list[Entry], policy: Policy
) -> None:
    """Else nothing would ever look at it again."""
    for state in _after_each(log, policy):
        step = Step(policy, state)
        for incident in state.incidents.values():
            for name in routing.held_back(incident):
                told = incident.told[name]
                if told.state == "waiting" and policy.firing_on(incident, policy.by_name[name]):
                    assert holding.held(step, incident, policy.by_name[name], state.now) is not None


@given(log=logs(("silence", "unsilence", "resolve"), 5, ("s1",)), policy=st.sampled_from(POLICIES))
@settings(max_examples=80, deadline=None)
def test_an_open_alert_that_nothing_keeps_from_a_route_was_sent_there_as_severe_as_it_is(
    log: list[Entry], policy: Policy
) -> None:
    """Or its incident waits for time alone."""
    for state in _after_each(log, policy):
        for incident in state.incidents.values():
            for route in policy.by_name.values():
                for one in policy.open_on(incident, route):
                    if decide.gate(policy, state, one.event, route, state.now) is None:
                        told = incident.told[route.name]
                        assert told.state in ("told", "closing", "waiting")
                        assert (
                            told.state != "told" or RANK[one.event.severity] <= RANK[told.severity]
                        )


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


@given(log=logs(), policy=st.sampled_from(POLICIES))
@settings(max_examples=100, deadline=None)
def test_the_last_that_a_route_is_told_of_an_incident_is_that_it_is_over(
    log: list[Entry], policy: Policy
) -> None:
    """Else a page stays open for ever."""
    ended = [_end_of(one) for one in _still_open(log)]
    _, effects = _run(policy, [*log, *ended, Tick(at(100_000))])
    last: dict[tuple[str, str], str] = {}
    for one in effects:
        if isinstance(one, Handed):
            views = (*one.others, *(() if one.view is None else (one.view,)))
            last.update(((one.route, view.id), one.kind) for view in views)
    assert set(last.values()) <= {"resolved", "digest_over"}


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


@given(
    log=logs(),
    policy=st.sampled_from(POLICIES),
    most=st.integers(1, 3),
    cuts=st.sets(st.integers(0, 80)),
)
@settings(max_examples=60, deadline=None)
def test_a_command_in_parts_does_what_it_does_at_once_whatever_comes_between(
    log: list[Entry], policy: Policy, most: int, cuts: set[int]
) -> None:
    """A part is a tick that lets no time pass; what comes next finds all of the command done."""
    end = Tick(at(100_000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(people, "MOST", 10**9)
        whole, effects = _run(policy, [*log, end])
        patch.setattr(people, "MOST", most)
        engine, state, in_parts = Engine(policy), State(), list[Effect]()
        for number, entry in enumerate([*log, end]):
            in_parts += engine.apply(state, entry)
            if state.rest is not None and number in cuts:  # else what comes next does it
                engine, state = Engine(policy), load(dump(state))
                in_parts += engine.apply(state, Tick(state.now, most))
    assert dump(state) == dump(whole)
    assert _without_results(in_parts) == _without_results(effects)
    assert _verdicts(in_parts) == _verdicts(effects)


def _without_results(effects: list[Effect]) -> list[Effect]:
    """A command's own result comes with its first part; verdicts are written a part at a time."""
    return [one for one in effects if not isinstance(one, CommandResult | Feedback)]


def _verdicts(effects: list[Effect]) -> list[tuple[str, str]]:
    found = [(one.command, alert) for one in effects if isinstance(one, Feedback)
             for alert in one.alerts]  # fmt: skip
    return found + [(one.id, one.result) for one in effects if isinstance(one, CommandResult)]
