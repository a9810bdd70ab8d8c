"""A command about each series of a large incident: the work grows with the series, not faster."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from padit.alerting.entries import Entry, Target, fingerprint_of
from padit.alerting.overview import Change, Overview
from padit.alerting.silence_review import SilenceReview
from padit.portal.present import Presenter
from tests.alerting.making import at, command, config_of, event, tick

TWO_ROUTES = """
receivers: {r: {kind: webhook}}
routes:
  - {name: first, receiver: r, match: {metric: m0}, go_on: true}
  - {name: all, receiver: r}
"""


class _Lines:
    """How many lines of Python were run: the same in each run, however busy the machine is."""

    count = 0


@contextmanager
def _counted() -> Iterator[_Lines]:
    found, before = _Lines(), sys.gettrace()

    def trace(frame: FrameType, kind: str, argument: Any) -> Any:
        del frame, argument
        found.count += kind == "line"
        return trace

    sys.settrace(trace)
    try:
        yield found
    finally:
        sys.settrace(before)


def _lines(kind: str, series: int) -> int:
    """Lines that a command about each series of one incident runs, beside 40 other incidents."""
    config = config_of(TWO_ROUTES)
    overview, review = Overview(config), SilenceReview(config)
    presenter = Presenter(overview)
    entries: list[Entry] = [
        event("opened", i / 1000, f"o{i}", source=f"other-{i}") for i in range(40)
    ]
    entries += [event("opened", 1 + i / 1000, f"a{i}", metric=f"m{i}") for i in range(series)]
    for n, entry in enumerate([*entries, tick(5)], 1):
        overview.apply(n, entry)
        review.apply(entry)
    until = at(60) if kind == "silence" else 0
    note = "real" if kind == "feedback" else ""
    acts = [
        command(kind, 3, id=f"c{i}", until=until, note=note,
                target=Target(fingerprint=fingerprint_of("press-1", f"m{i}")))
        for i in range(series)
    ]  # fmt: skip
    changes: list[Change] = []
    with _counted() as lines:
        for n, act in enumerate(acts, 1000):
            changes.append(overview.apply(n, act))
            review.apply(act)
            review.mark(changes[-1].real)
            presenter.forget(changes[-1])
        presenter.changes(changes)
    return lines.count


@pytest.mark.parametrize("kind", ["acknowledge", "unacknowledge", "resolve", "silence", "feedback"])
def test_the_work_of_a_command_for_each_series_grows_with_their_number_and_no_faster(
    kind: str,
) -> None:
    few, many = _lines(kind, 50), _lines(kind, 400)
    assert many < 12 * few


def test_to_show_an_incident_with_a_silence_for_each_series_is_no_work_for_each_pair() -> None:
    def shown(series: int) -> int:
        overview = Overview(config_of())
        for i in range(series):
            overview.apply(i + 1, event("opened", i / 1000, f"a{i}", metric=f"m{i}"))
        for i in range(series):
            target = Target(fingerprint=fingerprint_of("press-1", f"m{i}"))
            one = command("silence", 3, id=f"c{i}", until=at(60), target=target)
            overview.apply(1000 + i, one)
        name = overview.alerts["a0"].incident
        with _counted() as lines:
            found = overview.incident(name)
        assert len(found["silences"]) + found["silences_left_out"] == series
        assert (found["silenced_series"], found["silenced"]) == (series, at(60))
        assert [one["series"] for one in found["silences"]][:20] == [
            [one["fingerprint"]] for one in found["members"]
        ]
        return lines.count

    assert shown(400) < 12 * shown(50)
