"""Edges that labels of alerts state: who joins whom by them, who does not, and what is said."""

import doctest
from typing import Any

import msgspec
import pytest

from padit.alerting import sharing
from padit.alerting.effects import Effect, Handed, View
from padit.alerting.entries import AlertEvent, Entry
from padit.alerting.notifiers.base import lines_of
from padit.alerting.state import State, dump, load
from tests.alerting.making import event, policy_of, run

CONFIG = """
receivers: {{ops: {{kind: webhook, url: "http://127.0.0.1:1/"}}}}
routes: [{{name: all, receiver: ops}}]
incidents: {{{}}}
"""


def behind(target: str, minutes: float, source: str, **others: Any) -> AlertEvent:
    """An alert of a source that its adapter says to depend on another."""
    labels = {"depends_on": target} if target else {}
    return event("opened", minutes, f"{source} {minutes}", source=source, labels=labels, **others)


def groups(state: State) -> list[set[str]]:
    """Sources of each incident, in the order they began."""
    return [
        {member.event.source_id for member in one.members.values()}
        for one in state.incidents.values()
    ]


def last_view(effects: list[Effect]) -> View:
    """Of the latest message."""
    view = [one for one in effects if isinstance(one, Handed)][-1].view
    assert view is not None
    return view


def test_the_examples_work() -> None:
    assert doctest.testmod(sharing) == (0, 2)


@pytest.mark.parametrize("first", ["unit-1", "gateway"])
def test_a_source_and_what_its_label_names_are_one_incident_whichever_comes_first(
    first: str,
) -> None:
    log = [behind("gateway", 0, "unit-1"), behind("", 0, "gateway", metric="loss")]
    if first == "gateway":
        log.reverse()
    state, _ = run(log)
    assert groups(state) == [{"unit-1", "gateway"}]
    assert state.edges == {"joined": 1}


def test_a_label_that_everybody_shares_merges_nobody_and_that_is_counted() -> None:
    log = [behind("cluster", number / 10, f"shop-{number}") for number in range(40)]
    state, _ = run(log)
    assert len(state.incidents) == 40
    assert state.edges == {"apart": 39}


def test_sources_that_are_silent_behind_one_gateway_are_one_incident_whatever_they_measure() -> (
    None
):
    log = [
        behind("gateway", 0, "unit-1", metric="torque_nm", detector="no_data"),
        behind("gateway", 1, "unit-2", metric="rpm", detector="no_data"),
        behind("gateway", 1, "unit-3", metric="rpm", detector="novelty"),
        behind("other", 1, "unit-4", metric="rpm", detector="no_data"),
    ]
    state, _ = run(log)
    assert groups(state) == [{"unit-1", "unit-2"}, {"unit-3"}, {"unit-4"}]
    assert state.edges == {"joined": 1, "apart": 1}


def test_an_edge_of_a_label_holds_for_the_window_after_the_first_alert_only() -> None:
    log = [behind("", 0, "gateway"), behind("gateway", 4, "a"), behind("gateway", 6, "b")]
    assert groups(run(log)[0]) == [{"gateway", "a"}, {"b"}]
    edges = "depends_on: {a: [gateway], b: [gateway]}"
    assert groups(run(log, policy_of(CONFIG.format(edges)))[0]) == [{"gateway", "a", "b"}]


@pytest.mark.parametrize("setting", ["edge_labels: []", "depends_on: {unit-1: []}",
                                     "depends_on: {unit-1: [elsewhere]}"])  # fmt: skip
def test_the_configuration_switches_edges_of_labels_off_or_overrides_them(setting: str) -> None:
    log = [behind("gateway", 0, "unit-1"), behind("", 0, "gateway")]
    state, effects = run(log, policy_of(CONFIG.format(setting)))
    assert len(state.incidents) == 2
    assert state.edges == {}
    assert last_view(effects).edges == ()


def test_other_labels_may_be_edges_if_the_configuration_names_them() -> None:
    pods = [
        event("opened", 0, "a", source="shop", labels={"node": "n-1"}),
        event("opened", 0, "b", source="n-1", metric="cpu"),
    ]
    assert len(run(pods)[0].incidents) == 2
    named = policy_of(CONFIG.format("edge_labels: [depends_on, node]"))
    assert len(run(pods, named)[0].incidents) == 1


def test_where_sources_are_not_shared_an_edge_still_finds_its_target_and_nothing_else() -> None:
    log: list[Entry] = [
        behind("", 0, "gateway", metric="loss"),
        behind("gateway", 1, "unit-1"),
        behind("gateway", 1, "unit-1", metric="rpm"),
        event("opened", 9, "x", source="unit-2", metric="a"),
        event("opened", 9, "y", source="unit-2", metric="b"),
    ]
    state, _ = run(log, policy_of(CONFIG.format("share: [site]")))
    assert groups(state) == [{"gateway", "unit-1"}, {"unit-2"}, {"unit-2"}]


def test_the_deepest_is_the_cause_and_the_message_says_from_where_the_edge_is_known() -> None:
    log = [
        behind("gateway", 0, "unit-1", metric="delay", shift=40.0),
        behind("gateway", 1, "unit-2", metric="delay", shift=30.0),
        behind("", 1, "gateway", metric="delay", shift=25.0, severity="CRITICAL"),
        behind("gateway", 2, "unit-2", metric="loss", shift=30.0, severity="CRITICAL"),
    ]
    log[1] = behind("gateway", 1.5, "unit-2", metric="delay", shift=30.0)
    log.sort(key=lambda one: one.time)
    state, effects = run(log)
    assert groups(state) == [{"gateway", "unit-1", "unit-2"}]
    message = [one for one in effects if isinstance(one, Handed)][-1]
    view = last_view(effects)
    assert view.causes[0][0] == "gateway"
    lines = lines_of(message)
    assert any("unit-1 depends on gateway (known from the adapter)" in one for one in lines)


def test_a_message_of_hundreds_of_edges_stays_short() -> None:
    log = [behind("", 0, "gateway", metric="loss")]
    log += [behind("gateway", 0.5, f"unit-{number:03}") for number in range(300)]
    log.append(event("updated", 1, log[0].alert, source="gateway", metric="loss",
                     severity="CRITICAL", score=1.0))  # fmt: skip
    state, effects = run(log)
    assert len(state.incidents) == 1
    message = [one for one in effects if isinstance(one, Handed)][-1]
    said = [one for one in lines_of(message) if "known from the adapter" in one]
    assert said == [
        "unit-000, unit-001, unit-002 and 297 more depend on gateway (known from the adapter)"
    ]
    assert [(name, len(some), count) for name, some, count in last_view(effects).edges] == [
        ("gateway", 10, 300)
    ]


def test_a_source_that_names_itself_or_nothing_has_no_edge() -> None:
    log = [behind("a", 0, "a"), behind("", 0, "b")]
    log.append(event("opened", 0, "c", source="c", labels={"depends_on": ""}))
    state, effects = run(log)
    assert len(state.incidents) == 3
    assert state.edges == {}
    assert last_view(effects).edges == ()


def test_a_state_that_was_saved_before_edges_were_counted_is_read() -> None:
    state, _ = run([behind("gateway", 0, "unit-1")])
    saved = dump(state)
    older = msgspec.msgpack.encode(msgspec.msgpack.decode(saved)[:-2])
    assert (load(older).edges, load(older).shared) == ({}, {})
    assert load(saved) == state
