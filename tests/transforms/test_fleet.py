"""What the same metric did on two other sources is no news; a shift of many is."""

from collections.abc import Callable
from contextlib import suppress
from functools import cache

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.domain.alert import Alert, Transition
from padit.domain.config import AlertSettings, DetectorSetting, JobConfig
from padit.domain.errors import StateError
from padit.domain.message import Kind, Message
from padit.domain.metric import Series
from padit.transforms.fleet import FleetMachine
from padit.transforms.fleet_judging import Event, Judging
from padit.transforms.fleet_state import (
    Memory,
    MemoryFleetStore,
    Totals,
    Wait,
    read_header,
    read_memory,
    read_wait,
    written,
)
from padit.transforms.peer_ranges import DAY, Past, Stretch
from padit.transforms.peer_report import (
    Extreme,
    Kin,
    Opening,
    Question,
    Report,
    Step,
    read_report,
)
from padit.transforms.peers import ALL, Heard, Peers, insert
from tests.transforms.fleet_run import WINDOWS, Bump, Ran, Told, by_turns, hosts, judge, watch

HOURS, STEPS = 10.0, 360  # samples an hour
LATE_STARTER = 5
_KIN = Kin("load", "1")


def _by_turns() -> list[list[Bump]]:
    """Hosts that work by turns; the last of them does not before the ninth hour."""
    found = by_turns(6, HOURS)
    found[LATE_STARTER] = [one for one in found[LATE_STARTER] if one[0] > 8]
    return found


@cache
def _ran(groups: int = 4, cut: tuple[int, ...] = (), peers: str | None = ALL) -> Ran:
    return watch(hosts(_by_turns(), HOURS), groups, cut, peers=peers)


def _canonical(told: Told) -> tuple[list[bytes], list[bytes], Totals]:
    return sorted(told.alerts), sorted(map(msgspec.json.encode, told.silenced)), told.totals


def _names(told: Told, kind: str = "opened") -> set[str]:
    return {one["id"] for one in told.events(kind)}


def test_what_two_others_have_had_is_silenced_and_both_are_named() -> None:
    told = judge(_ran())
    assert told.totals.silenced >= 1
    assert {one.source_id for one in told.silenced} == {"host-05"}
    for one in told.silenced:
        names = {peer.source_id for peer in one.peers}
        assert len(names - {"host-05"}) == 2
        assert all(peer.value >= one.value > one.usual for peer in one.peers)
        assert one.alert not in _names(told)
        assert "peers" in one.option


def test_what_is_told_and_what_is_silenced_are_all_alerts_of_a_job_without_peers() -> None:
    told, without = judge(_ran()), judge(_ran(peers=None))
    assert without.totals.asked == 0
    assert sorted(_ran(peers=None).direct) == sorted(_ran().direct)
    silenced = {one.alert for one in told.silenced}
    left = [one for one in _ran().direct if msgspec.json.decode(one)["data"]["id"] not in silenced]
    assert sorted(told.alerts) == left
    assert told.ended


def test_no_transition_is_told_without_its_opening_before_it() -> None:
    seen: set[str] = set()
    for one in map(msgspec.json.decode, judge(_ran()).alerts):
        assert one["type"].endswith(".opened") or one["data"]["id"] in seen
        seen.add(one["data"]["id"])


@pytest.mark.parametrize("groups", [1, 32])
def test_the_number_of_key_groups_changes_no_byte(groups: int) -> None:
    assert _canonical(judge(_ran(groups))) == _canonical(judge(_ran()))


@settings(max_examples=4, deadline=None)
@given(
    cut=st.lists(st.integers(1, int(HOURS * STEPS) - 1), min_size=1, max_size=12),
    order=st.integers(0, 2**32),
)
def test_neither_cut_nor_order_nor_repetition_of_reports_changes_a_byte(
    cut: list[int], order: int
) -> None:
    found = judge(watch(hosts(_by_turns(), HOURS), 4, cut), order)
    assert _canonical(found) == _canonical(judge(_ran()))
    assert found.ended


def test_a_fleet_goes_on_from_its_bytes() -> None:
    ran, told = _ran(cut=tuple(range(STEPS, int(HOURS * STEPS), STEPS))), Told()
    for one in ran.reports:
        told = judge(Ran([one]), told=told)  # each with a machine of its own
    assert _canonical(told) == _canonical(judge(_ran()))


def test_a_shift_of_many_at_once_is_told_of_all_of_them() -> None:
    bumps = by_turns(6, HOURS)
    for host, mine in enumerate(bumps):
        mine[:] = [one for one in mine if one[0] < (0 if host > 2 else 8.2)]
    for mine in bumps[3:]:
        mine.append((8.5, 30.0, 9.0))  # a bad deployment to where the others have been
    told = judge(watch(hosts(bumps, HOURS)))
    assert {f"host-{host:02}" for host in (3, 4, 5)} <= {
        one["source_id"] for one in told.events("opened") if "T08:" in one["opened"]
    }


def test_a_host_that_loses_its_share_is_told_though_all_were_there_at_other_times() -> None:
    share = [[(0.0, 60.0, -80.0)] for _ in range(6)]  # the night of all
    share[2].append((8.0, 20.0, -75.0))
    told = judge(watch(hosts(share, HOURS, level=100.0)))
    opened = [one for one in told.events("opened") if one["source_id"] == "host-02"]
    assert any("T08:0" in one["opened"] for one in opened)


def _asked(past: Past, since: int = 0, peers: str = "ab") -> int:
    """How many are silenced of one host at 20, where it is usually 100; its peers were at 10."""
    judging = Judging(60, Totals())
    for source in peers:
        judging.memory.extremes.setdefault("load\x1f1\x1f", []).append(
            Extreme(source, False, 2, 0, 10.0, 110.0, 2000, 1000)
        )
    message = Message(Kind.ALERT, "id", "key", 9000, b"{}")
    judging.take(
        Event(9000, 2, (), Question(
            _KIN, "c", "load", "alert", 9000, False, 20.0, 2, 8500, 100.0, since, past, message,
        ))
    )  # fmt: skip
    assert len(judging.alerts) + len(judging.silenced) == 1
    return judging.totals.silenced


@pytest.mark.parametrize(
    ("past", "since", "silenced"),
    [
        (Past([], float("nan")), 0, 1),
        (Past([Stretch(3000, 4000, 10.0)], float("nan")), 0, 1),  # at a time of its own
        (Past([Stretch(900, 1900, 12.0)], float("nan")), 0, 0),  # with the others
        (Past([Stretch(900, 1900, 90.0)], float("nan")), 0, 1),  # not as far as now
        (Past([Stretch(3000, 4000, 10.0)], 11.0), 0, 0),  # not all is remembered
        (Past([], float("nan")), 1500, 0),  # it was not watched then
    ],
)
def test_sources_that_move_together_are_no_witnesses(past: Past, since: int, silenced: int) -> None:
    assert _asked(past, since) == silenced


def test_one_other_source_is_not_enough_and_oneself_does_not_count() -> None:
    nothing = Past([], float("nan"))
    assert _asked(nothing, peers="a") == _asked(nothing, peers="ac") == 0
    assert _asked(nothing, peers="abc") == 1


def test_what_lasts_for_longer_than_on_its_peers_is_told_after_all() -> None:
    bumps = _by_turns()
    bumps[LATE_STARTER] = [(8.86, 60.0, 9.0)]
    told = judge(watch(hosts(bumps, HOURS)))
    assert [one.told_after_all for one in told.silenced][-1]
    assert told.totals.released == 1
    assert told.silenced[-1].alert in _names(told)
    assert _names(told) == _names(told) | _names(told, "updated") | _names(told, "resolved")


def test_a_metric_of_another_name_or_unit_has_other_peers() -> None:
    both = Ran([])
    one = watch(hosts(_by_turns(), HOURS)[:, :5], 1, metric="load")
    other = watch(hosts(_by_turns(), HOURS)[:, 5:], 1, metric="heat")
    for number, ran in enumerate((one, other)):
        for report in map(read_report, ran.reports):
            report.group, report.groups = number, 2
            both.reports.append(report.encode())
    assert judge(both).totals.silenced == 0


def test_hosts_without_the_label_have_no_peers() -> None:
    ran = watch(hosts(_by_turns(), HOURS), peers="site")
    assert judge(ran).totals == Totals()
    assert sorted(judge(ran).alerts) == _ran(peers=None).direct


def test_of_more_extremes_of_a_metric_than_256_the_oldest_goes() -> None:
    judging = Judging(1, Totals())
    for day in range(200):
        for end in (True, False):
            one = Extreme("a", end, 0, day, 5.0, 1.0, day * 10 + end, 1)
            judging.take(Event(day, 0, (), (_KIN, one)))
    kept = judging.memory.extremes["load\x1f1\x1f"]
    assert len(kept) == 256
    assert min(one.day for one in kept) == 200 - 128


def test_metrics_that_are_gone_leave_nothing_and_what_still_counts_stays() -> None:
    machine, store = FleetMachine(WINDOWS.size), MemoryFleetStore()
    sizes = []
    for day in range(60):
        time = day * DAY
        gone = Kin(f"of release {day}", "1")
        found = [(time, kin, Extreme("a", True, 0, day, 5.0, 1.0, time, 1)) for kin in (_KIN, gone)]
        opened = [(gone, Opening("a", time))]
        step = Step("told", time, ends=False, message=Message(Kind.ALERT, "id", "key", time, b"{}"))
        since = None if day == 0 else time - DAY
        machine.advance(store, Report(0, 1, since, time, [], found, opened, [], [step]))
        sizes.append(len(store.cells["memory"]))
    assert max(sizes[10:]) <= 1.1 * sizes[10]
    memory = read_memory(store.cells["memory"])
    assert [x.day for x in memory.extremes["load\x1f1\x1f"]] == [54, 55, 56, 57, 58, 59]
    assert len(memory.openings) == 1


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(-5, 5)), max_size=30))
def test_the_three_farthest_of_parts_are_those_of_the_whole(found: list[tuple[str, float]]) -> None:
    whole: tuple[Extreme, ...] = ()
    parts: dict[bool, tuple[Extreme, ...]] = {True: (), False: ()}
    merged: tuple[Extreme, ...] = ()
    for time, (source, value) in enumerate(found):
        one = Extreme(source, True, 0, 0, value, -value, time, 1)
        whole = insert(whole, one)
        part = source in "abc"
        parts[part] = insert(parts[part], one)
        for mine in (x for x in parts[part] if x.source == source):
            merged = insert(merged, mine)
    assert [(x.source, x.value) for x in merged] == [(x.source, x.value) for x in whole]


def test_no_damaged_byte_raises_anything_but_that_it_is_damaged() -> None:
    told, peers = judge(_ran()), Peers(ALL, 0, WINDOWS.interval)
    report = next(one for one in map(read_report, _ran().reports) if one.questions)
    waits = Wait(report.extremes[:2], report.openings[:2], report.questions[:1], report.steps[:1])
    report = Report(0, 1, None, 5, [], *msgspec.structs.astuple(waits))
    of_group = peers.initial()
    of_group.farthest[_KIN, True, 2] = (report.extremes[0][2],)
    of_group.asked["an alert"] = None
    memory = Memory(extremes={"load": [report.extremes[0][2]]}, openings={"load": []})
    cells: list[tuple[Callable[[bytes], object], bytes]] = [
        (read_header, told.store.cells["header"]), (read_memory, written(memory)),
        (read_wait, written(waits)), (read_report, report.encode()),
        (peers.load, peers.dump(of_group)),
    ]  # fmt: skip
    for read, data in cells:
        read(data)
        for place in range(len(data)):
            for change in (1, 4, 16, 64, 128, 255):
                damaged = bytearray(data)
                damaged[place] ^= change
                with suppress(StateError):
                    read(bytes(damaged))


@pytest.mark.parametrize("read", [read_header, read_memory, read_wait, read_report])
@given(data=st.binary(max_size=40))
def test_damaged_bytes_are_refused(read: Callable[[bytes], object], data: bytes) -> None:
    with suppress(StateError):
        read(data)


def test_a_report_of_another_version_is_refused_with_the_way_out() -> None:
    data = Report(0, 1, None, 5, version=99).encode()
    with pytest.raises(StateError, match="version 99"):
        read_report(data)


def test_what_is_remembered_of_peers_comes_back_from_its_bytes() -> None:
    peers = Peers(ALL, 0, WINDOWS.interval)
    data = peers.dump(peers.initial())
    assert peers.dump(peers.load(data)) == data
    with pytest.raises(StateError, match="damaged"):
        peers.load(data[:-3])


def test_peers_without_the_detector_that_tells_levels_are_refused() -> None:
    asking = AlertSettings(peers="*")
    with pytest.raises(ValueError, match="usual"):
        JobConfig(detectors=(DetectorSetting(name="novelty"),), alerts=asking)
    assert JobConfig(alerts=asking).alerts.peers == "*"


def test_ordinary_hours_send_nothing_but_how_far_they_have_come() -> None:
    values = hosts([[] for _ in range(40)], 6.0)
    ran = watch(values, 4, range(STEPS, len(values), 30))
    later = [one for one in map(read_report, ran.reports[len(ran.reports) // 2 :])]
    assert np.mean([len(one.extremes) for one in later]) < 2
    assert max(len(one.encode()) for one in later if not one.extremes) < 60


def test_an_alert_of_a_series_that_makes_room_ends_where_it_was_opened() -> None:
    peers, heard = Peers(ALL, 0, WINDOWS.interval), Heard()
    state = peers.initial()
    state.asked["asked"] = None
    ends = [
        Transition(
            "resolved",
            5,
            Alert(name, "host", "load", "WARNING", 0.8, "", {"unit": "1"}, {}, "", "", metadata={}),
        )
        for name in ("asked", "told")
    ]
    peers.evict(state, [Series("host", "load", "1")], ends, heard)
    assert [one.alert for one in heard.steps] == ["asked"]
    assert [one.alert.id for one in heard.direct] == ["told"]
    assert not state.asked
