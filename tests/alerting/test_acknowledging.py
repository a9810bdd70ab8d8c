"""Who has a series of an incident, or all of it, and what that changes in messages and reasons."""

from collections.abc import Sequence

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from padit.alerting.effects import CommandResult, Effect, Handed, Outcome
from padit.alerting.engine import Engine
from padit.alerting.entries import Command, Entry, Target, fingerprint_of
from padit.alerting.notifiers.base import lines_of
from padit.alerting.sentences import Told
from padit.alerting.state import State, Taken, dump, load
from tests.alerting.making import at, command, event, policy_of, reasons, run, sent, tick

TWO = [event("opened", 0), event("opened", 1, "b", metric="rpm")]
TORQUE = Target(fingerprint=fingerprint_of("press-1", "torque_nm"))
RPM = Target(source="press-1", metric="rpm")
ROUTES = """
receivers: {r: {kind: webhook}}
routes:
  - {name: torque, receiver: r, match: {metric: torque_nm}, go_on: true}
  - {name: all, receiver: r}
"""


def _kinds(log: list[Entry]) -> list[str]:
    return [kind for _, kind, _ in sent(run(log)[1])]


def test_who_takes_one_series_of_an_incident_takes_not_the_others() -> None:
    log: list[Entry] = [
        *TWO, command("acknowledge", 2, target=TORQUE), event("updated", 3),
        event("updated", 4, "b", metric="rpm"), event("opened", 5, "c", metric="temp"),
    ]  # fmt: skip
    state, effects = run(log)
    assert [kind for _, kind, _ in sent(effects)] == ["opened"]
    found = reasons(effects)
    assert found[f"a-updated-{at(3)}"] == "acknowledged"
    assert found[f"b-updated-{at(4)}"] == "grouped"
    assert found[f"c-opened-{at(5)}"] == "grouped"
    (incident,) = state.incidents.values()
    assert not incident.acknowledged_by
    assert [one.taken for one in incident.members.values()] == [
        Taken("ann", at(2), 0, "acknowledge-2", 1), None, None,
    ]  # fmt: skip


def test_a_rise_in_severity_of_a_series_that_somebody_has_is_sent() -> None:
    log: list[Entry] = [
        *TWO, command("acknowledge", 2, target=TORQUE), event("updated", 3, severity="CRITICAL"),
    ]  # fmt: skip
    assert _kinds(log) == ["opened", "worse"]


def test_an_incident_is_taken_as_a_whole_when_the_last_of_its_series_is() -> None:
    log: list[Entry] = [
        *TWO, command("acknowledge", 2, target=TORQUE),
        command("acknowledge", 3, target=RPM, by="bob"), event("opened", 4, "c", metric="temp"),
    ]  # fmt: skip
    state, effects = run(log)
    assert sent(effects)[1:] == [("all", "acknowledged", 3)]
    assert reasons(effects)[f"c-opened-{at(4)}"] == "acknowledged"
    (incident,) = state.incidents.values()
    assert (incident.acknowledged_by, incident.acknowledged_at) == ("ann, bob", at(3))


def test_a_route_hears_that_somebody_has_all_it_knows_of_though_the_incident_goes_on() -> None:
    log: list[Entry] = [
        *TWO, command("acknowledge", 2, target=TORQUE), tick(2),
        command("acknowledge", 3, target=RPM), tick(3),
    ]  # fmt: skip
    policy = policy_of(ROUTES)
    assert sent(run(log[:4], policy)[1])[2:] == [("torque", "acknowledged", 2)]
    assert sent(run(log, policy)[1])[2:] == [
        ("torque", "acknowledged", 2),
        ("all", "acknowledged", 3),
    ]


def test_a_second_acknowledgement_of_a_series_stands_behind_the_first_until_it_ends() -> None:
    log: list[Entry] = [
        *TWO, command("acknowledge", 2, target=TORQUE),
        command("acknowledge", 3, target=TORQUE, by="bob", until=at(9)), tick(8), tick(30),
    ]  # fmt: skip
    held = [
        Taken("ann", at(2), 0, "acknowledge-2", 1),
        Taken("bob", at(3), at(9), "acknowledge-3", 2),
    ]
    for entries, holders in ((log[:-1], held), (log, held[:1])):
        state, effects = run(entries)
        assert len(sent(effects)) == 1
        (incident,) = state.incidents.values()
        assert next(iter(incident.members.values())).holders == holders


def test_the_acknowledgement_of_a_series_that_runs_out_is_one_reminder_on_its_routes() -> None:
    log: list[Entry] = [
        *TWO, command("acknowledge", 2, target=RPM, until=at(10)), tick(30), tick(60),
    ]  # fmt: skip
    effects = run(log, policy_of(ROUTES))[1]
    assert sent(effects)[2:] == [("all", "reminder", 10)]  # `torque` knows nothing of the speed
    again = [*log, command("acknowledge", 70, target=RPM, until=at(90)), tick(120)]
    assert sent(run(again, policy_of(ROUTES))[1])[3:] == [("all", "reminder", 90)]


def test_a_series_that_ended_or_was_given_back_reminds_nobody() -> None:
    taken: list[Entry] = [*TWO, command("acknowledge", 2, target=RPM, until=at(10))]
    over = [*taken, event("resolved", 3, "b", metric="rpm"), event("opened", 4, "b2", metric="rpm")]
    back = [*taken, command("unacknowledge", 3, target=RPM)]
    for log in (over, back):
        assert _kinds([*log, tick(30)]) == ["opened"]
        (incident,) = run(log)[0].incidents.values()
        assert not any(one.taken for one in incident.members.values())


def test_the_whole_lasts_as_long_as_the_first_of_its_series_is_taken() -> None:
    log: list[Entry] = [
        *TWO, command("acknowledge", 2, target=TORQUE, until=at(10)),
        command("acknowledge", 3, target=RPM, until=at(60)), tick(90),
    ]  # fmt: skip
    assert sent(run(log)[1])[1:] == [("all", "acknowledged", 3), ("all", "reminder", 10)]


def test_who_gives_one_series_back_keeps_the_others_and_their_end() -> None:
    log: list[Entry] = [
        *TWO, command("acknowledge", 2, until=at(20)), command("unacknowledge", 3, target=RPM),
        event("updated", 4), event("updated", 5, "b", metric="rpm"), tick(30),
    ]  # fmt: skip
    state, effects = run(log)
    assert sent(effects)[1:] == [("all", "acknowledged", 2), ("all", "reminder", 20)]
    found = reasons(effects)
    assert found[f"a-updated-{at(4)}"] == "acknowledged"
    assert found[f"b-updated-{at(5)}"] == "grouped"
    (incident,) = state.incidents.values()
    assert not incident.acknowledged_by


def test_of_a_whole_that_has_run_out_a_series_may_be_taken_again_alone() -> None:
    log: list[Entry] = [
        *TWO, command("acknowledge", 2, until=at(10)), tick(20),
        command("acknowledge", 21, target=RPM), event("updated", 22),
        event("updated", 23, "b", metric="rpm"),
    ]  # fmt: skip
    found = reasons(run(log)[1])
    assert found[f"a-updated-{at(22)}"] == "grouped"
    assert found[f"b-updated-{at(23)}"] == "acknowledged"


def test_an_end_by_hand_of_what_nobody_has_leaves_the_rest_taken_but_not_what_comes() -> None:
    log: list[Entry] = [
        *TWO, command("acknowledge", 2, target=TORQUE), command("resolve", 3, target=RPM),
        event("opened", 4, "c", metric="temp"),
    ]  # fmt: skip
    assert reasons(run(log)[1])[f"c-opened-{at(4)}"] == "grouped"


def test_the_whole_is_taken_though_the_series_that_nobody_had_has_ended() -> None:
    log: list[Entry] = [
        *TWO, command("acknowledge", 2, target=TORQUE, until=at(60)),
        event("resolved", 3, "b", metric="rpm"),
        command("acknowledge", 4, by="bob", until=at(50)),
        command("acknowledge", 5, by="bob", until=at(60)), event("opened", 6, "c", metric="temp"),
        tick(30),
    ]  # fmt: skip
    state, effects = run(log)
    (incident,) = state.incidents.values()
    assert (incident.acknowledged_by, incident.acknowledged_at) == ("ann, bob", at(4))
    assert sent(effects)[1:] == [("all", "acknowledged", 4)]
    assert reasons(effects)[f"c-opened-{at(6)}"] == "acknowledged"
    assert sent(run([*log, tick(90)])[1])[2:] == [("all", "reminder", 60)]


def test_a_message_says_who_has_what_and_for_how_long() -> None:
    log: list[Entry] = [
        *TWO, command("acknowledge", 2, target=TORQUE),
        event("updated", 45, "b", metric="rpm", severity="CRITICAL"),
        command("acknowledge", 50), event("updated", 80, severity="CRITICAL"),
        event("resolved", 81), event("resolved", 82, "b", metric="rpm"), tick(90),
    ]  # fmt: skip
    shown = {one.kind: "\n".join(lines_of(one)) for one in run(log)[1] if isinstance(one, Handed)}
    assert "acknowledged" not in shown["opened"]
    assert "torque_nm of press-1 (acknowledged by ann 43 min ago)" in shown["worse"]
    assert shown["worse"].count("acknowledged") == 1
    assert "\nacknowledged by ann" in shown["acknowledged"]
    assert "ago" not in shown["acknowledged"]
    assert "acknowledged" not in shown["resolved"]


def test_why_not_names_who_has_the_series() -> None:
    log: list[Entry] = [*TWO, command("acknowledge", 2, target=TORQUE), event("updated", 3)]
    effects = run(log)[1]
    line = Told(effects).line(_outcome(effects, f"a-updated-{at(3)}"))
    assert line == "all: acknowledged (ann): somebody has acknowledged it, or all of its incident"


def _outcome(effects: Sequence[Effect], transition: str) -> Outcome:
    (found,) = [one for one in effects
                if isinstance(one, Outcome) and one.transition == transition]  # fmt: skip
    return found


def _as_saved_before(state: State, version: int) -> bytes:
    """The bytes that an earlier version wrote: one holder; before 7 what had run out was marked."""
    fields = msgspec.msgpack.decode(dump(state))
    fields[0] = version
    for incident in fields[3].values():
        del incident[15:]
        incident[10] = incident[10][0][3] if incident[10] and version == 7 else ""
        if version < 7:
            incident[10] = False
        for member in incident[4].values():
            holders = member[5]
            del member[5:]
            if version == 7:
                member.append(holders[0][:4] if holders else None)
            if version == 6:
                member.append([*holders[0][:3], False] if holders else None)
    return bytes(msgspec.msgpack.encode(fields))


def test_a_state_saved_before_series_could_be_taken_is_read_and_goes_on() -> None:
    log: list[Entry] = [*TWO, command("acknowledge", 1, until=at(10))]
    read = load(_as_saved_before(run(log[:2])[0], 5))
    assert dump(read) == dump(run(log[:2])[0])
    read = load(_as_saved_before(run(log)[0], 6))
    (incident,) = read.incidents.values()
    assert (incident.acknowledged_by, incident.expires) == ("ann", at(10))
    held = [one.taken for one in incident.members.values()]
    assert held == [Taken("ann", at(1), at(10), order=1)] * 2


@given(st.lists(st.tuples(st.sampled_from(["ann", "bob"]), st.integers(1, 3)), max_size=4),
       st.booleans(), st.sampled_from([5, 6, 7]))  # fmt: skip
def test_a_state_of_one_holder_is_read_with_who_has_what_and_nothing_lost(
    acts: list[tuple[str, int]], joins: bool, version: int
) -> None:
    """What is done from then on comes to the same, where each series was taken by one person."""
    log: list[Entry] = [*TWO, tick(1.4)]
    free = 3
    for n, (by, which) in enumerate(acts):
        if which & free:
            target = [TORQUE, RPM, Target(source="press-1")][(which & free) - 1]
            log.append(command("acknowledge", 1.1 + n / 60, by=by, target=target, id=f"{n}"))
            free &= ~which
    log += [event("opened", 1.5, "c", metric="temp")] if joins else []
    before = run(log)[0]
    if version == 5 and free != 3:
        return  # it knew the whole only
    read = load(_as_saved_before(before, version))
    if version == 7:
        assert _holding(read) == _holding(before)
    (one,), (other,) = read.incidents.values(), before.incidents.values()
    assert (one.free, one.acknowledged_by) == (other.free, other.acknowledged_by)
    assert [m.taken and m.taken.by for m in one.members.values()] == [
        m.taken and m.taken.by for m in other.members.values()
    ]
    engine = Engine(policy_of())
    last = command("acknowledge", 1.5, by="dora", target=Target(source="press-1"), id="last")
    for state in (read, before):
        for entry in (tick(2), last, command("unacknowledge", 1.6, target=RPM, by="bob")):
            engine.apply(state, entry)
    assert [m.taken and m.taken.by for m in one.members.values()] == [
        m.taken and m.taken.by for m in other.members.values()
    ]
    assert (one.free, one.acknowledged_by) == (other.free, other.acknowledged_by)


def test_what_had_run_out_in_a_state_saved_before_is_nobodys_in_the_one_that_is_read() -> None:
    taken = run([*TWO, command("acknowledge", 1, target=TORQUE, until=at(10))])[0]
    fields = msgspec.msgpack.decode(_as_saved_before(taken, 6))
    (incident,) = fields[3].values()
    next(iter(incident[4].values()))[5][3] = True  # a member, and the whole below
    read = load(msgspec.msgpack.encode(fields))
    (found,) = read.incidents.values()
    assert [one.taken for one in found.members.values()] == [None, None]

    incident[8:12] = ["ann", at(1), True, at(10)]
    read = load(msgspec.msgpack.encode(fields))
    (found,) = read.incidents.values()
    assert (found.acknowledged_by, found.acknowledged_at, found.expires) == ("", 0, 0)
    assert found.told["all"].state == "told"


def test_what_has_run_out_is_nobodys_in_reasons_messages_and_the_state() -> None:
    for target in (Target(source="press-1"), TORQUE):
        log: list[Entry] = [
            *TWO, command("acknowledge", 2, target=target, until=at(10)), tick(20),
            event("updated", 21), event("updated", 22, severity="CRITICAL"),
        ]  # fmt: skip
        state, effects = run(log)
        assert reasons(effects)[f"a-updated-{at(21)}"] == "grouped"
        shown = {one.kind: "\n".join(lines_of(one)) for one in effects if isinstance(one, Handed)}
        assert "acknowledged" not in shown["reminder"]
        assert "acknowledged" not in shown["worse"]
        (incident,) = state.incidents.values()
        assert (incident.acknowledged_by, incident.acknowledged_at) == ("", 0)
        assert [one.taken for one in incident.members.values()] == [None, None]


def test_an_undo_gives_back_what_its_acknowledgement_took_and_leaves_what_others_hold() -> None:
    log: list[Entry] = [
        *TWO, tick(9), command("acknowledge", 2, target=TORQUE, id="ann's"),
        command("acknowledge", 3, by="bob", id="bob's"),
    ]  # fmt: skip
    (incident,) = run(log)[0].incidents.values()
    assert incident.acknowledged_by == "ann, bob"

    undone = [*log, command("unacknowledge", 4, by="bob", undoes="bob's")]
    state, effects = run(undone)
    (incident,) = state.incidents.values()
    assert incident.acknowledged_by == ""
    assert [one.taken for one in incident.members.values()] == [
        Taken("ann", at(2), 0, "ann's", 1), None,
    ]  # fmt: skip
    (result,) = [each for each in effects
                 if isinstance(each, CommandResult) and each.id == "unacknowledge-4"]  # fmt: skip
    assert result.alerts == ("a", "b")  # also what was ann's before

    first = [*log, command("unacknowledge", 4, undoes="ann's")]
    (incident,) = run(first)[0].incidents.values()
    assert [one.taken and one.taken.by for one in incident.members.values()] == ["bob", "bob"]
    assert (incident.acknowledged_by, incident.acknowledged_at) == ("bob", at(3))


def test_an_undo_that_comes_late_takes_nothing_from_who_has_it_by_now() -> None:
    log: list[Entry] = [
        *TWO, tick(9), command("acknowledge", 2, id="ann's"),
        command("unacknowledge", 3, by="bob"),
        command("acknowledge", 4, by="carl", target=TORQUE),
        command("unacknowledge", 5, undoes="ann's"),
    ]  # fmt: skip
    state, effects = run(log)
    (incident,) = state.incidents.values()
    assert [one.taken and one.taken.by for one in incident.members.values()] == ["carl", None]
    assert state.unmatched == 0
    assert effects[-1] == CommandResult("unacknowledge-5", "applied", at(5), ())


def test_an_undo_of_what_made_an_incident_somebodys_as_a_whole_leaves_its_parts() -> None:
    log: list[Entry] = [
        *TWO, command("acknowledge", 2, target=TORQUE), event("resolved", 3, "b", metric="rpm"),
        command("acknowledge", 4, by="bob", id="bob's"), event("opened", 5, "c", metric="temp"),
        command("unacknowledge", 6, by="bob", undoes="bob's"), event("updated", 7),
        event("updated", 8, "c", metric="temp"),
    ]  # fmt: skip
    found = reasons(run(log)[1])
    assert found[f"c-opened-{at(5)}"] == "acknowledged"
    assert found[f"a-updated-{at(7)}"] == "acknowledged"
    assert found[f"c-updated-{at(8)}"] == "grouped"


@given(st.lists(st.tuples(st.sampled_from(["ann", "bob"]), st.booleans(), st.booleans()),
                max_size=6))  # fmt: skip
def test_undoing_the_last_acknowledgement_leaves_all_as_it_was_before(
    acts: list[tuple[str, bool, bool]],
) -> None:
    log: list[Entry] = [*TWO, event("opened", 1.5, "c", metric="temp"), tick(30)]
    for at_, (by, torque, rpm) in enumerate(acts):
        target = Target(source="press-1") if torque and rpm else TORQUE if torque else RPM
        log.append(command("acknowledge", 2 + at_, by=by, target=target, id=f"{at_}"))
    if not acts:
        return
    last = log[-1]
    assert isinstance(last, Command)
    undo = command("unacknowledge", 20, by=last.by, target=last.target, undoes=last.id)
    assert _holding(run([*log, undo])[0]) == _holding(run(log[:-1])[0])


@given(st.lists(st.tuples(st.sampled_from(["ann", "bob", "carl"]), st.booleans(), st.booleans(),
                          st.sampled_from([0, 40, 50])), min_size=1, max_size=6),
       st.integers(0, 5), st.booleans(), st.sampled_from([30, 45, 60]))  # fmt: skip
def test_undoing_any_acknowledgement_leaves_all_as_if_it_had_never_been_given(
    acts: list[tuple[str, bool, bool, int]], which: int, joins: bool, later: float
) -> None:
    log: list[Entry] = [*TWO, tick(1.4)]
    for at_, (by, torque, rpm, ends) in enumerate(acts):
        target = Target(source="press-1") if torque and rpm else TORQUE if torque else RPM
        until = at(ends) if ends else 0
        log.append(command("acknowledge", 1.1 + at_ / 60, by=by, target=target, id=f"{at_}",
                           until=until))  # fmt: skip
    undone = log[3 + which % len(acts)]
    assert isinstance(undone, Command)
    behind: list[Entry] = [event("opened", 1.5, "c", metric="temp")] if joins else []
    undo = command("unacknowledge", 20, by=undone.by, target=undone.target, undoes=undone.id)
    left = run([*log, *behind, tick(21), undo, tick(later)])[0]
    never = run([*[one for one in log if one is not undone], *behind, tick(21), tick(later)])[0]
    assert _holding(left) == _holding(never)
    for state in (left, never):
        (incident,) = state.incidents.values()
        bare = [one for one in incident.members.values() if not one.closed and not one.holders]
        assert incident.free == len(bare)


def _holding(state: State) -> list[object]:
    """Who has what, in order; without the numbers of acknowledgements, which none has twice."""
    (incident,) = state.incidents.values()
    whole = incident.acknowledged_by, incident.acknowledged_at, incident.expires
    return [*whole, *([each[:4] for each in map(msgspec.structs.astuple, one.holders)]
                      for one in incident.members.values())]  # fmt: skip


def test_what_is_beyond_the_holders_that_are_kept_is_counted_and_holds_nothing() -> None:
    log: list[Entry] = [*TWO, tick(30)]
    log += [command("acknowledge", 2 + i, target=TORQUE, by=f"p{i}", id=f"{i}") for i in range(11)]
    log += [command("unacknowledge", 20 + i, target=TORQUE, undoes=f"{i}") for i in range(8)]
    for given_, names, unkept in ((14, 8, 3), (15, 7, 3), (22, 0, 3)):
        (incident,) = run(log[:given_])[0].incidents.values()
        torque = next(iter(incident.members.values()))
        assert [one.by for one in torque.holders] == [f"p{i}" for i in range(8 - names, 8)]
        assert torque.unkept == unkept


def test_a_command_by_fingerprint_meets_the_open_alert_of_its_series_and_no_later_one() -> None:
    seen = Target(fingerprint=TORQUE.fingerprint, time="2026-03-01T07:59:00Z")
    log: list[Entry] = [event("opened", 0), tick(1), command("acknowledge", 1, target=seen)]
    assert _kinds(log) == ["opened"]
    assert _kinds([event("opened", 0), tick(1), command("acknowledge", 1, target=TORQUE)])[1:] == [
        "acknowledged"
    ]


def test_a_silence_by_command_may_begin_later_and_mutes_from_then_on() -> None:
    log: list[Entry] = [
        command("silence", 10, until=at(60)), event("opened", 1), event("resolved", 2),
        tick(9), event("opened", 20, "b", metric="rpm"), tick(50),
    ]  # fmt: skip
    _, effects = run(log)
    assert [(kind, minute) for _, kind, minute in sent(effects)] == [("opened", 1), ("resolved", 3)]
    assert reasons(effects)[f"b-opened-{at(20)}"] == "silenced"


def test_what_came_and_went_says_how_often_when_it_is_over() -> None:
    flaps: list[Entry] = []
    for i in range(8):
        flaps += [event("opened", i, f"a{i}"), event("resolved", i + 0.5, f"a{i}")]
    messages = [one for one in run([*flaps, tick(600)])[1] if isinstance(one, Handed)]
    assert [one.kind for one in messages] == ["opened", "flapping", "resolved"]
    said = [[line for line in lines_of(one) if "began" in line] for one in messages]
    assert said[0] == []
    assert said[2] == ["it began 8 times"]
