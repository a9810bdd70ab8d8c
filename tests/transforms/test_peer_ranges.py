"""Stretches of a series: the kernel and a plain reading of the same windows agree."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.domain.alert import Alert, Transition
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms.detectors.columns import Columns
from padit.transforms.peer_ranges import KEPT, PeerRanges, Stretch

MINUTE = 60_000_000
BEGIN = 20_000 * 24 * 60 * MINUTE
SERIES = Series("host", "load", "1")
USUAL = 5.0


class _Grown(NamedTuple):
    end: int
    high: bool
    peak: float
    classes: tuple[int, int]
    span: int


def _table(first: int, medians: list[float]) -> FeatureTable:
    n = len(medians)
    end = BEGIN + np.arange(first + 1, first + n + 1, dtype=np.int64) * MINUTE
    return FeatureTable(
        (SERIES,), end, np.zeros(n, np.int32),
        {"count": np.ones(n), "median": np.array(medians, np.float64)},
        np.zeros(n + 1, np.int64), np.empty(0, np.int64), np.empty(0), int(end[-1]),
    )  # fmt: skip


def _transition(kind: str, number: int, reason: str = "level") -> Transition:
    alert = Alert("id", *SERIES[:2], "WARNING", 0.8, "", {"unit": "1"}, {}, "", "")
    alert.metadata = {"reason": reason}
    return Transition(kind, BEGIN + number * MINUTE, alert)  # type: ignore[arg-type]


def _run(
    medians: list[float], transitions: list[Transition], cuts: list[int]
) -> tuple[list[_Grown], dict[str, list[Stretch]]]:
    machine = PeerRanges()
    state: Columns = machine.initial()
    grown: list[_Grown] = []
    past: dict[str, list[Stretch]] = {}
    edges = sorted({0, len(medians), *(cut for cut in cuts if cut < len(medians))})
    for first, last in pairwise(edges):
        table = _table(first, medians[first:last])
        since, until = BEGIN + first * MINUTE, BEGIN + last * MINUTE
        some = [one for one in transitions if since < one.time <= until]
        usual = np.full(len(table), USUAL)
        state, found = machine.step(state, table, usual, MINUTE, some)
        for row in found.grown.tolist():
            span = int(found.span[row])
            classes = tuple(found.classes[row].tolist())
            end = int(table.window_end[row])
            grown.append(_Grown(end, span > 0, float(found.peak[row, 0]), classes, abs(span)))
        for name, (low, high) in found.past.items():
            past[name] = [*low.stretches, *high.stretches]
        state = machine.load(machine.dump(state))
    return grown, past


def _class(windows: int) -> int:
    return min(windows.bit_length() - 1, 7)


def _plain(
    medians: list[float], opened: int, ended: int, *, accepted: bool
) -> tuple[list[_Grown], list[Stretch]]:
    """The same, stretch by stretch; an alert is open from one window to another."""
    sides = [(one > USUAL) - (one < USUAL) for one in medians]
    farthest: dict[tuple[bool, int], float] = {}
    grown, known, first = [], [], 0
    while first < len(medians):
        last = first + 1
        while last < len(medians) and sides[last] == sides[first] != 0:
            last += 1
        side, windows = sides[first], last - first
        if side and last < len(medians):
            peak = max(medians[first:last], key=lambda one: side * one)
            end = BEGIN + (last + 1) * MINUTE
            stretch = Stretch(BEGIN + (first + 1) * MINUTE, end, peak)
            if last < opened:
                known.append(stretch)
            covered = first < ended and last + 1 >= opened  # the one it ends in counts, too
            if not covered and not (accepted and last >= ended):
                classes = [
                    k for k in range(_class(windows) + 1)
                    if side * peak > side * farthest.get((side > 0, k), -side * np.inf)
                ]  # fmt: skip
                farthest |= {(side > 0, k): peak for k in classes}
                if classes:
                    span = windows * MINUTE
                    found = classes[0], _class(windows)
                    grown.append(_Grown(end, side > 0, peak, found, span))
        first = last
    return grown, known


@settings(max_examples=60, deadline=None)
@given(
    medians=st.lists(st.integers(0, 10).map(float), min_size=3, max_size=40),
    cuts=st.lists(st.integers(1, 39), max_size=3),
    alert=st.tuples(st.integers(1, 40), st.integers(1, 10)),
    accepted=st.booleans(),
)
def test_stretches_are_those_of_a_plain_reading(
    medians: list[float], cuts: list[int], alert: tuple[int, int], accepted: bool
) -> None:
    opened, ended = alert[0], min(alert[0] + alert[1], 41)
    if opened > len(medians):
        opened = ended = 41  # no alert
    transitions = [
        _transition("opened", opened),
        _transition("resolved", ended, "accepted" if accepted else "level"),
    ]
    grown, past = _run(medians, [one for one in transitions if opened < 41], cuts)
    expected, known = _plain(medians, opened, ended, accepted=accepted and ended <= len(medians))
    assert grown == expected
    for found in past.values():
        kept = [
            one
            for high in (False, True)
            for one in sorted(
                (x for x in known if (x.peak > USUAL) == high),
                key=lambda x: -abs(x.peak - USUAL),
            )[:KEPT]
        ]
        # Of equally far ones the earlier stay.
        assert sorted(abs(x.peak - USUAL) for x in found) == sorted(
            abs(x.peak - USUAL) for x in kept
        )


def test_what_is_known_of_a_series_is_of_one_day() -> None:
    machine = PeerRanges()
    state = machine.initial()
    medians = [6.0, 4.0] * (24 * 30) + [6.0, 4.0, 6.0, 4.0, 6.0]
    state, _ = machine.step(state, _table(0, medians), np.full(len(medians), USUAL), MINUTE, [])
    opened = _transition("opened", len(medians) + 1)
    table = _table(len(medians), [9.0])
    _, found = machine.step(state, table, np.full(1, USUAL), MINUTE, [opened])
    low, high = found.past[opened.id]
    assert len(low.stretches) + len(high.stretches) < 8
    assert found.since[0] >= BEGIN + (24 * 60 - 2) * MINUTE


def test_a_far_stretch_that_finds_no_place_is_known_to_be_missing() -> None:
    machine = PeerRanges()
    medians = [4.0 if k % 2 else 6.0 + k / 100 for k in range(4 * KEPT)]
    opened = _transition("opened", len(medians))
    table = _table(0, medians)
    _, found = machine.step(
        machine.initial(), table, np.full(len(medians), USUAL), MINUTE, [opened]
    )
    _, high = found.past[opened.id]
    assert len(high.stretches) == KEPT
    assert high.left_out == pytest.approx(6.0 + 2 * (KEPT - 1) / 100)
