"""Many causes of many effects: each end looks at what it may let through, and not at all."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.alerting import people
from padit.alerting.compiled import Policy
from padit.alerting.decide import HELD_BACK
from padit.alerting.effects import Effect, Handed
from padit.alerting.engine import Engine
from padit.alerting.entries import Entry, RunBegan, Tick
from padit.alerting.holding import held
from padit.alerting.state import State, dump, load
from padit.alerting.step import Step
from tests.alerting import test_laws
from tests.alerting.making import SIMPLE, at, event, policy_of, run, sent, tick
from tests.alerting.test_many_commands import _counted

_SITES = policy_of(
    SIMPLE + "inhibit: [{name: i, cause: {metric: power}, effect: {metric: 'm*'}, same: [site]}]\n"
)
_CIRCLES = policy_of(
    SIMPLE
    + """
inhibit:
  - {name: i, cause: {metric: m0}, effect: {metric: m1}, same: [site]}
  - {name: j, cause: {metric: m1, severity: CRITICAL}, effect: {metric: m0}, same: [source]}
  - {name: k, cause: {source: s3}, effect: {source: "s[01]"}}
"""
)
_ONE_WAY = policy_of(
    SIMPLE + "inhibit: [{name: i, cause: {metric: m0, severity: CRITICAL}, effect: {metric: m1}, "
    "same: [site]}]\n"
)


def _alert(kind: str, minute: float, metric: str, n: int, sites: int) -> Entry:
    return event(kind, minute, f"{metric}-{n}", source=f"{metric}-{n}", metric=metric,
                 opened=at(0), labels={"site": f"s{n % sites}"})  # fmt: skip


def _lines(many: int, sites: int) -> tuple[int, list[Effect]]:
    """Lines that the ends of many causes run, with ten effects each, and what follows."""
    engine, state = Engine(_SITES), State()
    for n in range(many):
        engine.apply(state, _alert("opened", 0, "power", n, sites))
    for n in range(10 * many):
        engine.apply(state, _alert("opened", 1, "m1", n, sites))
    effects: list[Effect] = []
    with _counted() as lines:
        for n in range(many):
            effects += engine.apply(state, _alert("resolved", 5, "power", n, sites))
    assert not state.causes
    return lines.count, effects


@pytest.mark.parametrize("effects", [0, 1])
def test_the_ends_of_many_causes_that_inhibit_next_to_nothing_are_no_work_for_each_pair_of_them(
    effects: int,
) -> None:
    """Each end walked all that were still open: 4,000 of one site took 1 s."""

    def lines(many: int) -> int:
        engine, state = Engine(_SITES), State()
        for n in range(many):
            engine.apply(state, _alert("opened", 0, "power", n, 1))
        for n in range(effects):
            engine.apply(state, _alert("opened", 1, "m1", n, 1))
        with _counted() as found:
            for n in range(many):
                engine.apply(state, _alert("resolved", 5, "power", n, 1))
        return found.count

    assert lines(64) < 10 * lines(8)


def test_what_a_cause_has_let_through_is_no_more_looked_at() -> None:
    log = [_alert("opened", 0, "power", 0, 2), _alert("opened", 1, "m1", 0, 2)]
    state, _ = run([*log, _alert("resolved", 5, "power", 0, 2)], _SITES)
    assert state.incidents
    assert not state.inhibited


@pytest.mark.parametrize("sites", [1, 4])
def test_the_ends_of_many_causes_are_no_work_for_each_pair_of_cause_and_effect(sites: int) -> None:
    """When sites had power again, the ends of 400 causes of 4,000 effects took 45 s."""
    few, _ = _lines(8, sites)
    many, effects = _lines(64, sites)
    assert many < 14 * few
    opened = [one for one in effects if isinstance(one, Handed) and one.kind == "opened"]
    assert len(opened) == 640


@given(
    log=test_laws.logs(("resolve", "silence", "unsilence"), 5),
    policy=st.sampled_from([_CIRCLES, test_laws.POLICIES[1]]),
    cuts=st.sets(st.integers(0, 40)),
)
@settings(max_examples=150, deadline=None)
def test_to_look_at_less_when_a_cause_ends_sends_the_same(
    log: list[Entry], policy: Policy, cuts: set[int]
) -> None:
    end: list[Entry] = [Tick(at(100_000))]
    some = _effects([*log, *end], policy, cuts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(people, "_may_be_free", lambda step, one, *_: one in step.state.incidents)
        patch.setattr(people, "_among", lambda state, *_: list(state.inhibited))
        all_ = _effects([*log, *end], policy, set())
    # What waits may give another of several reasons; what goes free at once, another order.
    assert sorted(sent(some)) == sorted(sent(all_))


def _effects(log: list[Entry], policy: Policy, cuts: set[int]) -> list[Effect]:
    engine, state, effects = Engine(policy), State(), list[Effect]()
    for number, entry in enumerate(log):
        if number in cuts:
            state = load(dump(state))
        effects += engine.apply(state, entry)
    return effects


def _saved_by_9(state: State) -> bytes:
    """Causes stood under the name of their rule alone."""
    before = load(dump(state))
    before.version = 9
    causes: dict[str, dict[str, int]] = {}
    for key, filed in before.causes.items():
        causes.setdefault(key.split("\0")[0], {}).update(filed)
    before.causes = causes
    return dump(before)


def test_a_state_of_before_causes_stood_by_what_they_share_is_read_and_goes_on() -> None:
    opened: list[Entry] = [_alert("opened", 0, "power", n, 2) for n in range(3)]
    opened += [_alert("opened", 1, "m1", n, 2) for n in range(4)]
    later: list[Entry] = [
        _alert("opened", 2, "m2", 0, 2), _alert("resolved", 3, "power", 0, 2),
        _alert("opened", 4, "m2", 1, 2), _alert("resolved", 5, "power", 1, 2),
        _alert("resolved", 6, "power", 2, 2), tick(60),
    ]  # fmt: skip
    state = run(opened, _SITES)[0]
    read = load(_saved_by_9(state))
    assert read.causes != state.causes
    for entry in later:
        found = [Engine(_SITES).apply(one, entry) for one in (state, read)]
        assert found[0] == found[1]
    assert dump(read) == dump(state)


@pytest.mark.parametrize(("same", "before"), [(", same: [site]", 0), ("", 1)])
def test_a_cause_of_such_a_state_that_is_none_any_more_is_forgotten_at_its_end(
    same: str, before: int
) -> None:
    """It stayed under the name of its rule, and the next effect asked for an alert that is over."""
    policy = policy_of(SIMPLE + "inhibit: [{name: i, cause: {labels: {role: db}}, "
                       f"effect: {{metric: 'm*'}}{same}}}]\n")  # fmt: skip
    site = {"site": "s0"}
    opened = event("opened", 0, "c", source="grid", metric="up", labels=site | {"role": "db"})
    other = site | {"role": "web"}
    later: list[Entry] = [
        event("updated", 1, "c", source="grid", metric="up", opened=at(0), labels=other),
        event("resolved", 2, "c", source="grid", metric="up", opened=at(0), labels=other),
        _alert("opened", 3, "m1", 0, 1), tick(60),
    ]  # fmt: skip
    state = run([opened, *later[:before]], policy)[0]
    read = load(_saved_by_9(state))
    read.causes = {"i": {"c": at(0)}}  # that code left it there, whatever its labels became
    for entry in later[before:]:
        found = [Engine(policy).apply(one, entry) for one in (state, read)]
        assert found[0] == found[1]
    assert dump(read) == dump(state)


def test_a_cause_whose_labels_change_inhibits_where_it_is_now() -> None:
    moved = event("updated", 2, "cause", source="grid", metric="power", opened=at(0),
                  labels={"site": "s1"})  # fmt: skip
    log: list[Entry] = [
        event("opened", 0, "cause", source="grid", metric="power", labels={"site": "s0"}), moved,
        _alert("opened", 3, "m1", 0, 2), _alert("opened", 3, "m1", 1, 2), tick(4),
        event("resolved", 5, "cause", source="grid", metric="power", opened=at(0),
              labels={"site": "s1"}), RunBegan(at(6), "next"),
    ]  # fmt: skip
    state, effects = run(log, _SITES)
    opened = [minute for _, kind, minute in sent(effects) if kind == "opened"]
    assert opened == [0.0, 3.0, 5.0]
    assert not state.causes


_ACT = st.tuples(
    st.integers(0, 3), st.sampled_from(["x", "y"]), st.sampled_from(["WARNING", "CRITICAL"]),
    st.sampled_from(["goes on"] * 4 + ["is lost", "ends"]),
)  # fmt: skip


def _moving(acts: list[tuple[int, str, Any, str]]) -> Iterator[Entry]:
    """Two series that may be causes and two that may be effects; each alert may be anywhere."""
    open_alerts: dict[int, str] = {}
    for number, (series, site, severity, then) in enumerate(acts):
        if then == "is lost":
            open_alerts.pop(series, None)
        kind = "updated" if series in open_alerts else "opened"
        if kind == "updated" and then == "ends":
            kind = "resolved"
        name = open_alerts.setdefault(series, f"a{number}")
        if kind == "resolved":
            del open_alerts[series]
        yield event(kind, number, name, source=f"s{series}", metric=f"m{series // 2}",
                    severity=severity, labels={"site": site})  # fmt: skip


@given(acts=st.lists(_ACT, min_size=5, max_size=12), policy=st.sampled_from([_CIRCLES, _ONE_WAY]))
@settings(max_examples=200, deadline=None)
def test_what_waits_for_the_end_of_a_cause_has_one_however_labels_change(
    acts: list[tuple[int, str, Any, str]], policy: Policy
) -> None:
    engine, state = Engine(policy), State()
    for entry in _moving(acts):
        engine.apply(state, entry)
        step = Step(policy, load(dump(state)))  # a look notes for what an incident waits
        for incident in step.state.incidents.values():
            route, told = policy.by_name["all"], incident.told.get("all")
            if told and told.state == "waiting" and told.why in HELD_BACK and incident.firing:
                assert held(step, incident, route, state.now) is not None


def _opened(log: list[Entry], policy: Policy) -> list[float]:
    return [minute for _, kind, minute in sent(run(log, policy)[1]) if kind == "opened"]


@pytest.mark.parametrize("ends", [True, False])
def test_a_cause_whose_labels_change_frees_what_it_inhibited(ends: bool) -> None:
    """Its key of before was left without a look, and its end freed those of the new one alone."""
    moved = {"opened": at(0), "labels": {"site": "s1"}}
    log: list[Entry] = [
        event("opened", 0, "cause", source="grid", metric="power", labels={"site": "s0"}),
        _alert("opened", 1, "m1", 0, 2), _alert("opened", 1, "m1", 1, 1),
        event("updated", 2, "cause", source="grid", metric="power", **moved),
    ]  # fmt: skip
    if ends:
        log.append(event("resolved", 5, "cause", source="grid", metric="power", **moved))
    assert _opened([*log, tick(2000)], _SITES) == [0.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("severity", "begins"), [("WARNING", [0.0, 3.0]), ("CRITICAL", [0.0, 5.0])]
)
def test_a_lost_cause_that_a_lesser_alert_of_its_series_replaces_frees_what_it_inhibited(
    severity: str, begins: list[float]
) -> None:
    policy = policy_of(SIMPLE + "inhibit: [{name: i, cause: {severity: CRITICAL}, "
                       "effect: {metric: m1}}]\n")  # fmt: skip
    log: list[Entry] = [
        event("opened", 0, "lost", source="grid", severity="CRITICAL"),
        _alert("opened", 1, "m1", 0, 1), RunBegan(at(2), "next"),
        event("opened", 3, "again", source="grid", severity=severity), tick(4),
        event("resolved", 5, "again", source="grid", severity=severity, opened=at(3)), tick(60),
    ]  # fmt: skip
    assert _opened(log, policy) == begins


def test_of_a_circle_one_goes_free_though_another_cause_stands_beside_the_one_that_ended() -> None:
    site = {"site": "x"}
    log: list[Entry] = [
        event("opened", 0, "a", source="s3", metric="m0", labels=site),
        event("opened", 1, "e", source="s0", metric="m1", labels=site, severity="CRITICAL"),
        event("opened", 2, "b", source="s0", metric="m0", labels=site), tick(2.5),
        event("resolved", 3, "a", source="s3", metric="m0", labels=site, opened=at(0)),
    ]  # fmt: skip
    opened = [minute for _, kind, minute in sent(run(log, _CIRCLES)[1]) if kind == "opened"]
    assert opened == [0.0, 3.0]


def test_a_cause_that_is_less_severe_at_its_end_frees_its_effects_all_the_same() -> None:
    """What it was when it was worst has inhibited them, and nothing else would look at them."""
    policy = policy_of(SIMPLE + "inhibit: [{name: i, cause: {severity: CRITICAL}, "
                       "effect: {metric: m1}}]\n")  # fmt: skip
    log: list[Entry] = [
        event("opened", 0, "cause", source="grid", severity="CRITICAL"),
        _alert("opened", 1, "m1", 0, 1),
        event("resolved", 5, "cause", source="grid", severity="WARNING", opened=at(0)), tick(60),
    ]  # fmt: skip
    assert ("all", "opened", 5.0) in sent(run(log, policy)[1])
