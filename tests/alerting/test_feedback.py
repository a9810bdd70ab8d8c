"""Feedback: people judge alerts when all is over."""

import pytest

from padit.alerting import incidents
from padit.alerting.effects import Feedback
from padit.alerting.entries import Entry, Target, fingerprint_of
from padit.domain.timestamps import format_utc
from tests.alerting.making import at, command, event, policy_of, run, tick


def test_feedback_may_be_about_an_alert_that_has_ended() -> None:
    log: list[Entry] = [
        event("opened", 0),
        event("resolved", 2),
        tick(3),
        command("feedback", 3, note="noise"),
    ]
    _, effects = run(log)
    verdicts = [(one.verdict, one.alerts) for one in effects if isinstance(one, Feedback)]
    assert verdicts == [("noise", ("a",))]


def test_feedback_finds_an_alert_whose_incident_is_long_forgotten_by_its_series() -> None:
    """Of the alerts of the series the last that had opened when the person looked."""
    log: list[Entry] = []
    for number, begin in enumerate((0, 100, 200)):
        log += [event("opened", begin, f"a{number}"),
                event("resolved", begin + 5, f"a{number}", opened=at(begin))]  # fmt: skip
    series = fingerprint_of("press-1", "torque_nm")
    asked = [
        Target(fingerprint=series), Target(fingerprint=series, time=format_utc(at(102))),
        Target(fingerprint=series, time=format_utc(at(-1))), Target(source="press-1"),
        Target(fingerprint=series, labels={"site": "x"}), Target(fingerprint="0" * 32),
    ]  # fmt: skip
    log.append(tick(10_000))
    log += [command("feedback", 10_000 + i, note="noise", target=one, id=f"f{i}")
            for i, one in enumerate(asked)]  # fmt: skip
    state, effects = run([*log, tick(20_000)])
    assert not state.incidents
    verdicts = [(one.command, one.alerts) for one in effects if isinstance(one, Feedback)]
    assert verdicts == [("f0", ("a2",)), ("f1", ("a1",))]
    assert state.unmatched == 4


def test_feedback_on_a_series_that_ended_twice_of_late_means_the_later_alert() -> None:
    log: list[Entry] = [
        event("opened", 0), event("resolved", 1), event("opened", 20, "b"),
        event("resolved", 21, "b", opened=at(20)), tick(25),
        command("feedback", 25, note="noise"),
        command("feedback", 26, note="real", target=Target(source="press-1",
                                                           time=format_utc(at(3)))),
    ]  # fmt: skip
    verdicts = [one for one in run([*log, tick(30)])[1] if isinstance(one, Feedback)]
    assert [(one.verdict, one.alerts) for one in verdicts] == [("noise", ("b",)), ("real", ("a",))]


def test_ended_alerts_are_remembered_up_to_a_limit_the_oldest_go_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policy = policy_of(
        "{receivers: {r: {kind: webhook}}, routes: [{name: all, receiver: r, match: {source: x}}]}"
    )
    log: list[Entry] = []
    for number in range(12):
        log += [
            event("opened", number, f"a{number}"),
            event("resolved", number + 0.5, f"a{number}"),
        ]
    state, _ = run(log, policy)
    ((series, kept),) = state.ended.items()
    assert series == fingerprint_of("press-1", "torque_nm")
    assert [alert for _, alert in kept] == [f"a{number}" for number in range(4, 12)]
    monkeypatch.setattr(incidents, "_MOST_ENDED_SERIES", 2)
    for number, source in enumerate(("s1", "s2", "s1", "s3")):
        log += [event("opened", 30 + number, f"b{number}", source=source),
                event("resolved", 30.5 + number, f"b{number}", source=source)]  # fmt: skip
    state, _ = run(log, policy)
    assert list(state.ended) == [fingerprint_of(one, "torque_nm") for one in ("s1", "s3")]
