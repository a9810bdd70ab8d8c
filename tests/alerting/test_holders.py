"""Who holds a series after an undo, and in a state that an earlier version saved."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from padit.alerting.effects import CommandResult
from padit.alerting.engine import Engine
from padit.alerting.entries import Command, Entry, Target, fingerprint_of
from padit.alerting.state import State, Taken, dump, load
from tests.alerting.making import at, command, event, policy_of, reasons, run, tick

TWO = [event("opened", 0), event("opened", 1, "b", metric="rpm")]
TORQUE = Target(fingerprint=fingerprint_of("press-1", "torque_nm"))
RPM = Target(source="press-1", metric="rpm")


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


def test_who_is_not_kept_of_any_series_does_not_stand_in_line_for_the_whole() -> None:
    log: list[Entry] = [event("opened", 0), tick(60)]
    log += [command("acknowledge", 2 + i, by=f"p{i}", id=f"{i}") for i in range(9)]
    for undone in range(9):
        (incident,) = run(log)[0].incidents.values()
        line = [f"p{i}" for i in range(undone, 8)]
        assert [one.by for one in incident.wholes] == line
        assert incident.acknowledged_by == "".join(line[:1])
        log.append(command("unacknowledge", 20 + undone, undoes=f"{undone}"))
