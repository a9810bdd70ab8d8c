"""What a page shows of silences: those that mean something open, until they have ended."""

import msgspec
import pytest
from msgspec.structs import replace

from padit.alerting import due, engine, people
from padit.alerting.entries import AlertEvent, Command, Entry, RunBegan, Target, Tick
from padit.alerting.overview import Overview
from padit.alerting.policy import AlertingConfig
from padit.domain.timestamps import MICROS
from padit.portal.present import Presenter

_AT = 1_767_592_800 * MICROS
_CONFIG = {
    "receivers": {"page": {"kind": "webhook", "url": "http://127.0.0.1:9/"}},
    "routes": [{"name": "page", "receiver": "page"}],
    "silences": [{"id": "plan", "match": {"source": "press-2"}, "start": "2026-01-05T08:00:00Z",
                  "end": "2026-01-05T09:00:00Z"}],
}  # fmt: skip


def _event(source: str) -> AlertEvent:
    return AlertEvent(
        f"{source}-opened", "opened", _AT, source, source, "rpm", "WARNING", 0.8, "", _AT
    )


def _of(overview: Overview, source: str) -> list[tuple[str, str, int]]:
    """Silences of the incident of a source: id, who made it, how many series it means."""
    view = overview.incident(overview.alerts[source].incident)
    return [(one["id"], one["by"], len(one["series"])) for one in view["silences"]]


def test_an_incident_has_the_silences_that_mean_something_open_of_it() -> None:
    overview = Overview(AlertingConfig.model_validate(_CONFIG))
    for n, source in enumerate(("press-1", "press-2"), 1):
        overview.apply(n, _event(source))
    assert _of(overview, "press-1") == []
    assert _of(overview, "press-2") == [("plan", "configuration", 1)]
    target = Target(source="press-*")
    overview.apply(3, Command("s", _AT, "ann", "silence", target, _AT + 3600 * MICROS))
    assert _of(overview, "press-1") == [("s", "ann", 1)]
    assert _of(overview, "press-2") == [("s", "ann", 1), ("plan", "configuration", 1)]
    overview.apply(4, Tick(_AT + 3600 * MICROS))
    assert _of(overview, "press-1") == []


def test_an_incident_changes_when_its_silence_ends_also_by_a_command_that_waited() -> None:
    overview = Overview(AlertingConfig.model_validate(_CONFIG))
    overview.apply(1, _event("press-1"))
    incident = overview.alerts["press-1"].incident
    late = _AT + 600 * MICROS  # the clock, which the data have yet to reach
    silence = Command("s", late, "ann", "silence", Target(source="press-1"), late + 3600 * MICROS)
    assert overview.apply(2, silence).incidents == (incident,)
    overview.apply(3, Command("u", late, "ann", "unsilence", Target(), note="s"))
    assert _of(overview, "press-1") == [("s", "ann", 1)]
    assert overview.apply(4, Tick(late)).incidents == (incident,)
    assert _of(overview, "press-1") == []


def test_an_acknowledgement_that_runs_out_changes_its_incident_also_where_nobody_is_reminded() -> (
    None
):
    low = _CONFIG | {"min_score": 0.9}  # no route was told anything, so there is no reminder
    overview = Overview(AlertingConfig.model_validate(low))
    overview.apply(1, _event("press-1"))
    incident = overview.alerts["press-1"].incident
    later = _AT + 600 * MICROS
    taken = Command("a", _AT, "ann", "acknowledge", Target(source="press-1"), later)
    assert overview.apply(2, taken).incidents == (incident,)
    assert overview.incident(incident)["acknowledged_by"] == "ann"
    assert overview.apply(3, Tick(later - 1)).incidents == ()
    assert overview.apply(4, Tick(later)).incidents == (incident,)
    assert overview.incident(incident)["acknowledged_by"] == ""


def test_alerts_of_a_lost_run_that_end_change_their_incident_though_no_message_says_so() -> None:
    low = _CONFIG | {"min_score": 0.9}
    overview = Overview(AlertingConfig.model_validate(low))
    overview.apply(1, _event("press-1"))
    incident = overview.alerts["press-1"].incident
    overview.apply(2, RunBegan(_AT, "run-2"))
    assert overview.apply(3, Tick(_AT + 24 * 3600 * MICROS)).incidents == (incident,)
    assert overview.alerts["press-1"].reason == "run_lost"


def test_feedback_that_waits_for_its_time_says_then_what_was_real() -> None:
    overview = Overview(AlertingConfig.model_validate(_CONFIG))
    overview.apply(1, _event("press-1"))
    later = _AT + 600 * MICROS
    for n, verdict in enumerate(("noise", "real"), 2):
        waits = Command(f"f{n}", later, "ann", "feedback", Target(source="press-1"), note=verdict)
        assert overview.apply(n, waits).real == ()
    change = overview.apply(4, Tick(later))
    assert (change.real, change.alerts) == (("press-1",), ("press-1",))
    deeds = overview.deeds.of(overview.alerts["press-1"].incident)
    assert [(one.n, one.kind, one.note) for one in deeds] == [
        (2, "feedback", "noise"), (3, "feedback", "real"),
    ]  # fmt: skip


def test_the_alert_that_a_lost_run_left_open_changes_as_the_next_of_its_series_opens() -> None:
    overview = Overview(AlertingConfig.model_validate(_CONFIG))
    presenter = Presenter(overview)
    overview.apply(1, _event("press-1"))
    assert b'"state":"open"' in presenter.alert("press-1")  # kept from then on
    again = replace(_event("press-1"), id="again-opened", alert="again", time=_AT + MICROS,
                    opened=_AT + MICROS)  # fmt: skip
    change = overview.apply(2, again)
    presenter.forget(change)
    assert change.alerts == ("again", "press-1")
    assert b'"state":"resolved"' in presenter.alert("press-1")


def test_a_part_of_a_command_changes_the_alerts_that_end_in_it_and_a_page_misses_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (due, people):
        monkeypatch.setattr(module, "MOST", 10)
    overview = Overview(AlertingConfig.model_validate(_CONFIG))
    entries: list[Entry] = [_event(f"press-{n}") for n in range(10, 60)]
    entries += [Command("c", _AT, "ann", "resolve", Target(source="press-*"))]
    for n, entry in enumerate(entries, 1):
        overview.apply(n, entry)
    while overview.state.rest is not None:
        before = {name for name, one in overview.alerts.items() if not one.closed}
        change = overview.apply(overview.version + 1, Tick(overview.state.now, 10))
        ended = {name for name in before if overview.alerts[name].closed}
        assert len(ended) == 10
        assert ended <= set(change.alerts)
        assert {overview.alerts[name].incident for name in ended} <= set(change.incidents)
    assert all(one.closed and one.reason == "by ann" for one in overview.alerts.values())
    assert len(overview.deeds.of(overview.alerts["press-10"].incident)) == 1


@pytest.mark.parametrize("lost", [False, True])
def test_a_part_of_very_much_changes_what_happens_in_it_and_not_all_that_is_due(
    lost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (due, engine):
        monkeypatch.setattr(module, "PIECE", 5)
    overview = Overview(AlertingConfig.model_validate(_CONFIG))
    events = [_event(f"press-{n}") for n in range(10, 60)]
    entries: list[Entry] = [*events]
    if lost:
        entries += [RunBegan(_AT, "next")]
    else:
        ends = [
            replace(one, id=f"{one.alert}-end", kind="resolved", time=_AT + 1) for one in events
        ]
        entries += [*ends]
    for n, entry in enumerate(entries, 1):
        overview.apply(n, entry)
    end = _AT + 600 * MICROS
    sizes: list[int] = []
    while overview.state.timers[0][0] <= end:
        before = {name: msgspec.msgpack.encode(one) for name, one in overview.incidents.items()}
        change = overview.apply(len(entries) + len(sizes) + 1, Tick(end, 10))
        changed = {name for name, one in overview.incidents.items()
                   if msgspec.msgpack.encode(one) != before[name]}  # fmt: skip
        assert changed <= set(change.incidents)
        sizes.append(len(change.incidents))
    assert sum(sizes) >= len(events)
    assert max(sizes) <= 20
