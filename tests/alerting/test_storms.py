"""Storms and a factory: few messages, each fault told, its cause named."""

import random

import pytest

from padit.alerting.effects import Effect, Handed
from padit.alerting.entries import AlertEvent, Entry
from tests.alerting.making import SIMPLE, at, event, policy_of, run, sent, tick

TWO_ROUTES = """
receivers: {ops: {kind: webhook, url: "http://127.0.0.1:1/"}}
routes:
  - {name: first, receiver: ops, go_on: true}
  - {name: second, receiver: ops, settle: 0s}
"""


def _flapping(series: int, sources: int, seed: int) -> list[Entry]:
    """1,000 transitions in ten minutes: series of machines come and go."""
    chance, found = random.Random(seed), list[Entry]()
    open_at: dict[int, float] = {}
    for number in range(1000):
        minutes = number / 100
        one = chance.randrange(series)
        source, name = f"press-{one % sources}", f"m{one}"
        if one in open_at:
            begun = open_at.pop(one)
            found.append(event("resolved", minutes, f"{name}-{begun}", source=source, metric=name,
                               opened=at(begun)))  # fmt: skip
        else:
            open_at[one] = minutes
            found.append(event("opened", minutes, f"{name}-{minutes}", source=source, metric=name))
    for one, begun in open_at.items():
        source, name = f"press-{one % sources}", f"m{one}"
        found.append(event("resolved", 10.01, f"{name}-{begun}", source=source, metric=name,
                           opened=at(begun)))  # fmt: skip
    return [*found, tick(120)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("series", [1, 2, 5, 20, 100])
def test_a_thousand_transitions_of_flapping_are_at_most_three_messages_a_route(
    series: int, seed: int
) -> None:
    _, effects = run(_flapping(series, 1, seed), policy_of(TWO_ROUTES))
    for route, most in (("first", 3), ("second", 4)):  # without `settle` the first end is one, too
        kinds = [kind for name, kind, _ in sent(effects) if name == route]
        assert len(kinds) <= most
        assert kinds[0] == "opened"
        assert kinds[-1] == "resolved"


def test_many_machines_that_flap_together_are_few_messages_where_they_share_a_site() -> None:
    labelled = [
        AlertEvent(**{name: getattr(one, name) for name in one.__struct_fields__}
                   | {"labels": {"site": "hall-2"}})
        if isinstance(one, AlertEvent) else one
        for one in _flapping(40, 10, 5)
    ]  # fmt: skip
    policy = policy_of(TWO_ROUTES + "incidents: {share: [source, site]}")
    _, effects = run(labelled, policy)
    assert len([one for one in sent(effects) if one[0] == "first"]) <= 3


def test_a_rate_bounds_a_storm_over_machines_that_share_nothing() -> None:
    policy = policy_of(
        """
receivers: {ops: {kind: webhook, url: "http://127.0.0.1:1/"}}
routes: [{name: all, receiver: ops, rate: {messages: 3, per: 1h}}]
"""
    )
    _, effects = run(_flapping(50, 50, 5), policy)
    within = [minute for _, _, minute in sent(effects) if minute < 60]
    assert len(within) <= 3


def _factory() -> tuple[list[Entry], dict[str, str]]:
    """Four faults on one machine, an hour apart, and a network fault over ten machines."""
    log: list[Entry] = []
    faults = {"spindle": "temp_c", "pump": "pressure_bar", "cpu": "cpu_percent", "fan": "rpm"}
    for number, (name, metric) in enumerate(faults.items()):
        begin = 60 * number
        for offset, other, shift, kind in (
            (0, metric, 30.0, "temperature"), (1, "latency_ms", 80.0, "latency"),
            (2, "torque_nm", 4.0, "custom"),
        ):  # fmt: skip
            log += _lasting(begin + offset, 10, f"{name}-{other}", "mill-1", other, shift, kind)
    for machine in range(10):
        severity = 5.0 + machine
        log += _lasting(300 + machine / 10, 12, f"net-{machine}", f"plc-{machine}", "rtt_ms",
                        severity, "latency")  # fmt: skip
    log += _lasting(299.5, 13, "net-switch", "switch-1", "packet_loss", 40.0, "error_rate")
    log.sort(key=lambda one: (one.time, isinstance(one, AlertEvent) and one.id))
    return [*log, tick(600)], {"mill-1": "mill-1", "switch-1": "switch-1"}


def _lasting(
    minute: float, minutes: float, name: str, source: str, metric: str, shift: float, kind: str
) -> list[Entry]:
    opened = at(minute)
    return [
        event("opened", minute, name, source=source, metric=metric, shift=shift, metric_type=kind),
        event("resolved", minute + minutes, name, source=source, metric=metric, opened=opened,
              shift=shift, metric_type=kind),
    ]  # fmt: skip


def test_a_factory_hears_of_every_fault_in_two_messages_with_its_cause() -> None:
    log, _ = _factory()
    edges = ", ".join(f"plc-{one}: [switch-1]" for one in range(10))
    policy = policy_of(f"{SIMPLE}incidents: {{depends_on: {{{edges}}}}}")
    _, effects = run(log, policy)
    of_incident: dict[str, list[Handed]] = {}
    for one in _handed(effects):
        assert one.view is not None
        of_incident.setdefault(one.view.id, []).append(one)
    assert len(of_incident) == 5
    for messages in of_incident.values():
        assert [one.kind for one in messages] == ["opened", "resolved"]
    last = [messages[-1].view for messages in of_incident.values()]
    causes = [view.causes[0][0] for view in last if view is not None]
    assert sorted(causes) == ["mill-1"] * 4 + ["switch-1"]
    network = next(view for view in last if view and view.causes[0][0] == "switch-1")
    assert network.decided
    assert len(network.members) == 11
    begins = sorted(messages[0].time for messages in of_incident.values())
    assert begins == [at(0), at(60), at(120), at(180), at(299.5)]  # at once


def _handed(effects: list[Effect]) -> list[Handed]:
    return [one for one in effects if isinstance(one, Handed)]


def test_a_fault_that_begins_while_another_goes_on_is_told_however_alerts_follow_each_other() -> (
    None
):
    """Each alert comes four minutes behind the one before; nothing has ended yet."""
    log: list[Entry] = [event("opened", 4 * i, f"a{i}", metric=f"m{i}") for i in range(10)]
    state, effects = run(log)
    assert sent(effects) == [("all", "opened", 0), ("all", "opened", 16), ("all", "opened", 32)]
    assert [len(one.members) for one in state.incidents.values()] == [4, 4, 2]
    paged = [event("opened", 4 * i, f"a{i}", metric=f"m{i}", page="p") for i in range(10)]
    assert sent(run(paged)[1]) == [("all", "opened", 0)]  # the job says that they are one


def test_a_series_that_comes_and_goes_stays_in_its_incident_beyond_the_spread() -> None:
    log: list[Entry] = [event("opened", 0, "other", metric="x")]
    for i in range(12):
        log += [
            event("opened", 4 * i, f"a{i}"),
            event("resolved", 4 * i + 1, f"a{i}", opened=at(4 * i)),
        ]
    assert len(run(log)[0].incidents) == 1


def test_by_a_label_alone_an_alert_joins_for_a_shorter_time_than_by_its_source_or_an_edge() -> None:
    """Each comes four minutes behind the one before: by a site two faults, by an edge one."""
    site = {"site": "north"}
    log: list[Entry] = [
        event("opened", 4 * i, f"a{i}", source=f"s{i}", labels=site) for i in range(3)
    ]
    shared = "incidents: {share: [site, source]%s}"
    effects = run(log, policy_of(SIMPLE + shared % ""))[1]
    assert sent(effects) == [("all", "opened", 0), ("all", "opened", 8)]
    edges = ", depends_on: {s0: [db], s1: [db], s2: [db]}"
    assert sent(run(log, policy_of(SIMPLE + shared % edges))[1]) == [("all", "opened", 0)]
