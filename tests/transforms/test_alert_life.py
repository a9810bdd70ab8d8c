"""What keeps an alert open, why it resolves, what is accepted, and which alerts are one page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.domain.alert import Transition
from padit.domain.config import AlertSettings, Levels
from padit.domain.metric import Series
from padit.transforms.alerts import Alerts
from padit.transforms.detect import Detection
from tests.codecs.samples import steady
from tests.transforms.scripted import NAN, WINDOWS, Row, follow, windows_of

A, B = Series("a", "x"), Series("a", "y")
OTHER = Series("b", "x")
CALM = Row()
NEWS = Row(0.8, 0.8)
ON = Row(0.1, 0.8)
"""It goes on, and is no news."""
WORSE = Row(0.95, 0.95)
HELD = Row(0.1, 0.8, held=True)
GONE = Row(0.8, 0.8, missing=True, held=True, samples=0)
TAKEN = Row(0.1, 0.1, accepted=True)
UNKNOWN = Row(NAN, NAN)


def _lines(found: list[Transition]) -> list[tuple[str, int, str]]:
    return [(one.kind, one.time, one.alert.metadata.get("reason", "")) for one in found]


def test_an_alert_stays_open_as_long_as_its_level_is_out_of_the_usual() -> None:
    found = follow(windows_of(A, [CALM, NEWS, *[ON] * 50, *[CALM] * 9]))
    assert _lines(found) == [("opened", 20, ""), ("resolved", 550, "level")]


def test_news_alone_opens_an_alert() -> None:
    assert follow(windows_of(A, [ON, ON, CALM])) == []


def test_an_event_that_is_over_at_the_end_of_its_window_is_an_alert() -> None:
    found = follow(windows_of(A, [Row(0.8, 0.0), *[CALM] * 9]))
    assert _lines(found) == [("opened", 10, ""), ("resolved", 40, "level")]


def test_what_goes_on_is_accepted_once_and_then_quiet() -> None:
    found = follow(windows_of(A, [NEWS, *[NEWS] * 60, *[CALM] * 9]), accept_after=200)
    assert _lines(found) == [("opened", 10, ""), ("resolved", 210, "accepted")]


def test_the_same_fault_again_is_reported_again_after_acceptance() -> None:
    once = [*[NEWS] * 30, *[CALM] * 4]
    found = follow(windows_of(A, [*once, *once]), accept_after=200)
    assert [kind for kind, *_ in _lines(found)] == ["opened", "resolved"] * 2
    assert len({one.alert.id for one in found}) == 2


def test_what_was_accepted_and_gets_worse_is_reported() -> None:
    found = follow(windows_of(A, [*[NEWS] * 30, WORSE, *[CALM] * 9]), accept_after=200)
    assert _lines(found)[2:] == [("opened", 310, ""), ("resolved", 340, "level")]
    assert found[2].alert.severity == "CRITICAL"


def test_what_is_held_is_never_accepted() -> None:
    found = follow(windows_of(A, [NEWS, *[HELD] * 60, *[CALM] * 9]), accept_after=200)
    assert _lines(found) == [("opened", 10, ""), ("resolved", 640, "level")]


def test_acceptance_counts_from_the_latest_window_that_was_held() -> None:
    rows = [NEWS, *[HELD] * 60, *[ON] * 40, *[CALM] * 9]
    found = follow(windows_of(A, rows), accept_after=200)
    assert _lines(found) == [("opened", 10, ""), ("resolved", 810, "accepted")]


def test_a_detector_that_accepts_by_itself_resolves_the_alert_at_once() -> None:
    found = follow(windows_of(A, [NEWS, ON, ON, TAKEN, *[CALM] * 9]))
    assert _lines(found) == [("opened", 10, ""), ("resolved", 40, "accepted")]


def test_missing_data_that_is_back_is_the_reason() -> None:
    found = follow(windows_of(A, [GONE, *[GONE] * 60, *[CALM] * 9]), accept_after=200)
    assert _lines(found) == [("opened", 10, ""), ("resolved", 640, "no_data_ended")]


def test_a_series_that_ends_leaves_no_level() -> None:
    assert _lines(follow(windows_of(A, [NEWS, ON]))) == [
        ("opened", 10, ""), ("resolved", 50, "no_level"),
    ]  # fmt: skip
    silent = follow(windows_of(A, [NEWS, *[UNKNOWN] * 9]))
    assert _lines(silent)[1:] == [("resolved", 40, "no_level")]


def test_a_slow_series_stays_open_between_its_samples() -> None:
    slow = Row(0.8, 0.8, samples=1)
    windows = [(end, A, slow) for end in range(10, 1000, 150)]
    found = follow([*windows, (1060, A, CALM)], accept_after=500)
    assert _lines(found) == [("opened", 10, ""), ("resolved", 610, "accepted")]
    brief = follow([*windows[:3], (400, A, CALM)], accept_after=500)
    assert _lines(brief) == [("opened", 10, ""), ("resolved", 400, "level")]
    ends = follow(windows[:3], accept_after=500)
    assert _lines(ends) == [("opened", 10, ""), ("resolved", 810, "no_level")]


def test_each_step_has_the_baseline_the_shift_and_the_usual_range() -> None:
    known = Row(0.8, 0.8, expected=(1.0, NAN), baseline=(5.0, 2.0, 300.0), shift=-3.5)
    opened, resolved = follow(windows_of(A, [known, *[CALM] * 9]))
    for one in (opened, resolved):
        assert one.alert.baseline == {"median": 5.0, "iqr": 2.0, "n": 300.0}
        assert one.alert.shift == -3.5
        assert one.alert.evidence["expected"] == {"low": 1.0, "high": None}
        assert one.alert.evidence["level"] == 0.8
    bare, *_ = follow(windows_of(A, [NEWS]))
    assert b'"baseline"' not in bare.to_cloud_event()
    assert b'"shift"' not in bare.to_cloud_event()


def _incidents(found: list[Transition]) -> list[str]:
    return [one.alert.metadata["incident"] for one in found if one.kind == "opened"]


def test_alerts_of_a_source_that_open_within_a_window_are_one_incident() -> None:
    windows = [*windows_of(A, [NEWS, *[CALM] * 9]), *windows_of(B, [NEWS, *[CALM] * 9], 30)]
    found = follow([*windows, *windows_of(OTHER, [NEWS, *[CALM] * 9])])
    by_series = {(one.alert.source_id, one.alert.metric_name): one.alert.metadata["incident"]
                 for one in found}  # fmt: skip
    assert by_series[A.key] == by_series[B.key] != by_series[OTHER.key]


def test_an_alert_belongs_to_the_incident_while_a_member_is_open() -> None:
    late = windows_of(B, [NEWS, *[CALM] * 9], 500)
    one, other = _incidents(follow([*windows_of(A, [NEWS, *[ON] * 60, *[CALM] * 9]), *late]))
    assert one == other
    before, after = _incidents(follow([*windows_of(A, [NEWS, *[CALM] * 60]), *late]))
    assert before != after


def test_every_step_of_an_alert_names_its_incident() -> None:
    found = follow(windows_of(A, [NEWS, WORSE, *[CALM] * 9]))
    assert [one.kind for one in found] == ["opened", "updated", "resolved"]
    assert len({one.alert.metadata["incident"] for one in found}) == 1


def test_alerts_and_detectors_must_have_the_same_levels() -> None:
    detection = Detection([], levels=Levels.of(AlertSettings(open_at=0.9)))
    with pytest.raises(ValueError, match=r"open_at=0\.7.* need detectors made for these"):
        Alerts.of(detection, AlertSettings(), WINDOWS)


ROWS = st.sampled_from(
    [CALM, NEWS, ON, WORSE, HELD, GONE, TAKEN, UNKNOWN, Row(0.8, 0.8, samples=1), None]
)
STREAMS = st.lists(st.tuples(*[ROWS] * 3), max_size=30)


@steady
@given(STREAMS, st.sets(st.integers(0, 40)), st.sampled_from([10, 25, 30]), st.booleans())
def test_lives_and_incidents_do_not_depend_on_how_time_is_cut(
    stream: list[tuple[Row | None, ...]], cuts: set[int], resolve_after: int, reload: bool
) -> None:
    windows = [
        (10 * slot, series, row)
        for slot, rows in enumerate(stream, 1)
        for series, row in zip((A, B, OTHER), rows, strict=True)
        if row is not None
    ]
    given = {"resolve_after": resolve_after, "accept_after": 80}
    whole = follow(windows, **given)  # type: ignore[arg-type]
    parts = follow(windows, [10 * cut for cut in cuts], reload=reload, **given)  # type: ignore[arg-type]
    assert [one.to_cloud_event() for one in parts] == [one.to_cloud_event() for one in whole]
    assert [one.time for one in whole] == sorted(one.time for one in whole)
    open_now: set[str] = set()
    for one in whole:
        assert (one.alert.id in open_now) == (one.kind != "opened")
        (open_now.discard if one.kind == "resolved" else open_now.add)(one.alert.id)
    assert not open_now
