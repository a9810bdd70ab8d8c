"""Reminders of acknowledgements that ran out: what keeps an alert from a route keeps these, too."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.alerting.compiled import Policy
from padit.alerting.decide import gate
from padit.alerting.effects import Handed
from padit.alerting.engine import Engine
from padit.alerting.entries import Entry, Target
from padit.alerting.holding import REMINDER
from padit.alerting.reminding import nobodys
from padit.alerting.state import State, dump, load
from padit.alerting.step import Step
from tests.alerting import test_laws
from tests.alerting.making import SIMPLE, at, command, event, policy_of, run, sent, tick

_POWER = "inhibit: [{name: i, cause: {metric: power}, effect: {metric: torque_nm}}]\n"
_WORKS = """
silences:
  - {id: works, match: {source: "*"}, start: 2026-03-01T08:05:00Z, end: 2026-03-01T08:20:00Z}
"""
_HOURS = """
receivers: {ops: {kind: webhook, url: "http://127.0.0.1:1/"}}
hours: {day: {hours: ["07:00-08:05", "08:20-23:00"]}}
routes: [{name: all, receiver: ops, hours: day}]
"""
_RATE = """
receivers: {ops: {kind: webhook, url: "http://127.0.0.1:1/"}}
routes: [{name: all, receiver: ops, rate: {messages: 3, per: 20m}}]
"""
_TAKEN: list[Entry] = [event("opened", 0), command("acknowledge", 1, until=at(10)), tick(2)]


def _reminded(log: Sequence[Entry], text: str = SIMPLE) -> list[float]:
    return [at for _, kind, at in sent(run(log, policy_of(text))[1]) if kind == "reminder"]


@pytest.mark.parametrize(
    ("text", "keeps", "lets_go"),
    [
        (SIMPLE, command("silence", 5, until=at(20)), tick(20)),
        (SIMPLE, command("silence", 5, id="s"),
         command("unsilence", 20, note="s", target=Target())),
        (SIMPLE + _WORKS, tick(5), tick(20)),
        (SIMPLE + _POWER, event("opened", 5, "cause", metric="power", source="grid"),
         event("resolved", 20, "cause", metric="power", source="grid", opened=at(5))),
        (SIMPLE + _POWER, event("opened", 5, "cause", metric="power", source="grid"),
         command("resolve", 20, target=Target(source="grid"))),
        (_HOURS, tick(5), tick(20)),
    ],
)  # fmt: skip
def test_a_reminder_waits_until_a_silence_a_cause_or_hours_let_it_go_and_is_one_then(
    text: str, keeps: Entry, lets_go: Entry
) -> None:
    """Whoever silences for the night is not woken by what somebody acknowledged in the evening."""
    log: list[Entry] = [*_TAKEN, keeps, tick(10), tick(19), tick(20), lets_go]
    assert _reminded(log, text) == [20]
    assert _reminded([*log, tick(300)], text) == [20]
    assert _reminded([*_TAKEN, tick(300)]) == [10]


def test_a_reminder_that_waits_is_not_sent_where_somebody_has_it_again_or_it_is_over() -> None:
    log: list[Entry] = [*_TAKEN, command("silence", 5, until=at(20)), tick(12)]
    assert _reminded([*log, command("acknowledge", 12), tick(300)]) == []
    assert _reminded([*log, event("resolved", 15, opened=at(0)), tick(300)]) == []
    assert _reminded([*log, command("resolve", 12), tick(300)]) == []
    ended = [*log, event("resolved", 15, opened=at(0)), tick(15), event("opened", 15.5, "again")]
    assert _reminded([*ended, tick(300)]) == []  # what began again nobody had acknowledged


def test_a_silence_of_one_series_keeps_the_reminder_of_that_one_alone() -> None:
    rpm, torque = Target(metric="rpm"), Target(metric="torque_nm")
    log: list[Entry] = [
        event("opened", 0), event("opened", 1, "b", metric="rpm"), tick(2),
        command("silence", 2, target=rpm, until=at(20)),
    ]  # fmt: skip
    for target, minute in ((rpm, 20.0), (torque, 10.0)):
        taken = [*log, command("acknowledge", 2, target=target, until=at(10)), tick(300)]
        assert _reminded(taken) == [minute]


def test_a_rise_that_waited_beside_a_reminder_is_the_one_message_of_both() -> None:
    log: list[Entry] = [
        *_TAKEN, command("silence", 5, until=at(20)), tick(11),
        event("updated", 12, severity="CRITICAL", opened=at(0)), tick(300),
    ]  # fmt: skip
    kinds = [(kind, minute) for _, kind, minute in sent(run(log)[1])]
    assert kinds == [("opened", 0), ("acknowledged", 1), ("worse", 20)]


def test_a_rise_that_waits_longer_is_sent_after_the_reminder_of_another_series() -> None:
    long = command("silence", 5, id="l", target=Target(metric="rpm"), until=at(40))
    log: list[Entry] = [
        event("opened", 0), event("opened", 0, "b", metric="rpm"), tick(1),
        command("acknowledge", 1, until=at(10)), command("silence", 5, until=at(20)), long, tick(6),
        event("updated", 12, "b", metric="rpm", severity="CRITICAL", opened=at(0)), tick(300),
    ]  # fmt: skip
    kinds = [(kind, minute) for _, kind, minute in sent(run(log)[1])]
    assert kinds[2:] == [("reminder", 20), ("worse", 40)]


def test_reminders_beyond_the_rate_of_a_route_come_in_one_message() -> None:
    """Somebody acknowledged 50 incidents by one command, until the shift ends."""
    log: list[Entry] = [event("opened", n / 100, f"a{n}", source=f"s{n}") for n in range(50)]
    log += [
        tick(40), command("acknowledge", 40, target=Target(source="*"), until=at(120)), tick(119),
        event("opened", 119, "late", source="late"), tick(400),
    ]  # fmt: skip
    effects = run(log, policy_of(_RATE))[1]
    found = [one for one in effects if isinstance(one, Handed) and one.time >= at(119)]
    assert [one.kind for one in found] == ["opened", "reminder", "reminder", "digest"]
    assert len(found[-1].others) == 48
    assert not any(told.why for one in run(log, policy_of(_RATE))[0].incidents.values()
                   for told in one.told.values())  # fmt: skip


def test_a_reminder_alone_that_waited_for_room_is_one() -> None:
    log: list[Entry] = [
        event("opened", 0), command("acknowledge", 1, until=at(30)), tick(29),
        *(event("opened", 29 + n / 10, f"b{n}", source=f"s{n}") for n in range(3)), tick(400),
    ]  # fmt: skip
    found = sent(run(log, policy_of(_RATE))[1])
    assert found[-1] == ("all", "reminder", 49.0)


def test_what_became_steady_in_a_silence_is_told_to_be_open_when_that_ends() -> None:
    """The last that was told of it was that it comes and goes."""
    log: list[Entry] = []
    for n in range(4):
        log += [event("opened", n, f"a{n}"),
                event("resolved", n + 0.5, f"a{n}", opened=at(n))]  # fmt: skip
    log += [event("opened", 5, "last"), command("silence", 6, until=at(60))]
    flapping = SIMPLE + "flapping: {changes: 3, within: 20m, quiet: 5m}\n"
    found = [(kind, minute) for _, kind, minute in
             sent(run([*log, tick(200)], policy_of(flapping))[1])]  # fmt: skip
    assert found == [("opened", 0), ("flapping", 2), ("reminder", 60)]
    assert _reminded([*log, tick(7), command("acknowledge", 7), tick(200)], flapping) == []
    over = event("resolved", 30, "last", opened=at(5))
    assert _reminded([*log, over, tick(200)], flapping) == []


def test_to_acknowledge_what_a_digest_told_is_no_message_for_each_of_it() -> None:
    """Whoever acknowledged a storm had a channel full of it, and new pages waited behind that."""
    log: list[Entry] = [event("opened", n / 100, f"a{n}", source=f"s{n}") for n in range(50)]
    log += [tick(40), command("acknowledge", 40, target=Target(source="*")), tick(41)]
    kinds = [kind for _, kind, _ in sent(run(log, policy_of(_RATE))[1])]
    assert kinds == ["opened"] * 3 + ["digest"] + ["acknowledged"] * 3


@given(
    log=test_laws.logs(("acknowledge", "silence", "unsilence"), 4),
    policy=st.sampled_from(test_laws.POLICIES),
    cuts=st.sets(st.integers(0, 40)),
)
@settings(max_examples=80, deadline=None)
def test_a_reminder_that_waits_has_something_that_keeps_it_and_that_will_let_it_go(
    log: list[Entry], policy: Policy, cuts: set[int]
) -> None:
    engine, state = Engine(policy), State()
    for number, entry in enumerate(log):
        if number in cuts:
            state = load(dump(state))
        engine.apply(state, entry)
        for incident in state.incidents.values():
            for name, told in incident.told.items():
                if told.state != "told" or told.why != REMINDER:
                    continue
                route = policy.by_name[name]
                free = nobodys(Step(policy, state), incident, route)
                kept = [gate(policy, state, one.event, route, state.now) for one in free]
                assert told.due > state.now or not kept or any(kept)
