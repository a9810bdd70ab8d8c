"""Which alerts belong to which faults."""

import pytest

from padit.analysis.report.table import alerts_table, duration_text, headline
from padit.analysis.report.truth import Episode, Truth, match

MINUTE = 60_000_000
FAULT = Truth("m1", "overstrain", 10 * MINUTE, 20 * MINUTE, None, ("torque_nm",))


def alert(minute: float, source: str = "m1", metric: str = "torque_nm") -> Episode:
    opened = round(minute * MINUTE)
    return Episode(
        f"{source}{metric}{minute}", source, metric, 0.7, "s", "rule 1", [(opened, "WARNING")]
    )


def verdicts(alerts: list[Episode], truths: list[Truth], window: int = 0) -> list[str | None]:
    return [line.verdict for line in match(alerts, truths, window)]


def test_an_alert_during_the_fault_found_it() -> None:
    (line,) = match([alert(14)], [FAULT])
    assert (line.verdict, line.delay) == ("found", 4 * MINUTE)


@pytest.mark.parametrize(
    "other", [alert(9), alert(21), alert(14, source="m2"), alert(14, metric="rpm")]
)
def test_an_alert_of_another_time_source_or_metric_is_false_and_the_fault_missed(
    other: Episode,
) -> None:
    assert set(verdicts([other], [FAULT])) == {"false", "missed"}


def test_an_alert_may_open_one_window_after_the_fault() -> None:
    assert verdicts([alert(21)], [FAULT], 2 * MINUTE) == ["found"]


def test_a_fault_without_metrics_shows_in_any() -> None:
    assert verdicts([alert(14, metric="rpm")], [Truth("m1", "f", 0, 20 * MINUTE)]) == ["found"]


def test_without_truth_nothing_is_judged() -> None:
    lines = match([alert(14)], None)
    assert [line.verdict for line in lines] == [None]
    assert headline(lines) == "1 alerts"
    assert "truth" not in alerts_table(lines)


def test_the_table_names_found_false_and_missed() -> None:
    missed = Truth("m9", "power_failure", 0, MINUTE)
    table = alerts_table(match([alert(14), alert(30)], [FAULT, missed]))
    assert "✓" in table
    assert "✗" in table
    assert "○" in table
    assert table.endswith(
        "1 of 2 faults found, 1 false alert among 2; found after 4 min to 4 min\n"
    )


def test_the_delay_of_a_fault_is_that_of_its_first_alert() -> None:
    lines = match([alert(18), alert(12)], [FAULT])
    assert headline(lines).endswith("found after 2 min to 2 min")


def test_no_alerts_make_a_short_table() -> None:
    assert alerts_table([]) == "no alerts\n"


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "0 s"), (59_999_999, "60 s"), (90_000_000, "1 min 30 s"), (3_600_000_000, "1 h 0 min")],
)
def test_durations_read_well(micros: int, text: str) -> None:
    assert duration_text(micros) == text
