"""What the engine makes of alerts: who is sent what, when, and why not."""

from pathlib import Path

import pytest

from padit.alerting.effects import CommandResult, Handed, Reason
from padit.alerting.entries import Entry, RunBegan, Target
from tests.alerting.making import at, command, event, policy_of, reasons, run, sent, tick

ROUTE = """
receivers: {{ops: {{kind: webhook, url: "http://127.0.0.1:1/"}}}}
routes: [{{name: all, receiver: ops, {}}}]
"""


def test_an_alert_is_one_message_when_it_opens_and_one_when_it_is_over() -> None:
    _, effects = run([event("opened", 0), event("resolved", 10), tick(20)])
    assert sent(effects) == [("all", "opened", 0), ("all", "resolved", 11)]


def test_alerts_of_one_source_that_open_close_in_time_are_one_incident() -> None:
    state, effects = run(
        [
            event("opened", 0),
            event("opened", 1, "b", metric="rpm"),
            event("opened", 30, "c", metric="x"),
        ]
    )
    assert [kind for _, kind, _ in sent(effects)] == ["opened", "opened"]
    assert reasons(effects)["b-opened-" + str(at(1))] == "grouped"
    assert len(state.incidents) == 2


def test_alerts_of_different_sources_are_two_incidents_unless_they_share_a_label() -> None:
    two = [event("opened", 0, labels={"site": "x"}),
           event("opened", 1, "b", source="press-2", labels={"site": "x"})]  # fmt: skip
    assert len(run(two)[0].incidents) == 2
    shared = policy_of(ROUTE.format("") + "incidents: {share: [source, site]}")
    assert len(run(two, shared)[0].incidents) == 1


def test_what_the_job_calls_one_page_is_one_incident() -> None:
    pages = [event("opened", 0, page="p"), event("opened", 1, "b", source="press-2", page="p")]
    assert len(run(pages)[0].incidents) == 1


def test_a_source_joins_the_incident_of_what_it_depends_on_and_the_deepest_is_the_cause() -> None:
    policy = policy_of(ROUTE.format("") + "incidents: {depends_on: {shop: [database]}}")
    log: list[Entry] = [
        event("opened", 0, source="shop", metric="latency_ms", shift=40.0),
        event("opened", 1, "b", source="database", metric="latency_ms", shift=15.0),
        event("updated", 2, source="shop", metric="latency_ms", severity="CRITICAL", score=0.95),
    ]
    _, effects = run(log, policy)
    last = [one for one in effects if isinstance(one, Handed)][-1]
    assert last.kind == "worse"
    assert last.view is not None
    assert [cause[0] for cause in last.view.causes] == ["database", "shop"]
    assert last.view.decided


def test_sources_that_depend_on_one_and_fail_alike_are_one_incident_before_that_one_alerts() -> (
    None
):
    policy = policy_of(
        ROUTE.format("") + "incidents: {depends_on: {a: [switch], b: [switch], c: [other]}}"
    )
    log = [
        event("opened", number, name, source=name, metric="rtt_ms", shift=20.0)
        for number, name in enumerate(("b", "a", "c"))
    ]
    log.append(event("opened", 3, "d", source="b", metric="cpu_percent"))
    log.append(event("opened", 4, "e", source="switch", metric="loss", shift=90.0))
    log.append(event("opened", 4.5, "f", source="a", metric="torque_nm"))
    state, effects = run(log, policy)
    assert [kind for _, kind, _ in sent(effects)] == ["opened", "opened"]
    sources = [{one.event.source_id for one in incident.members.values()}
               for incident in state.incidents.values()]  # fmt: skip
    assert sources == [{"a", "b", "switch"}, {"c"}]


def test_a_rise_in_severity_is_sent_also_when_somebody_has_acknowledged() -> None:
    log: list[Entry] = [event("opened", 0), command("acknowledge", 1), tick(2),
           event("updated", 3, severity="CRITICAL", score=0.95)]  # fmt: skip
    _, effects = run(log)
    assert [kind for _, kind, _ in sent(effects)] == ["opened", "acknowledged", "worse"]


def test_an_acknowledged_incident_takes_further_alerts_quietly() -> None:
    log: list[Entry] = [
        event("opened", 0),
        command("acknowledge", 0),
        event("opened", 1, "b", metric="rpm"),
    ]
    _, effects = run(log)
    assert reasons(effects)[f"b-opened-{at(1)}"] == "acknowledged"


def test_an_acknowledgement_that_runs_out_is_one_reminder() -> None:
    policy = policy_of(ROUTE.format("") + "acknowledged_for: 10m")
    _, effects = run([event("opened", 0), command("acknowledge", 0), tick(30), tick(60)], policy)
    assert sent(effects)[-1] == ("all", "reminder", 10)
    assert len(sent(effects)) == 3


def test_a_reminder_is_that_of_the_acknowledgement_that_counts_and_a_renewed_one_has_its_own() -> (
    None
):
    log: list[Entry] = [
        event("opened", 0), command("acknowledge", 1, until=at(10)), command("unacknowledge", 5),
        command("acknowledge", 6, until=at(60)), tick(30), command("acknowledge", 40, until=at(50)),
        tick(70), command("acknowledge", 71, until=at(90)), tick(120),
    ]  # fmt: skip
    found = [(kind, minute) for _, kind, minute in sent(run(log)[1]) if kind != "acknowledged"]
    assert found == [("opened", 0), ("reminder", 60), ("reminder", 90)]


def test_an_alert_shorter_than_the_least_duration_is_not_sent() -> None:
    policy = policy_of(ROUTE.format("min_duration: 2m"))
    _, effects = run([event("opened", 0), event("resolved", 1), tick(9)], policy)
    assert sent(effects) == []
    assert set(reasons(effects).values()) == {"too_short"}


def test_an_alert_that_lasts_long_enough_is_sent_when_it_has() -> None:
    policy = policy_of(ROUTE.format("min_duration: 2m"))
    _, effects = run([event("opened", 0), tick(9)], policy)
    assert sent(effects) == [("all", "opened", 2)]
    assert set(reasons(effects).values()) == {"handed"}


def test_an_incident_that_begins_again_at_once_sends_neither_its_end_nor_a_new_beginning() -> None:
    log: list[Entry] = [
        event("opened", 0),
        event("resolved", 1),
        event("opened", 1.5, "b"),
        tick(9),
    ]
    _, effects = run(log)
    assert sent(effects) == [("all", "opened", 0)]
    assert reasons(effects) == {
        f"a-opened-{at(0)}": "handed",
        f"a-resolved-{at(1)}": "reopened",
        f"b-opened-{at(1.5)}": "grouped",
    }


def test_an_incident_that_begins_again_in_its_cool_down_waits_for_its_end() -> None:
    log: list[Entry] = [event("opened", 0), event("resolved", 1), event("opened", 4, "b"), tick(60)]
    _, effects = run(log)
    assert sent(effects) == [("all", "opened", 0), ("all", "resolved", 2), ("all", "opened", 11)]
    assert reasons(effects)[f"b-opened-{at(4)}"] == "cool_down"


def test_a_thousand_transitions_in_ten_minutes_are_at_most_three_messages() -> None:
    log: list[Entry] = []
    for i in range(500):
        log.append(event("opened", i / 50, f"a{i}"))
        log.append(event("resolved", i / 50 + 0.01, f"a{i}"))
    state, effects = run([*log, tick(120)])
    assert [kind for _, kind, _ in sent(effects)] == ["opened", "flapping", "resolved"]
    assert len(reasons(effects)) == 1000
    assert not state.incidents


def test_a_silence_mutes_by_event_time_and_what_goes_on_behind_it_is_sent() -> None:
    policy = policy_of(
        ROUTE.format("")
        + "silences: [{id: works, match: {source: 'press-*'}, start: 2026-03-01T07:00:00Z,"
        " end: 2026-03-01T08:30:00Z}]"
    )
    _, effects = run([event("opened", 0), tick(60)], policy)
    assert reasons(effects) == {f"a-opened-{at(0)}": "silenced"}
    assert sent(effects) == [("all", "opened", 30)]


def test_a_silence_by_command_ends_by_command() -> None:
    log: list[Entry] = [command("silence", 0, id="s", until=at(60)), event("opened", 1),
           command("unsilence", 2, note="s"), event("opened", 3, "b", metric="rpm")]  # fmt: skip
    _, effects = run(log)
    assert sent(effects) == [("all", "opened", 2)]
    assert reasons(effects) == {f"a-opened-{at(1)}": "silenced", f"b-opened-{at(3)}": "grouped"}


def test_a_cause_inhibits_its_effects_until_it_is_over() -> None:
    policy = policy_of(
        ROUTE.format("")
        + "inhibit: [{name: power, cause: {metric: power}, effect: {metric: rtt}, same: [site]}]"
    )
    log: list[Entry] = [
        event("opened", 0, "p", source="ups", metric="power", labels={"site": "x"}),
        event("opened", 1, "r", metric="rtt", labels={"site": "x"}),
        event("opened", 1, "q", source="far", metric="rtt", labels={"site": "y"}),
        event("resolved", 5, "p", source="ups", metric="power", labels={"site": "x"}),
    ]
    _, effects = run(log, policy)
    assert reasons(effects)[f"r-opened-{at(1)}"] == "inhibited"
    assert reasons(effects)[f"q-opened-{at(1)}"] == "handed"
    assert sent(effects)[-1] == ("all", "opened", 5)


def test_outside_its_hours_a_route_waits_for_the_next() -> None:
    policy = policy_of(
        ROUTE.format("hours: office")
        + "hours: {office: {days: [mon, tue], hours: ['08:00-17:00'], timezone: Europe/Berlin}}"
    )
    _, effects = run([event("opened", 0), tick(60 * 30)], policy)  # a Sunday
    assert reasons(effects) == {f"a-opened-{at(0)}": "outside_hours"}
    assert sent(effects) == [("all", "opened", 23 * 60)]  # Monday 07:00 UTC


def test_beyond_its_rate_a_route_gets_the_rest_in_one_message() -> None:
    policy = policy_of(ROUTE.format("rate: {messages: 2, per: 10m}"))
    log: list[Entry] = [event("opened", i / 10, f"a{i}", source=f"s{i}") for i in range(6)]
    _, effects = run([*log, tick(30)], policy)
    assert [kind for _, kind, _ in sent(effects)] == ["opened", "opened", "digest"]
    digest = [one for one in effects if isinstance(one, Handed)][-1]
    assert len(digest.others) == 4


def test_a_route_that_does_not_want_ends_gets_none() -> None:
    policy = policy_of(ROUTE.format("resolved: false"))
    _, effects = run([event("opened", 0), event("resolved", 5), tick(60)], policy)
    assert [kind for _, kind, _ in sent(effects)] == ["opened"]
    assert reasons(effects)[f"a-resolved-{at(5)}"] == "end_not_wanted"


def test_routes_are_tried_in_order_and_the_finest_takes_the_alert() -> None:
    policy = policy_of("""
receivers: {ops: {kind: webhook}, night: {kind: webhook}}
routes:
  - name: hall
    receiver: ops
    match: {source: "press-*"}
    go_on: true
    routes: [{name: critical, match: {severity: CRITICAL}, receiver: night}]
  - {name: all, receiver: ops}
  - {name: never, receiver: ops}
""")
    state, effects = run(
        [event("opened", 0), event("opened", 30, "b", metric="rpm", severity="CRITICAL")], policy
    )
    assert [(route, kind) for route, kind, _ in sent(effects)] == [
        ("hall", "opened"), ("all", "opened"), ("critical", "opened"), ("all", "opened"),
    ]  # fmt: skip
    assert state.counts["never"] == {"not_matched": 2}


def test_an_alert_that_no_route_takes_is_counted() -> None:
    policy = policy_of(ROUTE.format("match: {source: other}"))
    state, effects = run([event("opened", 0)], policy)
    assert reasons(effects, "") == {f"a-opened-{at(0)}": "no_route"}
    assert state.counts[""] == {"no_route": 1}


def test_the_end_of_one_alert_leaves_the_incident_open_while_others_are() -> None:
    log: list[Entry] = [
        event("opened", 0),
        event("opened", 1, "b", metric="rpm"),
        event("resolved", 2, "b", metric="rpm"),
    ]
    _, effects = run(log)
    assert reasons(effects)[f"b-resolved-{at(2)}"] == "still_open"


def test_an_end_beyond_the_rate_waits_for_room() -> None:
    policy = policy_of(ROUTE.format("rate: {messages: 1, per: 1h}"))
    _, effects = run([event("opened", 0), event("resolved", 2), tick(90)], policy)
    assert sent(effects) == [("all", "opened", 0), ("all", "resolved", 60)]
    assert reasons(effects)[f"a-resolved-{at(2)}"] == "handed"


def test_a_beginning_beyond_the_rate_is_counted_and_comes_with_others_later() -> None:
    policy = policy_of(ROUTE.format("rate: {messages: 1, per: 1h}"))
    others: list[Entry] = [event("opened", one, f"b{one}", source=f"press-{one}") for one in (2, 3)]
    _, effects = run([event("opened", 0), *others, tick(90)], policy)
    assert sent(effects) == [("all", "opened", 0), ("all", "digest", 60)]
    assert reasons(effects)[f"b2-opened-{at(2)}"] == "rate_limited"


def test_an_end_that_waits_for_room_is_dropped_when_it_begins_again() -> None:
    policy = policy_of(ROUTE.format("rate: {messages: 1, per: 1h}"))
    again = event("opened", 4, "b")
    _, effects = run([event("opened", 0), event("resolved", 2), again, tick(90)], policy)
    assert sent(effects) == [("all", "opened", 0)]
    assert reasons(effects)[f"a-resolved-{at(2)}"] == "reopened"


def test_a_cool_down_lasts_over_a_beginning_that_waited_for_it_in_vain() -> None:
    log: list[Entry] = [
        event("opened", 0), event("resolved", 1),
        event("opened", 3, "b"), event("resolved", 4, "b"),
        event("opened", 6, "c"), event("resolved", 7, "c"), tick(60),
    ]  # fmt: skip
    _, effects = run(log, policy_of(ROUTE.format("settle: 0s")))
    assert sent(effects) == [("all", "opened", 0), ("all", "resolved", 1)]


def test_a_low_score_is_not_sent() -> None:
    policy = policy_of(ROUTE.format("") + "min_score: 0.9")
    _, effects = run([event("opened", 0)], policy)
    assert set(reasons(effects).values()) == {"below_score"}


def test_resolving_by_hand_ends_an_incident_and_the_jobs_end_is_no_second_message() -> None:
    log: list[Entry] = [
        event("opened", 0),
        command("resolve", 5),
        tick(5),
        event("resolved", 9),
        tick(30),
    ]
    _, effects = run(log)
    assert sent(effects) == [("all", "opened", 0), ("all", "resolved", 5)]
    assert reasons(effects)[f"a-resolved-{at(9)}"] == "not_sent"


def test_a_command_from_the_future_waits_for_its_time() -> None:
    log: list[Entry] = [event("opened", 0), command("acknowledge", 10), tick(5), tick(11)]
    _, effects = run(log)
    results = [one.result for one in effects if isinstance(one, CommandResult)]
    assert results == ["held", "applied"]
    assert sent(effects)[-1] == ("all", "acknowledged", 10)


def test_a_command_is_obeyed_once_and_one_about_nothing_is_counted() -> None:
    log: list[Entry] = [event("opened", 0), command("acknowledge", 0, id="x"),
           command("resolve", 0, id="x"), command("resolve", 0, id="y", target=Target()),
           command("resolve", 0, id="z", target=Target(source="nobody"))]  # fmt: skip
    state, effects = run(log)
    results = [one.result for one in effects if isinstance(one, CommandResult)]
    assert results == ["applied", "duplicate", "no_target", "no_match"]
    assert state.unmatched == 2


def test_alerts_that_a_lost_run_left_open_are_closed_unless_they_come_again() -> None:
    log: list[Entry] = [
        event("opened", 0),
        event("opened", 0, "b", source="press-2"),
        RunBegan(at(10), "second"),
        event("opened", 11, "a2"),
        tick(30),
    ]
    state, effects = run(log)
    assert list(state.alerts) == ["a2"]
    ended = [one.view for one in effects if isinstance(one, Handed) and one.kind == "resolved"]
    assert [view.members[0].source_id for view in ended if view] == ["press-2"]


def test_the_end_of_an_alert_that_nobody_saw_open_is_counted_and_its_update_opens_it() -> None:
    _, effects = run([event("resolved", 0), event("updated", 1, "b", source="press-2")])
    assert reasons(effects) == {f"a-resolved-{at(0)}": "not_sent", f"b-updated-{at(1)}": "handed"}


def test_a_transition_that_comes_too_late_is_counted() -> None:
    state, _ = run([tick(10), event("opened", 5)])
    assert state.out_of_order == 1


@pytest.mark.parametrize("reason", sorted(set(Reason)))
def test_every_reason_is_reached_by_a_test(reason: Reason) -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert f'"{reason.value}"' in text


def test_a_second_end_that_a_route_takes_while_it_waits_loses_neither() -> None:
    """The end of an alert is as severe as its worst, which its opening was not."""
    policy = policy_of(
        """
receivers: {ops: {kind: webhook}}
routes: [{name: all, receiver: ops, match: {severity: CRITICAL}}]
"""
    )
    _, effects = run(
        [
            event("opened", 0, "a", severity="CRITICAL"),
            event("opened", 0, "b", metric="rpm"),
            event("resolved", 1, "a", severity="CRITICAL"),
            event("resolved", 1, "b", metric="rpm", severity="CRITICAL"),
            tick(10),
        ],
        policy,
    )
    assert sent(effects) == [("all", "opened", 0), ("all", "resolved", 2)]
    assert len(reasons(effects)) == 3
    assert set(reasons(effects).values()) == {"handed"}
