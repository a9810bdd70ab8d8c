"""Who has a series of an incident, or all of it, and what that changes in messages and reasons."""

from collections.abc import Sequence

from padit.alerting.effects import Effect, Handed, Outcome
from padit.alerting.entries import Entry, Target, fingerprint_of
from padit.alerting.notifiers.base import lines_of
from padit.alerting.sentences import Told
from padit.alerting.state import Taken
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
