"""How close is close: by the windows of the job, and to what an alert shares."""

import msgspec
import pytest

from padit.alerting.effects import Handed
from padit.alerting.entries import AlertEvent, event_of
from padit.alerting.policy import Grouping
from padit.domain.timestamps import MICROS
from tests.alerting.making import at, cloud_event, event, policy_of, run
from tests.alerting.test_edges import groups

CONFIG = """
receivers: {{ops: {{kind: webhook, url: "http://127.0.0.1:1/"}}}}
routes: [{{name: all, receiver: ops}}]
incidents: {{{}}}
"""
MINUTE = 60 * MICROS


def alert(minutes: float, source: str, metric: str = "m", delay: float = 0.0) -> AlertEvent:
    return event("opened", minutes, f"{source}-{metric}", source=source, metric=metric,
                 delay=round(delay * MINUTE))  # fmt: skip


def told(window: object, kind: str = "opened") -> int:
    """The delay that an alert with this window in its evidence has."""
    content = msgspec.json.decode(cloud_event(event(kind, 0)))
    content["data"]["evidence"] = {"samples": 5, "window": window}
    return event_of(msgspec.json.encode(content)).delay


def test_the_delay_is_half_of_the_window_and_the_time_between_two() -> None:
    window = {"start": "2026-03-01T08:00:00Z", "end": "2026-03-01T08:05:00Z",
              "interval_sec": 60.0, "max_samples": 1000}  # fmt: skip
    assert told(window) == 3.5 * MINUTE
    assert told(window, "resolved") == 0  # it joins nothing


@pytest.mark.parametrize(
    "window",
    [None, {}, [], 5, {"start": 1, "end": 2, "interval_sec": 60.0},
     {"start": "2026-03-01T08:05:00Z", "end": "2026-03-01T08:00:00Z", "interval_sec": 60.0},
     {"start": "2026-03-01T08:00:00Z", "end": "2026-03-01T08:05:00Z", "interval_sec": -1.0},
     {"start": "2026-03-01T08:00:00Z", "end": "2026-03-01T08:05:00Z", "interval_sec": 1e300},
     {"start": "0001-01-01T00:00:00Z", "end": "9999-01-01T00:00:00Z", "interval_sec": 60.0}],
)  # fmt: skip
def test_a_window_that_makes_no_sense_is_no_reason_to_refuse_an_alert(window: object) -> None:
    assert told(window) == 0


@pytest.mark.parametrize(
    ("setting", "delay", "minutes"),
    [
        ({}, 3.5, 3.5),
        ({}, 0.7, 3.0),  # a person takes that for one thing
        ({}, 17.5, 15.0),  # `spread`
        ({}, 0.0, 5.0),  # not stated
        ({"spread": "2m"}, 17.5, 3.0),
        ({"window": "8m"}, 3.5, 8.0),
    ],
)
def test_close_is_what_is_configured_or_what_the_windows_of_the_job_can_tell_apart(
    setting: dict[str, str], delay: float, minutes: float
) -> None:
    assert Grouping(**setting).near(round(delay * MINUTE)) == minutes * MINUTE  # type: ignore[arg-type]


def test_slow_samples_make_a_fault_that_shows_late_one_incident() -> None:
    edges = policy_of(CONFIG.format("depends_on: {shop: [db]}"))
    slow = [alert(0, "db", delay=17.5), alert(14, "shop", delay=17.5)]
    quick = [alert(0, "db", delay=3.5), alert(4, "shop", delay=3.5)]
    assert groups(run(slow, edges)[0]) == [{"db", "shop"}]
    assert groups(run(quick, edges)[0]) == [{"db"}, {"shop"}]


def test_what_joins_keeps_an_incident_open_for_what_shares_something_with_it_only() -> None:
    """`shop` and `mail` share nothing but `db`, which alerted too long ago."""
    policy = policy_of(CONFIG.format("depends_on: {shop: [db], mail: [db]}"))
    log = [
        alert(0, "db", "cpu", 3.5),
        alert(3, "shop", "latency", 3.5),
        alert(5, "mail", "queue", 3.5),
    ]
    assert groups(run(log, policy)[0]) == [{"db", "shop"}, {"mail"}]
    again = [*log[:2], alert(4, "db", "memory", 3.5), log[2]]
    assert groups(run(again, policy)[0]) == [{"db", "shop", "mail"}]


def test_what_an_incident_shared_is_forgotten_with_it() -> None:
    log = [alert(0, "db"), event("resolved", 1, "db-m", source="db", metric="m"),
           event("opened", 300, "x", source="x")]  # fmt: skip
    state, _ = run(log)
    assert state.shared == {"source x": at(300)}
    assert state.shared.keys() == state.keys.keys()


@pytest.mark.parametrize("delay", [0.0, 0.6, 3.5])
def test_what_comes_and_goes_is_told_as_such_however_short_the_windows_are(delay: float) -> None:
    log = []
    for n in range(8):
        begin, name = 4.0 * n, f"a{n}"
        log.append(event("opened", begin, name, delay=round(delay * MINUTE)))
        log.append(event("resolved", begin + 1.5, name, opened=at(begin)))
    state, effects = run(log)
    assert len(state.incidents) == 1
    kinds = [one.kind for one in effects if isinstance(one, Handed)]
    assert kinds.count("opened") == kinds.count("flapping") == 1


@pytest.mark.parametrize(
    ("minutes", "partner", "together"),
    [(6.0, "power", True), (8.0, "power", False), (6.0, "speed", False), (6.0, "", False)],
)
def test_an_alert_that_does_not_follow_a_metric_is_one_incident_with_it(
    minutes: float, partner: str, together: bool
) -> None:
    """Each is known when its window has turned: the second within twice the time of one."""
    first = alert(0, "press-1", "power", delay=3.5)
    second = msgspec.structs.replace(alert(minutes, "press-1", "wear", delay=3.5), partner=partner)
    state, _ = run([first, second], policy_of(CONFIG.format("")))
    assert len(state.incidents) == (1 if together else 2)


def test_a_metric_that_has_ended_or_of_another_source_is_none_that_one_follows() -> None:
    first = alert(0, "press-1", "power", delay=3.5)
    ended = msgspec.structs.replace(first, id="e", kind="resolved", time=at(5), opened=first.opened)
    other = alert(0, "press-2", "power", delay=3.5)
    second = msgspec.structs.replace(alert(6, "press-1", "wear", delay=3.5), partner="power")
    for before in ([first, ended], [other]):
        state, _ = run([*before, second], policy_of(CONFIG.format("")))
        assert len(state.incidents) == 2


@pytest.mark.parametrize(
    ("evidence", "partner"),
    [({"partner": "power"}, "power"), ({"partner": 5}, ""), ({"text": '"partner"'}, ""), ({}, "")],
)
def test_the_metric_that_an_alert_does_not_follow_is_in_its_evidence(
    evidence: dict[str, object], partner: str
) -> None:
    content = msgspec.json.decode(cloud_event(event("opened", 0)))
    content["data"]["evidence"] = evidence
    assert event_of(msgspec.json.encode(content)).partner == partner


def test_a_partner_that_is_no_text_leaves_the_alert_as_it_was_without() -> None:
    """One of an earlier version stands in the log, and nobody had looked at it."""
    data = cloud_event(event("opened", 0)).replace(
        b'"evidence":{}', b'"evidence":{"partner":"\xff"}'
    )
    assert event_of(data).partner == ""


@pytest.mark.parametrize(
    ("window", "partner", "delay", "found"),
    [("none", "power", 0, "power"), (None, 5, 0, ""), ({}, "power", 0, "power"),
     ({"start": "2026-03-01T08:00:00Z", "end": "2026-03-01T08:05:00Z", "interval_sec": 60.0},
      ["power"], 3.5 * MINUTE, "")],
)  # fmt: skip
def test_what_is_wrong_with_one_part_of_the_evidence_changes_nothing_about_the_other(
    window: object, partner: object, delay: float, found: str
) -> None:
    content = msgspec.json.decode(cloud_event(event("opened", 0)))
    content["data"]["evidence"] = {"window": window, "partner": partner}
    one = event_of(msgspec.json.encode(content))
    assert (one.delay, one.partner) == (delay, found)
