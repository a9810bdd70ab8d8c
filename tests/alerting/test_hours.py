"""When hours begin is found once a day of them, and kept; that changes no answer."""

from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from padit.alerting import matching
from padit.alerting.matching import Hours, next_start
from padit.domain.timestamps import MICROS, parse_timestamp
from tests.alerting.test_attacks import CHANGES, ZONES

_MINUTE, _DAY = 60 * MICROS, 86_400 * MICROS


@given(
    spans=st.lists(st.tuples(st.integers(0, 10_020), st.integers(1, 600)), min_size=1, max_size=4),
    zone=st.sampled_from([*ZONES, "UTC"]),
    change=st.sampled_from(CHANGES),
    minutes=st.lists(st.integers(-6000, 6000), min_size=1, max_size=12),
    micros=st.integers(-1, 1),
)
@settings(max_examples=100, deadline=None)
def test_asked_in_any_order_hours_begin_as_if_they_were_asked_for_the_first_time(
    spans: list[tuple[int, int]], zone: str, change: str, minutes: list[int], micros: int
) -> None:
    ranges = [(begin, min(begin + length, 10_080)) for begin, length in spans]
    kept = Hours(ranges, zone)
    for minute in minutes:
        time = parse_timestamp(change) + minute * _MINUTE + micros
        found = next_start(kept, time)
        assert found == next_start(Hours(ranges, zone), time)
        assert found == matching._begin_behind(kept, time)


def test_days_that_are_kept_are_bounded_and_found_again() -> None:
    hours = Hours([(540, 600)], "Europe/Berlin")
    first = parse_timestamp("2026-01-01T12:00:00Z")
    times = [first + day * _DAY for day in range(3 * matching._MOST_DAYS)]
    expected = [next_start(hours, one) for one in times]
    assert len(hours._begins) <= matching._MOST_DAYS
    assert [next_start(hours, one) for one in times] == expected
    assert hours.zone == ZoneInfo("Europe/Berlin")


def test_of_a_day_hours_are_looked_for_once_for_each_of_their_beginnings() -> None:
    """An alert outside a route's hours costs a look into a list, not a calendar."""
    hours = Hours([(day * 1440 + 540, day * 1440 + 600) for day in range(7)], "Europe/Berlin")
    first = parse_timestamp("2026-03-03T00:00:00Z")
    next_start(hours, first)
    (kept,) = hours._begins.values()
    for second in range(0, 86_400, 60):
        assert next_start(hours, first + second * MICROS) in kept
    assert len(kept) == 2
    assert len(hours._begins) == 1
