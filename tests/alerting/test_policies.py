"""Policies of any kind, that contradict themselves too: the laws hold over all of them."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.alerting.compiled import Policy
from padit.alerting.effects import Effect, Handed
from padit.alerting.engine import Engine
from padit.alerting.entries import AlertEvent, Entry, Tick
from padit.alerting.policy import AlertingConfig
from padit.alerting.preview import compare, preview
from padit.alerting.report import residues
from padit.alerting.state import State, dump, load
from tests.alerting.making import at, event
from tests.alerting.test_laws import logs

_ZONES = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe"]
_TIMES = [f"2026-03-01T{hour:02d}:{minute:02d}:00Z" for hour in (7, 8, 9) for minute in (0, 20, 40)]
_SPANS = ["00:00-24:00", "06:00-09:00", "08:10-08:20", "22:00-08:05"]
_matches = st.fixed_dictionaries(
    {},
    optional={
        "source": st.sampled_from(["*", "s0", "s[12]", ["s3", "s1"]]),
        "metric": st.sampled_from(["m0", "m1", "m*"]),
        "severity": st.sampled_from(["INFO", "WARNING", "CRITICAL"]),
        "labels": st.sampled_from([{}, {"site": "x*"}, {"line": "*"}]),
    },
)
_lengths = st.sampled_from(["0s", "30s", "3m", "20m"])


@st.composite
def _routes(draw: st.DrawFn, depth: int = 1) -> list[dict[str, Any]]:
    found = []
    for _ in range(draw(st.integers(1, 3))):
        route: dict[str, Any] = {
            "match": draw(_matches), "receiver": draw(st.sampled_from("rq")),
            "go_on": draw(st.booleans()), "resolved": draw(st.booleans()),
            "min_duration": draw(_lengths), "cool_down": draw(_lengths), "settle": draw(_lengths),
        }  # fmt: skip
        if draw(st.booleans()):
            route["hours"] = draw(st.sampled_from(["a", "b"]))
        if draw(st.booleans()):
            route["rate"] = {"messages": draw(st.integers(1, 2)), "per": "15m"}
        if depth and draw(st.booleans()):
            route["routes"] = draw(_routes(depth=depth - 1))
        found.append(route)
    return found


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Routes that fight for alerts, silences and hours that overlap, circles of inhibitions."""
    routes = draw(_routes())
    _name(routes, "r")
    silences = []
    for number in range(draw(st.integers(0, 3))):
        start, end = sorted(draw(st.lists(st.sampled_from(_TIMES), min_size=2, max_size=2,
                                          unique=True)))  # fmt: skip
        match = draw(_matches) | {"source": draw(st.sampled_from(["*", "s1"]))}
        silences.append({"id": f"s{number}", "match": match, "start": start, "end": end})
    inhibit = [
        {"name": f"i{number}", "cause": draw(_matches), "effect": draw(_matches),
         "same": draw(st.sampled_from([[], ["source"], ["site"]]))}
        for number in range(draw(st.integers(0, 3)))
    ]  # fmt: skip
    hours = {name: {"hours": draw(st.lists(st.sampled_from(_SPANS), min_size=1, max_size=2)),
                    "timezone": draw(st.sampled_from(_ZONES))} for name in "ab"}  # fmt: skip
    return Policy(AlertingConfig.model_validate({
        "receivers": {"r": {"kind": "webhook"}, "q": {"kind": "webhook"}}, "routes": routes,
        "silences": silences, "inhibit": inhibit, "hours": hours,
        "incidents": draw(st.sampled_from([
            {}, {"share": ["site"], "window": "8m"}, {"depends_on": {"s0": ["s1"], "s1": ["s0"]}},
        ])),
        "flapping": {"changes": 3, "within": "20m", "quiet": "5m"},
        "acknowledged_for": draw(_lengths), "min_score": draw(st.sampled_from([0.0, 0.75])),
    }))  # fmt: skip


def _name(routes: list[dict[str, Any]], above: str) -> None:
    for number, route in enumerate(routes):
        route["name"] = f"{above}{number}"
        _name(route.get("routes", []), route["name"])


@given(log=logs(), policy=policies(), cuts=st.sets(st.integers(0, 40), max_size=5))
@settings(max_examples=150, deadline=None)
def test_over_any_policy_the_same_log_gives_the_same_bytes_at_any_cut_and_loses_nothing(
    log: list[Entry], policy: Policy, cuts: set[int]
) -> None:
    ended = [*log, *_ends(log), Tick(at(200_000))]
    engine, state, whole = Engine(policy), State(), list[Effect]()
    other, again, pieces = Engine(policy), State(), list[Effect]()
    for number, entry in enumerate(ended):
        whole += engine.apply(state, entry)
        assert set(residues(state, policy.by_name).values()) <= {0}
        if number in cuts:
            other, again = Engine(Policy(policy.config)), load(dump(again))
        pieces += other.apply(again, entry)
    assert msgspec.json.encode(whole) == msgspec.json.encode(pieces)
    assert dump(state) == dump(again)
    assert not state.alerts
    assert not state.incidents  # nothing is waited for any more, whatever the policy


@given(log=logs(), now=policies(), new=policies())
@settings(max_examples=60, deadline=None)
def test_over_any_two_policies_a_comparison_is_that_of_two_whole_runs(
    log: list[Entry], now: Policy, new: Policy
) -> None:
    whole = [preview(one.config, log, at(200_000)) for one in (now, new)]
    brief = [preview(one.config, log, at(200_000), brief=True) for one in (now, new)]
    assert compare(brief[0], brief[1], log) == compare(whole[0], whole[1], log)
    for one, other in zip(whole, brief, strict=True):
        assert dump(one.state) == dump(other.state)


@given(log=logs(), policy=policies())
@settings(max_examples=100, deadline=None)
def test_over_any_policy_a_route_is_told_an_end_only_after_a_beginning(
    log: list[Entry], policy: Policy
) -> None:
    effects = preview(policy.config, [*log, *_ends(log)], at(200_000)).effects
    begun: set[tuple[str, str]] = set()
    for one in effects:
        if not isinstance(one, Handed):
            continue
        views = (one.view,) if one.view is not None else one.others
        for view in views:
            if one.kind in ("resolved", "digest_over"):
                assert (one.route, view.id) in begun
            else:
                begun.add((one.route, view.id))


def _ends(log: list[Entry]) -> list[AlertEvent]:
    still: dict[str, AlertEvent] = {}
    for one in log:
        if isinstance(one, AlertEvent):
            still.pop(one.alert, None)
            if one.kind != "resolved":
                still[one.alert] = one
    return [event("resolved", 1000, one.alert, source=one.source_id, metric=one.metric_name)
            for one in still.values()]  # fmt: skip
