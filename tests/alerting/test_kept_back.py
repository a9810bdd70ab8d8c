"""What a silence, a cause or hours kept from a route is sent, as it is, when that ends."""

from typing import Any

import pytest

from padit.alerting.entries import Entry, RunBegan, Target
from tests.alerting.making import SIMPLE, at, command, event, policy_of, reasons, run, sent, tick

_ROUTE = """
receivers: {{ops: {{kind: webhook, url: "http://127.0.0.1:1/"}}}}
routes: [{{name: all, receiver: ops, {}}}]
"""


def test_the_end_of_a_cause_by_hand_lets_through_what_it_inhibited() -> None:
    """As its end by the data does; what the same command ends is not sent first."""
    policy = policy_of(
        SIMPLE + "inhibit: [{name: i, cause: {metric: power}, effect: {metric: 'm*'}}]\n"
    )
    log: list[Entry] = [
        event("opened", 0, "cause", metric="power"),
        event("opened", 1, "effect", source="press-2", metric="m1"),
        event("opened", 1, "both", source="press-3", metric="m2"),
    ]
    one = command("resolve", 2, target=Target(source="press-1"))
    assert ("all", "opened", 2.0) in sent(run([*log, tick(2), one], policy)[1])
    both = command("resolve", 2, target=Target(source="press-[13]"))
    found = sent(run([*log, tick(2), both], policy)[1])
    assert [kind for _, kind, _ in found] == ["opened", "resolved", "opened"]


@pytest.mark.parametrize("until", [0, at(60)])
def test_what_a_silence_kept_back_is_sent_when_somebody_ends_it(until: int) -> None:
    log: list[Entry] = [
        command("silence", 0, id="s", until=until),
        event("opened", 10),
        event("opened", 15, "other", source="press-2"),
        command("unsilence", 20, note="s", target=Target()),
    ]
    state, effects = run([*log, tick(100)])
    assert sent(effects) == [("all", "opened", 15.0), ("all", "opened", 20.0)]
    assert not state.timers


def test_a_cause_that_ends_lets_its_effect_through_beside_what_a_silence_keeps_back() -> None:
    policy = policy_of(
        SIMPLE + "inhibit: [{name: i, cause: {metric: power}, effect: {metric: m1}}]\n"
    )
    log: list[Entry] = [
        command("silence", 0, id="s", target=Target(metric="m2")),
        event("opened", 0, "cause", metric="power", source="grid"),
        event("opened", 1, "effect", metric="m1"),
        event("opened", 1, "silenced", metric="m2"),
        event("resolved", 5, "cause", metric="power", source="grid", opened=at(0)),
    ]
    assert ("all", "opened", 5.0) in sent(run(log, policy)[1])


@pytest.mark.parametrize("end", [command("resolve", 5), event("resolved", 5, opened=at(10))])
def test_an_alert_never_ends_before_it_opened_whatever_clock_says_so(end: Entry) -> None:
    state, effects = run([event("opened", 10), tick(11), end, tick(20)])
    (incident,) = state.incidents.values()
    assert [one.closed for one in incident.members.values()] == [at(10)]
    kinds = [kind for _, kind, _ in sent(effects)]
    assert kinds == ["opened", "resolved"]


_POWER = "inhibit: [{name: i, cause: {metric: power}, effect: {metric: torque_nm}}]\n"


@pytest.mark.parametrize(
    ("keeps", "ends"),
    [
        (command("silence", 3, id="s", until=at(8)), tick(9)),
        (command("silence", 3, id="s"), command("unsilence", 8, note="s", target=Target())),
        (event("opened", 3, "cause", metric="power", source="grid"),
         event("resolved", 8, "cause", metric="power", source="grid", opened=at(3))),
        (event("opened", 3, "cause", metric="power", source="grid"),
         command("resolve", 8, target=Target(source="grid"))),
    ],
)  # fmt: skip
def test_a_rise_in_severity_that_was_kept_back_is_sent_when_that_ends(
    keeps: Entry, ends: Entry
) -> None:
    """Nobody heard that what began before a maintenance had become critical in it."""
    rise = event("updated", 5, severity="CRITICAL", opened=at(1))
    log: list[Entry] = [event("opened", 1), tick(4), keeps, rise, tick(8), ends, tick(30)]
    found = sent(run(log, policy_of(SIMPLE + _POWER))[1])
    assert ("all", "worse", 8.0) in found
    assert [kind for _, kind, _ in found].count("worse") == 1
    eased = [*log[:4], event("resolved", 6, opened=at(1)), *log[4:]]
    assert "worse" not in [kind for _, kind, _ in sent(run(eased, policy_of(SIMPLE + _POWER))[1])]


def test_what_waited_for_something_else_still_has_to_last_and_to_cool_down() -> None:
    route = _ROUTE.format("min_duration: 5m, cool_down: 20m")
    policy = policy_of(route + "incidents: {window: 15m}\n")
    log: list[Entry] = [command("silence", 0, id="s", until=at(11)), event("opened", 10)]
    assert sent(run([*log, tick(30)], policy)[1]) == [("all", "opened", 15.0)]
    short = [*log, event("resolved", 12, opened=at(10)), tick(30)]
    assert sent(run(short, policy)[1]) == []
    again: list[Entry] = [
        event("opened", 0), event("resolved", 10, opened=at(0)), tick(12),
        command("silence", 12, id="s", until=at(20)), event("opened", 13, "b"), tick(60),
    ]  # fmt: skip
    assert sent(run(again, policy)[1]) == [
        ("all", "opened", 5.0), ("all", "resolved", 11.0), ("all", "opened", 30.0),
    ]  # fmt: skip


def test_an_alert_that_becomes_severe_enough_for_a_cause_inhibits_from_then_on() -> None:
    policy = policy_of(SIMPLE + "inhibit: [{name: i, cause: {metric: power, severity: CRITICAL}, "
                       "effect: {metric: torque_nm}}]\n")  # fmt: skip
    log: list[Entry] = [
        event("opened", 0, "cause", metric="power", source="grid"),
        event("updated", 1, "cause", metric="power", source="grid", severity="CRITICAL",
              opened=at(0)),
        event("opened", 2),
    ]  # fmt: skip
    _, effects = run(log, policy)
    assert reasons(effects)[f"a-opened-{at(2)}"] == "inhibited"


def test_what_comes_and_goes_and_was_ended_by_hand_is_sent_again_when_it_opens_and_stays() -> None:
    policy = policy_of(SIMPLE + "flapping: {changes: 3, within: 20m, quiet: 5m}\n")
    log: list[Entry] = []
    for n in range(3):
        log += [event("opened", n, f"a{n}"),
                event("resolved", n + 0.5, f"a{n}", opened=at(n))]  # fmt: skip
    log += [event("opened", 3, "a3"), command("resolve", 3), event("opened", 3.5, "a4"), tick(90)]
    kinds = [kind for _, kind, _ in sent(run(log, policy)[1])]
    assert kinds == ["opened", "flapping", "resolved", "opened"]


def _silence(metric: str, end: float, name: str) -> Entry:
    return command("silence", 0, id=name, until=at(end), target=Target(metric=metric))


def test_of_two_silenced_alerts_the_one_whose_silence_ends_first_is_sent_then() -> None:
    """The second that joined moved the next look behind the end of its own, longer silence."""
    log: list[Entry] = [
        _silence("m1", 30, "s1"), _silence("m2", 60, "s2"),
        event("opened", 10, "a", metric="m1"), event("opened", 11, "b", metric="m2"), tick(100),
    ]  # fmt: skip
    assert sent(run(log)[1]) == [("all", "opened", 30.0)]


def test_a_cause_that_took_over_from_a_silence_lets_its_effect_through_beside_another() -> None:
    policy = policy_of(
        SIMPLE + "inhibit: [{name: i, cause: {metric: power}, effect: {metric: m1}}]\n"
    )
    log: list[Entry] = [
        _silence("m1", 30, "s1"), _silence("m2", 60, "s2"),
        event("opened", 10, "b", metric="m2"), event("opened", 10.1, "a", metric="m1"),
        event("opened", 20, "cause", metric="power", source="grid"), tick(31),
        event("resolved", 40, "cause", metric="power", source="grid", opened=at(20)), tick(100),
    ]  # fmt: skip
    assert [one for one in sent(run(log, policy)[1]) if one[1] == "opened"] == [
        ("all", "opened", 20.0), ("all", "opened", 40.0),
    ]  # fmt: skip


def test_what_comes_and_goes_in_a_silence_is_not_told_as_such_until_that_ends() -> None:
    policy = policy_of(SIMPLE + "flapping: {changes: 3, within: 20m, quiet: 5m}\n")
    log: list[Entry] = [
        event("opened", 0), tick(1), command("silence", 1, id="s", until=at(60)),
        event("resolved", 1.5, opened=at(0)),
    ]  # fmt: skip
    for n in range(2, 8):
        log += [event("opened", n, f"a{n}"),
                event("resolved", n + 0.5, f"a{n}", opened=at(n))]  # fmt: skip
    over = sent(run([*log, tick(100)], policy)[1])
    assert over == [("all", "opened", 0.0), ("all", "resolved", 12.5)]
    open_still = sent(run([*log, event("opened", 8, "last"), tick(100)], policy)[1])
    assert open_still == [("all", "opened", 0.0), ("all", "reminder", 60.0)]


def test_an_alert_beside_one_that_a_silence_keeps_waits_for_the_cool_down_too() -> None:
    policy = policy_of(_ROUTE.format("cool_down: 20m") + "incidents: {window: 15m}\n")
    log: list[Entry] = [
        event("opened", 0), event("resolved", 10, opened=at(0)), tick(12),
        _silence("torque_nm", 20, "s"), event("opened", 13, "b"),
    ]  # fmt: skip
    again = [*log, event("opened", 14, "c", metric="other"), tick(60)]
    assert sent(run(again, policy)[1])[2:] == [("all", "opened", 30.0)]
    worse = [*log, event("opened", 14, "c", metric="other", severity="CRITICAL"), tick(60)]
    assert sent(run(worse, policy)[1])[2:] == [("all", "opened", 14.0)]


def test_what_a_silence_let_go_has_to_last_also_where_the_route_is_full_just_then() -> None:
    policy = policy_of(_ROUTE.format("rate: {messages: 1, per: 20m}, min_duration: 5m"))
    log: list[Entry] = [
        event("opened", -10, "z", source="p0"), event("opened", 0, "y", source="p1"),
        _silence("torque_nm", 14, "s"), event("opened", 13.5, "b"),
    ]  # fmt: skip
    short = [*log, event("resolved", 16, "b", opened=at(13.5)), tick(34)]
    assert sent(run(short, policy)[1])[1:] == [("all", "opened", 15.0)]


def test_a_digest_leaves_out_what_is_silenced_by_the_time_there_is_room() -> None:
    policy = policy_of(_ROUTE.format("rate: {messages: 1, per: 20m}"))
    log: list[Entry] = [
        event("opened", 0), event("opened", 5, "b", source="p2"),
        event("opened", 6, "c", source="p3"),
        command("silence", 10, id="s", until=at(60), target=Target(source="p3")), tick(100),
    ]  # fmt: skip
    assert sent(run(log, policy)[1]) == [
        ("all", "opened", 0.0), ("all", "opened", 20.0), ("all", "opened", 60.0),
    ]  # fmt: skip


_TWO_ROUTES = """
receivers: {r: {kind: webhook}, q: {kind: webhook}}
routes:
  - {name: critical, receiver: q, match: {severity: CRITICAL}, go_on: true}
  - {name: rest, receiver: r}
"""


@pytest.mark.parametrize(
    ("end", "minute"),
    [
        ([command("resolve", 3, target=Target(metric="torque_nm"))], 3.0),
        ([RunBegan(at(2), "next"), event("opened", 3, "b2", metric="other"), tick(30)], 7.0),
        ([RunBegan(at(2), "next"), event("opened", 3, "a2")], 3.0),
    ],
)
def test_a_route_is_sent_the_end_of_all_it_took_also_where_the_incident_goes_on_elsewhere(
    end: list[Entry], minute: float
) -> None:
    """By hand, or with a lost run: the page of a critical alert stayed open for ever."""
    log: list[Entry] = [
        event("opened", 0, severity="CRITICAL"), event("opened", 1, "b", metric="other"), *end,
    ]  # fmt: skip
    found = sent(run([*log, tick(200)], policy_of(_TWO_ROUTES))[1])
    assert [one for one in found if one[0] == "critical"] == [
        ("critical", "opened", 0.0), ("critical", "resolved", minute),
    ]  # fmt: skip


_BY_LABEL = """
receivers: {r: {kind: webhook}, q: {kind: webhook}}
routes:
  - {name: site, receiver: q, match: {labels: {site: a}}}
  - {name: critical, receiver: q, match: {severity: CRITICAL}, go_on: true}
  - {name: rest, receiver: r}
"""


@pytest.mark.parametrize(
    ("opened", "later", "route"),
    [
        ({"labels": {"site": "a"}}, {}, "site"),
        ({"labels": {"site": "a"}}, {"labels": {"site": "b"}}, "site"),
        ({"severity": "CRITICAL"}, {}, "critical"),
    ],
)
def test_a_route_is_sent_the_end_of_an_alert_that_it_would_not_take_as_it_is_then(
    opened: dict[str, Any], later: dict[str, Any], route: str
) -> None:
    """Its labels changed while it was open, and the page stayed open for ever."""
    begin, end = event("opened", 0, **opened), event("resolved", 5, opened=at(0), **later)
    update = event("updated", 2, opened=at(0), **later)
    for between in ([], [update]):
        state, effects = run([begin, *between, end, tick(200)], policy_of(_BY_LABEL))
        mine = [one for one in sent(effects) if one[0] == route]
        assert mine == [(route, "opened", 0.0), (route, "resolved", 6.0)]
        assert not state.incidents
    silence = command("silence", 0, id="s", until=at(60))
    assert sent(run([silence, begin, end, tick(200)], policy_of(_BY_LABEL))[1]) == []


def test_what_was_never_sent_and_is_ended_by_hand_leaves_no_cool_down() -> None:
    log: list[Entry] = [
        command("silence", 0, id="s", until=at(5)), event("opened", 1), command("resolve", 4),
        event("opened", 6, "b"), tick(30),
    ]  # fmt: skip
    assert sent(run(log)[1]) == [("all", "opened", 6.0)]


def test_an_alert_that_becomes_severe_enough_to_close_a_circle_frees_one_of_it() -> None:
    policy = policy_of(
        SIMPLE
        + """
min_score: 0.5
inhibit:
  - {name: i, cause: {metric: m0}, effect: {metric: m1}}
  - {name: j, cause: {metric: m1, severity: CRITICAL}, effect: {metric: m0}, same: [source]}
"""
    )
    log: list[Entry] = [
        event("opened", 0, "before", metric="m0", source="s0", score=0.1),
        event("opened", 1, "b", metric="m1", source="s2"),
        event("opened", 2, "c", metric="m1", source="s0", severity="CRITICAL"),
        event("opened", 2, "d", metric="m0", source="s2", score=0.1),
        event("resolved", 4, "before", metric="m0", source="s0", opened=at(0), score=0.1),
        event("opened", 5, "e", metric="m0", source="s0", score=0.1),
        tick(7),
    ]
    assert sent(run(log, policy)[1]) == []
    rise = event("updated", 8, "b", metric="m1", source="s2", severity="CRITICAL", opened=at(1))
    assert sent(run([*log, rise], policy)[1]) == [("all", "opened", 8.0), ("all", "opened", 8.0)]
